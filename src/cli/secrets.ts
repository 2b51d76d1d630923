/** `hub secrets list | rotate`: the keys that seal what is secret at rest. No value is ever shown. */
import { openAudit } from '../access/audit/audit.ts';
import { openKeyring, readSecretKeys } from '../access/secrets/keyring.ts';
import { countSealed, rotateSecrets } from '../access/secrets/rotate.ts';
import { openSealer } from '../access/secrets/seal.ts';
import { readConfig } from '../config.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { sealedColumns } from '../hub/sealed.ts';
import { operatorHere, print, withDatabase } from './database.ts';

export interface RotateCommandOptions {
  readonly settle?: string;
}

/** More than any transaction takes. */
const settleSecondsMax = 3_600;

export async function runSecretsList(environment: NodeJS.ProcessEnv): Promise<void> {
  const { dataDir } = readConfig(environment);
  await withDatabase(environment, async (database) => print(await listed(database, dataDir)));
}

export async function runSecretsRotate(
  { settle }: RotateCommandOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const settleMs = settle === undefined ? undefined : millisecondsOf(settle);
  const { dataDir } = readConfig(environment);
  await withDatabase(environment, async (db) => {
    await recordHere(db);
    const sealer = openSealer(await openKeyring(dataDir));
    const rotated = await rotateSecrets({ db, dataDir, sealer, columns: sealedColumns, settleMs });
    print([rotated, ...(await listed(db, dataDir))]);
    if (rotated.unopened > 0) {
      throw new Problem('exception', `${rotated.unopened} sealed texts open by no key`, {
        hint: 'Restore secret-keys.json from its backup, or have them set anew: hub account reset, the Subscription written again.',
      });
    }
  });
}

/** A key that rows name and the file does not have is `isMissing`: what it sealed is lost unless the file is restored. */
async function listed(db: Database, dataDir: string): Promise<object[]> {
  const keys = await readSecretKeys(dataDir);
  const uses = await countSealed(db, sealedColumns);
  const missing = new Set(uses.map(({ key }) => key).filter((id) => keys.every((key) => key.id !== id)));
  const sealedBy = (id: string): Record<string, number> => {
    const sealed: Record<string, number> = {};
    for (const { what, count } of uses.filter(({ key }) => key === id)) sealed[what] = (sealed[what] ?? 0) + count;
    return sealed;
  };
  return [
    ...keys.map(({ id, created }, index) => ({ key: id, created, seals: index === 0, sealed: sealedBy(id) })),
    ...[...missing].map((id) => ({ key: id, isMissing: true, sealed: sealedBy(id) })),
  ];
}

async function recordHere(db: Database): Promise<void> {
  const audit = openAudit(db);
  const context = { principal: operatorHere(), interaction: 'secrets-rotate', at: Date.now() };
  await audit.record([{ context, rows: 0, outcome: 'success' }]);
  await audit.close();
}

function millisecondsOf(text: string): number {
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds <= settleSecondsMax) return seconds * 1000;
  throw new Problem('value', `--settle is a number of seconds up to ${settleSecondsMax}`, { expression: '--settle' });
}
