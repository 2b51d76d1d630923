/**
 * A hub with little in it, seen by several: a hospital with its patients, an AI service with the consent of one of them, the
 * patient, a payer, the console; and the records of another hospital, which none of them may see. Those hold the canary.
 */
import { Agent, request as send } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { Writable } from 'node:stream';
import pino from 'pino';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { cursorMark, cursorsMax } from './queries.ts';
import type { FuzzRequest, PrincipalName } from './requests.ts';

/** In every hidden record, in texts, codes and identifiers; in no request. */
export const canary = 'canaryqzxv';

/** No answer takes so long on any machine; a hang would. */
export const answerMsMax = 60_000;

export interface FuzzAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly bytes: number;
}

export interface FuzzWorld {
  /** @throws Error when there is no answer, or none in time */
  ask(request: FuzzRequest): Promise<FuzzAnswer>;
  /** What the hub logged as errors since it was last asked. */
  takeErrors(): string[];
  /** Whatever was deleted or changed is as in the beginning. */
  restore(): Promise<void>;
  readonly tokens: ReadonlyMap<PrincipalName, string | undefined>;
  readonly url: string;
  close(): Promise<void>;
}

const coded = (code: string, text: string): object => ({
  coding: [{ system: 'http://loinc.org', code, display: text }],
  text,
});
const identifier = (value: string): object[] => [{ system: 'urn:f', value }];

const visible: readonly AnyResource[] = [
  given.organization({ id: 'hospital' }),
  { ...given.patient({ id: 'p-1' }), identifier: identifier('1'), birthDate: '1980-02-03', gender: 'female' },
  { ...given.patient({ id: 'p-2', family: '王' }), identifier: identifier('2') },
  given.encounter({ id: 'e-1', patient: 'p-1', start: '2026-01-01T08:00:00Z' }),
  // They lead to what is hidden, and what is hidden leads to them: none of it may be followed.
  ...[1, 2, 3, 4, 5].map((nth) => ({
    ...given.observation({ id: `o-${nth}`, patient: nth < 4 ? 'p-1' : 'p-2', value: nth }),
    performer: [{ reference: 'Practitioner/hidden-d' }],
    hasMember: [{ reference: 'Observation/hidden-o' }],
  })),
  {
    resourceType: 'DocumentReference',
    id: 'd-1',
    status: 'current',
    subject: { reference: 'Patient/p-1' },
    content: [{ attachment: { contentType: 'text/plain', data: 'eA==' } }],
  },
  {
    resourceType: 'Group',
    id: 'g-1',
    type: 'person',
    actual: true,
    member: [{ entity: { reference: 'Patient/p-1' } }],
  },
  {
    resourceType: 'List',
    id: 'l-1',
    status: 'current',
    mode: 'working',
    subject: { reference: 'Patient/p-1' },
    entry: [{ item: { reference: 'Observation/o-1' } }],
  },
];

const hidden: readonly AnyResource[] = [
  {
    ...given.patient({ id: 'hidden-1', family: canary }),
    identifier: identifier(canary),
    birthDate: '1980-02-03',
    gender: 'female',
  },
  given.encounter({ id: 'hidden-e', patient: 'hidden-1', start: '2026-01-01T08:00:00Z' }),
  {
    ...given.observation({ id: 'hidden-o', patient: 'hidden-1', value: 77 }),
    code: coded('718-7', canary),
    note: [{ text: canary }],
    performer: [{ display: canary }],
    hasMember: [{ reference: 'Observation/o-1' }],
    text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${canary}</div>` },
  },
  {
    resourceType: 'Condition',
    id: 'hidden-c',
    subject: { reference: 'Patient/hidden-1', display: canary },
    code: coded(canary, canary),
  },
  {
    resourceType: 'List',
    id: 'hidden-l',
    status: 'current',
    mode: 'working',
    title: canary,
    subject: { reference: 'Patient/hidden-1' },
    entry: [{ item: { reference: 'Observation/o-1' } }],
  },
  { resourceType: 'Practitioner', id: 'hidden-d', name: [{ family: canary }] },
];

export async function givenFuzzWorld(): Promise<FuzzWorld> {
  let errors: string[] = [];
  const kept = new Writable({
    write: (line: Buffer, _encoding, done) => {
      errors.push(line.toString());
      done();
    },
  });
  const serializers = { error: (error: Error) => error.stack ?? error.message };
  const hub = await givenHub({}, pino({ level: 'error', messageKey: 'event', serializers }, kept));
  const other = await hub.token('hospital', { organization: 'Organization/hidden' });
  const tokens = await tokensOf(hub);
  const restore = async (): Promise<void> => {
    await put(hub, tokens.get('hospital'), visible);
    await put(hub, other, hidden);
    await put(hub, tokens.get('patient'), [
      { ...givenConsent('p-1', 'Organization/ai-health-manager'), id: 'consent-1' },
    ]);
  };
  await restore();
  const cursors = await cursorsOf(hub, tokens);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  return {
    tokens,
    url: hub.url,
    ask: (request) => ask(agent, hub.url, tokens.get(request.principal), withCursors(request, cursors)),
    takeErrors: () => errors.splice(0),
    restore,
    close: async () => {
      agent.destroy();
      await hub.close();
      errors = [];
    },
  };
}

async function tokensOf(hub: GivenHub): Promise<Map<PrincipalName, string | undefined>> {
  return new Map<PrincipalName, string | undefined>([
    ['hospital', await hub.token('hospital')],
    ['ai', await hub.token('ai')],
    ['patient', await hub.token('patient', { patient: 'p-1', fhirUser: 'Patient/p-1' })],
    ['payment', await hub.token('payment')],
    ['operator', await hub.token('operator')],
    ['narrow', await hub.token('ai', { scope: 'system/Observation.rs?code=http://loinc.org|718-7 system/Patient.r' })],
    ['stranger', 'eyJhbGciOiJub25lIn0.e30.'],
    ['none', undefined],
  ]);
}

/** A transaction, so that a world is there within a moment. */
async function put(hub: GivenHub, token: string | undefined, resources: readonly AnyResource[]): Promise<void> {
  for (const resource of resources) {
    const { resourceType, id } = resource;
    const { status, text } = await hub.send('PUT', `${resourceType}/${id}`, token, { body: resource });
    if (status >= 300) throw new Error(`the world cannot be made: ${resourceType}/${id} ${status} ${text}`);
  }
}

/** Cursors as the hub gave them, and damaged. */
async function cursorsOf(hub: GivenHub, tokens: ReadonlyMap<PrincipalName, string | undefined>): Promise<string[]> {
  const found: string[] = [];
  for (const path of [
    'Observation?_count=1',
    'Observation?_count=1&_sort=-date',
    'Patient/p-1/$everything?_count=1',
    'Patient/p-1/_history?_count=1',
  ]) {
    for (const name of ['hospital', 'ai', 'patient'] as const) {
      const { text } = await hub.send('GET', path, tokens.get(name));
      found.push(/_cursor=([\w-]+)/.exec(text)?.[1] ?? 'none');
    }
  }
  const damaged = found.map((one, at) =>
    at % 3 === 0 ? one.slice(0, -4) : at % 3 === 1 ? `${one.slice(0, 9)}A${one.slice(10)}` : one + one,
  );
  return [...found, ...damaged].slice(0, cursorsMax);
}

/** URL and headers together stay within what Node reads (431 comes with a reset connection); the hub's own bound is below. */
const urlCharsMax = 9_000;

function withCursors(request: FuzzRequest, cursors: readonly string[]): FuzzRequest {
  const replaced = (text: string): string =>
    text.replaceAll(new RegExp(`${cursorMark}(\\d+)`, 'g'), (_, index: string) => cursors[Number(index)] ?? '');
  return { ...request, url: replaced(request.url).slice(0, urlCharsMax) };
}

function ask(agent: Agent, url: string, token: string | undefined, request: FuzzRequest): Promise<FuzzAnswer> {
  const { method, headers, body, url: path } = request;
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = send({
      agent,
      hostname,
      port,
      method,
      path,
      headers: {
        'accept-encoding': 'gzip',
        ...headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-length': body.length }),
      },
    });
    const hang = setTimeout(() => sent.destroy(new Error(`no answer in ${answerMsMax} ms`)), answerMsMax);
    const fail = (error: Error): void => {
      clearTimeout(hang);
      reject(error);
    };
    sent.on('error', fail);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('error', fail);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        clearTimeout(hang);
        const received = Buffer.concat(chunks);
        const bytes =
          response.headers['content-encoding'] === 'gzip' && received.length > 0 ? gunzipSync(received) : received;
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: bytes.toString(),
          bytes: bytes.length,
        });
      });
    });
    sent.end(body);
  });
}
