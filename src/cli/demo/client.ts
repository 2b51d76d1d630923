/** The demo's callers: FHIR and operations requests over real HTTP with a real token. */
import type { AnyResource } from '../../fhir/types.ts';

export interface Answer {
  readonly status: number;
  /** The body as text: compared byte by byte where two answers must be alike. */
  readonly text: string;
  readonly body: AnyResource;
}

export interface Caller {
  get(path: string): Promise<Answer>;
  post(path: string, resource: AnyResource): Promise<Answer>;
  put(path: string, resource: AnyResource): Promise<Answer>;
}

const timeoutMs = 15_000;

/** @param base without a trailing slash; paths begin with `/` */
export function openCaller(base: string, token: string): Caller {
  const call = async (method: string, path: string, resource?: AnyResource): Promise<Answer> => {
    const response = await fetch(base + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/fhir+json, application/x-ndjson',
        ...(resource === undefined ? {} : { 'content-type': 'application/fhir+json' }),
      },
      ...(resource === undefined ? {} : { body: JSON.stringify(resource) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    const isOneJson = response.headers.get('content-type')?.includes('ndjson') !== true && text !== '';
    return { status: response.status, text, body: (isOneJson ? JSON.parse(text) : {}) as AnyResource };
  };
  return {
    get: (path) => call('GET', path),
    post: (path, resource) => call('POST', path, resource),
    put: (path, resource) => call('PUT', path, resource),
  };
}

/** The resources of a searchset. */
export function resourcesOf({ body }: Answer): AnyResource[] {
  return ((body['entry'] ?? []) as { resource: AnyResource }[]).map(({ resource }) => resource);
}
