/** `hub proxy list | confirm | refuse`: who may act for patients, and the operator's word on it. */
import { confirmProxy, listProxies, refuseProxy } from '../access/proxy/record.ts';
import { Problem } from '../fhir/problem.ts';
import { print, requirePatient, withDatabase } from './database.ts';

export async function runProxyList(options: { patient?: string }, environment: NodeJS.ProcessEnv): Promise<void> {
  const patient = options.patient?.replace(/^Patient\//, '');
  await withDatabase(environment, async (database) => {
    const rows = await listProxies(database, { patient });
    // A RelatedPerson may come before its Patient.
    if (patient !== undefined && rows.length === 0) await requirePatient(database, patient);
    print(rows);
  });
}

export async function runProxyDecide(
  reference: string,
  { by, isConfirmed }: { readonly by: string; readonly isConfirmed: boolean },
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (!/^[\w .@-]{1,64}$/.test(by)) {
    throw new Problem('value', '--by is no name', {
      expression: '--by',
      hint: 'Who decides: 1 to 64 letters or digits.',
    });
  }
  const id = reference.replace(/^RelatedPerson\//, '');
  await withDatabase(environment, (database) =>
    (isConfirmed ? confirmProxy : refuseProxy)(database, id, by, new Date()),
  );
  console.log(JSON.stringify({ relatedPerson: id, [isConfirmed ? 'confirmedBy' : 'refusedBy']: by }));
}
