/** A source that has a feed of its changes: `GET BASE/changes?after=17` answers a line of JSON each, `{"n": 18, "resource": {...}}`. */
import { Problem } from '../../../src/fhir/problem.ts';
import type { Check, Pulled, Puller, PullRun } from '../../../src/ingest/contract.ts';

/** Lines that are taken together: one transaction. */
const pageLines = 200;

interface Change {
  readonly n: number;
  readonly deleted?: boolean;
  readonly resource: { readonly resourceType: string; readonly id: string; readonly subject?: { reference?: string } };
}

export const changeFeed: Omit<Puller, 'kind'> = {
  readConfig: (config) => {
    const { base, ...others } = config;
    const [unknown] = Object.keys(others);
    if (typeof base !== 'string' || !/^https?:$/.test(URL.parse(base)?.protocol ?? ''))
      throw new Problem('value', 'the base is no address', { expression: 'base', hint: 'Give an http or https URL.' });
    if (unknown !== undefined) throw new Problem('value', 'the setting is not known', { expression: unknown });
    return config;
  },
  secrets: () => ['token'],
  test: async (run): Promise<readonly Check[]> => {
    const first = await ask(run, 0).next();
    return [{ name: 'feed', isOk: true, detail: first.done === true ? 'it is empty' : 'changes are read' }];
  },
  run: async (run) => {
    let page: Change[] = [];
    let taken = 0;
    const take = async (): Promise<void> => {
      const last = page.at(-1);
      if (last === undefined) return;
      // The watermark is where to go on once these are on disk; it is written with them or not at all.
      await run.take(page.map(pulledOf), { n: last.n });
      taken += page.length;
      page = [];
    };
    for await (const change of ask(run, Number(run.watermark?.['n'] ?? 0))) {
      page.push(change);
      if (page.length === pageLines) await take();
      if (taken >= run.budget.resources) return { isMore: true };
    }
    await take();
    return {};
  },
};

async function* ask(
  { endpoint, secrets, signal }: Pick<PullRun, 'endpoint' | 'secrets' | 'signal'>,
  after: number,
): AsyncGenerator<Change> {
  const headers = { authorization: `Bearer ${secrets['token']}` };
  const response = await fetch(`${String(endpoint.config['base'])}/changes?after=${after}`, { headers, signal });
  // Said in our words: what a source answers may hold a record.
  if (response.status === 401) throw new Problem('login', 'the source does not take the token');
  if (!response.ok || response.body === null) throw new Problem('transient', `the source answers ${response.status}`);
  let rest = '';
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as Change;
  }
}

function pulledOf({ n, deleted, resource }: Change): Pulled {
  const { resourceType: type, id } = resource;
  const [, patient] = /^Patient\/(.+)$/.exec(resource.subject?.reference ?? '') ?? [];
  return {
    type,
    id,
    version: String(n),
    patient,
    isDeleted: deleted === true,
    bytes: Buffer.from(JSON.stringify(deleted === true ? { resourceType: type, id } : resource)),
  };
}
