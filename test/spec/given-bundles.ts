/** Entries of batches and transactions, and a hub that takes them from two hospitals. */
import assert from 'node:assert/strict';
import { given } from '../given.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

export type Json = Record<string, any>; // eslint-disable-line typescript/no-explicit-any

export interface BundleWorld {
  hub: GivenHub;
  /** Tokens. */
  hospital: string;
  other: string;
}

/** Called before the hooks of the suite. */
export function givenBundles() {
  const world = {} as BundleWorld;
  before(async () => {
    world.hub = await givenHub();
    world.hospital = await world.hub.token('hospital');
    world.other = await world.hub.token('hospital', { organization: 'Organization/other' });
  });
  after(() => world.hub?.close());

  const send = (
    type: string,
    entry: object[],
    token = world.hospital,
    headers: Record<string, string> = {},
  ): Promise<HubResponse> =>
    world.hub.send('POST', '/fhir/R4', token, { body: { resourceType: 'Bundle', type, entry }, headers });
  const transact = (...entry: object[]): Promise<HubResponse> => send('transaction', entry);
  const get = (path: string, token = world.hospital): Promise<HubResponse> => world.hub.send('GET', path, token);
  const create = async (resource: object, token = world.hospital): Promise<string> => {
    const { resourceType } = resource as { resourceType: string };
    const response = await world.hub.send('POST', resourceType, token, { body: resource });
    assert.equal(response.status, 201, response.text);
    return response.json['id'] as string;
  };
  const post = (resource: object, more: object = {}, fullUrl?: string): object => ({
    ...(fullUrl === undefined ? {} : { fullUrl }),
    resource,
    request: { method: 'POST', url: (resource as { resourceType: string }).resourceType, ...more },
  });
  const put = (resource: Json, more: object = {}, fullUrl?: string): object => ({
    ...(fullUrl === undefined ? {} : { fullUrl }),
    resource,
    request: { method: 'PUT', url: `${resource['resourceType']}/${resource['id']}`, ...more },
  });
  const remove = (url: string, more: object = {}): object => ({ request: { method: 'DELETE', url, ...more } });
  const read = (url: string, more: object = {}): object => ({ request: { method: 'GET', url, ...more } });
  const entries = (response: HubResponse): Json[] => {
    assert.equal(response.status, 200, response.text);
    return response.json['entry'] as Json[];
  };
  const statuses = (response: HubResponse): string[] =>
    entries(response).map(({ response: { status } }) => (status as string).slice(0, 3));

  let values = 0;
  const identified = (value = `t-${++values}`): { body: Json; query: string; value: string } => ({
    body: { ...given.patient(), identifier: [{ system: 'urn:t', value }] },
    query: `identifier=urn:t|${value}`,
    value,
  });
  const uuid = (n: number): string => `urn:uuid:00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const about = (reference: string, more: object = {}): Json => ({
    ...given.observation({ patient: 'x' }),
    subject: { reference },
    ...more,
  });
  return { world, about, create, entries, get, identified, post, put, read, remove, send, statuses, transact, uuid };
}
