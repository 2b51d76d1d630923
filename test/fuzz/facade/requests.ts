/** Requests to the facade, from its own route table: each row with paths, queries, headers and bodies that fit it, or do not. */
import fc from 'fast-check';
import { routes, routesOfOperations, type Route } from '../../../src/api/routes.ts';
import { bundle, bytes, fhirPathPatch, inputPairs, jsonPatch, parameters } from './bodies.ts';
import { escapeText, ids, idsOf, namesOf, oddTexts, seldom } from './oddities.ts';
import { query } from './queries.ts';
import { resource } from './resources.ts';
import { types } from './values.ts';

export const principals = ['hospital', 'ai', 'patient', 'payment', 'operator', 'narrow', 'stranger', 'none'] as const;
export type PrincipalName = (typeof principals)[number];

export interface FuzzRequest {
  readonly principal: PrincipalName;
  readonly method: string;
  /** From `/` on, escaped. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

const base = '/fhir/R4';
const principal: fc.Arbitrary<PrincipalName> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<PrincipalName>('hospital') },
  { weight: 6, arbitrary: fc.constantFrom<PrincipalName>('ai', 'patient') },
  { weight: 2, arbitrary: fc.constantFrom<PrincipalName>('payment', 'operator', 'narrow') },
  { weight: 1, arbitrary: fc.constantFrom<PrincipalName>('stranger', 'none') },
);

/** Whoever may write at all does most of it. */
const writers: fc.Arbitrary<PrincipalName> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<PrincipalName>('hospital') },
  { weight: 1, arbitrary: principal },
);
const tags = fc.constantFrom('W/"1"', 'W/"2"', '"1"', '*', 'W/"x"', '1', 'W/"99999999999"', 'W/"1", W/"2"', '');
const dates = fc.constantFrom('Mon, 30 Nov 2026 10:00:00 GMT', 'Thu, 01 Jan 1970 00:00:00 GMT', 'yesterday', '-1', '');
/** What Node's client sends as it is. */
const headerTexts = oddTexts.map((text) => text.replace(/[^\t\x20-\x7e\x80-\xff]/gu, '?').slice(0, 300));
const mostly = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 9, arbitrary: texts }, { weight: 1, arbitrary: headerTexts });
const accepted = [
  'application/fhir+json',
  'application/json',
  'application/json;q=0.5, */*',
  'application/fhir+json; fhirVersion=4.0',
];
const headers: fc.Arbitrary<Record<string, string>> = fc
  .record({
    accept: seldom(8, mostly(fc.constantFrom(...accepted, 'text/html', 'application/fhir+xml', '*/*;q=0'))),
    prefer: seldom(
      4,
      mostly(
        fc.constantFrom(
          'return=minimal',
          'return=OperationOutcome',
          'handling=strict',
          'handling=lenient',
          'respond-async',
          'handling=strict; return=x',
        ),
      ),
    ),
    'if-match': seldom(6, tags),
    'if-none-match': seldom(6, tags),
    'if-modified-since': seldom(6, dates),
    'if-none-exist': seldom(
      8,
      fc.oneof(fc.constantFrom('identifier=urn:f|1', '_id=p-1', '_id=hidden-1', '', '?', 'a'), headerTexts),
    ),
    'accept-encoding': seldom(4, mostly(fc.constantFrom('gzip;q=0', 'identity', 'br', '*;q=0'))),
    origin: seldom(4, mostly(fc.constantFrom('http://example.org', 'null'))),
    'x-forwarded-host': seldom(4, mostly(fc.constant('evil.example'))),
    'content-encoding': seldom(60, fc.constantFrom('gzip', 'identity', 'br, gzip')),
  })
  .map(present);
/** Most requests send few headers, and those that matter to no refusal before the body is read. */
const plainHeaders = fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 2, arbitrary: headers });

function present(all: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined));
}

function contentType(wanted: string): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 40, arbitrary: fc.constant(wanted) },
    fc.constantFrom(
      'application/fhir+json',
      'application/json; charset=gbk',
      'application/fhir+xml',
      'text/plain',
      'application/json-patch+json',
      '',
    ),
    headerTexts,
  );
}

/** A search of the whole server is refused without. */
const typeLists = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .uniqueArray(types, { minLength: 1, maxLength: 4 })
      .map((all) => `_type=${all.map(escapeText).join(',')}&`),
  },
  { weight: 1, arbitrary: fc.constant('') },
);

interface Content {
  readonly type: string;
  readonly value: fc.Arbitrary<unknown>;
}
const json = 'application/fhir+json';
const patches: fc.Arbitrary<Content> = fc.constantFrom(
  { type: 'application/json-patch+json', value: jsonPatch },
  { type: json, value: fhirPathPatch },
);

/** The resource an entry carries is as often another than the method wants. */
const entries = fc
  .tuple(fc.constantFrom(...routes, ...routesOfOperations.filter(isCheap)), types)
  .chain(([route, type]) =>
    fc.record({
      method: fc.constant(route.method.toUpperCase()),
      url: address(route, type).map((url) => url.slice(1)),
      resource: fc.oneof(resource(type), fc.constant(undefined)),
    }),
  );

/** Kick-offs make files and work in the background: a few are enough. */
function isCheap({ interaction }: Route): boolean {
  return interaction.operation?.name !== 'export';
}

/** Path and query. */
function address(route: Route, type: string): fc.Arbitrary<string> {
  const segment = (name: string): fc.Arbitrary<string> => {
    if (name === ':type') return fc.constant(type);
    if (name === ':compartment')
      return fc.constantFrom('Patient', 'Encounter', 'Practitioner', 'Device', 'RelatedPerson', 'Group');
    if (name === ':version') return fc.oneof(fc.constantFrom('1', '2', '0', '-1', '01', '99999999999', 'x'), oddTexts);
    return idsOf(name === ':id' ? type : 'Patient');
  };
  const parts = route.path.split('/').slice(1).filter(Boolean);
  const path = fc
    .tuple(...parts.map((name) => (name.startsWith(':') ? segment(name).map(escapeText) : fc.constant(name))))
    .map((all) => all.map((one) => `/${one}`).join(''));
  return fc.tuple(path, queryOf(route, type)).map(([start, text]) => (text === '' ? start : `${start}?${text}`));
}

function queryOf({ interaction, method, path }: Route, type: string): fc.Arbitrary<string> {
  const searched = query(type);
  if (interaction.operation !== undefined) {
    const input = inputPairs.map((all) =>
      all.map(([name, value]) => `${escapeText(name)}=${escapeText(value)}`).join('&'),
    );
    return fc.oneof({ weight: 3, arbitrary: input }, { weight: 1, arbitrary: searched });
  }
  const isSearch = interaction.code.startsWith('search') && method === 'get';
  if (isSearch && path === '/') return fc.tuple(typeLists, searched).map(([list, text]) => `${list}${text}`);
  const isConditional = path === '/:type' && method !== 'get' && method !== 'post';
  const rarely = fc.oneof({ weight: 5, arbitrary: fc.constant('') }, { weight: 1, arbitrary: searched });
  if (isConditional)
    return fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom('identifier=urn:f|1', '_id=p-1', '_id=hidden-1', '') },
      { weight: 2, arbitrary: searched },
    );
  return isSearch || interaction.code.startsWith('history') ? searched : rarely;
}

function contentOf(route: Route, type: string): fc.Arbitrary<Content> | undefined {
  const { method, path, interaction } = route;
  if (method === 'get' || method === 'delete') return undefined;
  if (method === 'patch') return patches;
  if (path === '/') return fc.constant({ type: json, value: bundle(entries) });
  if (interaction.operation !== undefined)
    return fc.oneof(
      { weight: 4, arbitrary: fc.constant({ type: json, value: parameters }) },
      fc.constant({ type: json, value: resource(type) }),
    );
  return fc.constant({ type: json, value: resource(type) });
}

/** A request that a row of the table takes, by the path at least. */
function ofRoute(route: Route): fc.Arbitrary<FuzzRequest> {
  return types.chain((type) => {
    const url = address(route, type).map((text) => `${base}${text}`);
    const method = fc.oneof(
      { weight: 40, arbitrary: fc.constant(route.method.toUpperCase()) },
      { weight: 1, arbitrary: fc.constant(route.method === 'get' ? 'HEAD' : 'OPTIONS') },
    );
    if (route.path.endsWith('/_search')) {
      const form = fc.record({ 'content-type': contentType('application/x-www-form-urlencoded') });
      return fc
        .record({
          principal,
          method,
          url,
          headers: plainHeaders,
          form,
          text: fc.tuple(typeLists, query(type)).map(([list, text]) => (route.path === '/_search' ? list : '') + text),
        })
        .map(({ form: more, text, ...rest }) => ({
          ...rest,
          headers: { ...rest.headers, ...more },
          body: Buffer.from(text),
        }));
    }
    const content = contentOf(route, type);
    if (content === undefined)
      return fc.record({
        principal: route.method === 'delete' ? writers : principal,
        method,
        url,
        headers: plainHeaders,
      });
    return content.chain((one) =>
      fc
        .record({
          principal: writers,
          method,
          url,
          headers: plainHeaders,
          type: contentType(one.type),
          body: bytes(one.value),
        })
        .map(withType),
    );
  });
}

/** With the id of the URL, as R4 wants it. */
const updates: fc.Arbitrary<FuzzRequest> = types.chain((type) =>
  fc.constantFrom(...namesOf(type)).chain((id) =>
    fc
      .record({
        principal: writers,
        method: fc.constant('PUT'),
        url: fc.constant(`${base}/${escapeText(type)}/${id}`),
        headers: plainHeaders,
        type: contentType(json),
        body: bytes(resource(type).map((one) => ({ ...(one as object), id }))),
      })
      .map(withType),
  ),
);

/** Most names mean nothing to most operations: half of the callers want to be read all the same. */
const invocations = fc
  .tuple(fc.constantFrom(...routesOfOperations.filter(isCheap)).chain(ofRoute), fc.boolean())
  .map(([one, isLenient]) => (isLenient ? { ...one, headers: { ...one.headers, prefer: 'handling=lenient' } } : one));

function withType({ type, ...rest }: FuzzRequest & { readonly type: string }): FuzzRequest {
  return { ...rest, headers: { ...rest.headers, 'content-type': type } };
}

/** What no row of the table has: any method, any path, any body. */
const stray: fc.Arbitrary<FuzzRequest> = fc
  .record({
    principal,
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE'),
    path: fc.array(
      fc.oneof(
        types,
        ids,
        fc.constantFrom('_search', '_history', '$everything', '$x', '*', '%2f', '..', '%', 'metadata'),
      ),
      { maxLength: 6 },
    ),
    text: query('Patient'),
    headers: plainHeaders,
    body: bytes(resource('Patient')),
  })
  .map(({ path, text, body, ...rest }) => ({
    ...rest,
    url: `${base}${path.map((one) => `/${one === '%' ? '%' : escapeText(one)}`).join('')}${text && '?'}${text}`,
    ...(['POST', 'PUT', 'PATCH'].includes(rest.method) ? { body } : {}),
  }));

const among = (chosen: (route: Route) => boolean): fc.Arbitrary<FuzzRequest> =>
  fc.constantFrom(...routes.filter(chosen)).chain(ofRoute);
const exports = routesOfOperations.filter((route) => !isCheap(route));

/** Shares of a hundred, about; searches have the most to say. */
export const requests: fc.Arbitrary<FuzzRequest> = fc.oneof(
  { weight: 400, arbitrary: among(({ interaction }) => interaction.code.startsWith('search')) },
  { weight: 120, arbitrary: among(({ interaction: { code } }) => code.endsWith('read') || code.startsWith('history')) },
  { weight: 140, arbitrary: among(({ path, interaction: { isWrite } }) => isWrite && path !== '/') },
  { weight: 30, arbitrary: among(({ method }) => method === 'delete') },
  { weight: 50, arbitrary: among(({ path, method }) => path === '/' && method === 'post') },
  { weight: 60, arbitrary: updates },
  { weight: 150, arbitrary: invocations },
  { weight: 48, arbitrary: stray },
  { weight: 2, arbitrary: fc.constantFrom(...exports).chain(ofRoute) },
);
