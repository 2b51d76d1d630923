/**
 * The environment as a checked Config. Read once at start by main and cli and handed down as values. Every refusal names
 * the variable, the rule and the remedy. Variables with our prefix that the hub does not know are named in the log: a
 * misspelt name that falls back to its default in silence costs a night.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';

export const roles = ['api', 'ingest', 'worker', 'scheduler'] as const;
export type Role = (typeof roles)[number];

export interface TrustedIssuer {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly audience?: string;
}

/** An OpenID provider by which people may sign in. */
export interface LoginIssuer {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
}

export interface AlertConfig {
  readonly webhooks: readonly string[];
  readonly webhookSecret?: string;
  /** Addresses of people; `smtpUrl` is there when there are any. */
  readonly emails: readonly string[];
  readonly from: string;
  readonly smtpUrl?: string;
}

export interface TlsFiles {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Present: a client certificate of this authority is required. */
  readonly ca?: Buffer;
}

export interface Config {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly mllpPort: number;
  readonly mllpTls?: TlsFiles;
  readonly dataDir: string;
  /** A folder of sensitivity sets beside the shipped ones. */
  readonly sensitivityDir?: string;
  /** undefined: the embedded PostgreSQL under dataDir. */
  readonly databaseUrl?: string;
  /** Of the owner of its tables, by which migrations run. undefined: databaseUrl. */
  readonly databaseOwnerUrl?: string;
  /** Without a trailing slash; undefined: 127.0.0.1 and the port the hub listens on. */
  readonly publicUrl?: string;
  /** Empty: the hub's own issuer only. */
  readonly trustedIssuers: readonly TrustedIssuer[];
  /** undefined: the FHIR base URL. */
  readonly audience?: string;
  readonly subscriptionAllow: readonly string[];
  /** undefined: people sign in to the hub itself alone. */
  readonly login?: LoginIssuer;
  readonly roles: ReadonlySet<Role>;
  readonly workers: number;
  readonly logLevel: string;
  /** How long the content of processed messages is kept; undefined: until it is erased. */
  readonly messageDays?: number;
  /** Where signed statements about the audit trail are appended, beside the database. */
  readonly auditStatements: string;
  /** Between two of them. */
  readonly auditSignSeconds: number;
  /** As access/rate/rates.ts has them; 0: no limit. */
  readonly rates: { readonly client: number; readonly patient: number; readonly self: number; readonly misses: number };
  /** As access/rate/refusals.ts has it; 0: no limit. */
  readonly refusalsMax: number;
  /** CIDR: whose X-Forwarded-For is believed. Empty: nobody's. */
  readonly trustedProxies: readonly string[];
  /** Years: see access/proxy/minor.ts. */
  readonly minorAges: { readonly private: number; readonly full: number };
  /** Who is told of alerts. */
  readonly alerts: AlertConfig;
  /** Variables that begin with HUB_ and mean nothing to the hub. */
  readonly unknownVariables: readonly string[];
}

/** The names under which the hub is known: in links, in tokens. */
export interface Addresses {
  /** Base of links and name of the own issuer. */
  readonly publicUrl: string;
  readonly fhirBase: string;
  /** `aud` of every token. */
  readonly audience: string;
}

/** @param port the port the hub really listens on, when it was told to take any */
export function addressesOf(config: Config, port = config.port): Addresses {
  const publicUrl = config.publicUrl ?? `http://127.0.0.1:${port}`;
  const fhirBase = `${publicUrl}/fhir/R4`;
  return { publicUrl, fhirBase, audience: config.audience ?? fhirBase };
}

/** A variable that cannot be used as it is: one line for each, ready to print. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Threads beyond this only wait for the same database. */
const workersMax = 64;
/** What is not signed yet can be rewritten unnoticed: a day of it at most. */
const auditSignSecondsMax = 86_400;

const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .refine((value) => value <= 65_535);
const url = z.url({ protocol: /^https?$/ }).transform((value) => new URL(value).href.replace(/\/+$/, ''));
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const issuers = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('not JSON');
      return z.NEVER;
    }
  })
  .pipe(z.array(z.strictObject({ issuer: z.url(), jwks_uri: url, audience: z.string().min(1).optional() })))
  .transform((entries): TrustedIssuer[] =>
    entries.map((entry) => ({
      issuer: entry.issuer,
      jwksUri: entry.jwks_uri,
      ...(entry.audience === undefined ? {} : { audience: entry.audience }),
    })),
  );

/** Codes and secrets go there. */
function isSecureOrLocal(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '');
}

interface Variable<T> {
  readonly schema: z.ZodType<T, string>;
  readonly rule: string;
  /** Absent: the variable may stay unset. */
  readonly standard?: string;
}
const variable = <T>(schema: z.ZodType<T, string>, rule: string, standard?: string): Variable<T> => ({
  schema,
  rule,
  ...(standard === undefined ? {} : { standard }),
});

const path = z.string().min(1);
const postgres = z.string().regex(/^postgres(ql)?:\/\/./);
/** An address, or one with the length of a prefix; access/client/network.ts reads it. */
function isNetwork(text: string): boolean {
  const [address = '', bits = '0', ...rest] = text.split('/');
  return (
    rest.length === 0 &&
    isIP(address) !== 0 &&
    /^\d{1,3}$/.test(bits) &&
    Number(bits) <= (isIP(address) === 4 ? 32 : 128)
  );
}
/** More would not be counted in time. */
const rateMax = 100_000_000;
const rate = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)
  .refine((value) => value <= rateMax);
const years = z
  .string()
  .regex(/^\d{1,2}$/)
  .transform(Number)
  .refine((value) => value <= 30);
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Every variable, its rule as the operator reads it, and its default. `hub serve --help` prints this table. */
export const variables = {
  HUB_HOST: variable(path, 'an address or host name to listen on', '127.0.0.1'),
  HUB_PORT: variable(port, 'a port from 0 (any free one) to 65535', '8080'),
  HUB_MLLP_PORT: variable(port, 'a port from 0 (any free one) to 65535', '2575'),
  HUB_MLLP_TLS_KEY: variable(path, 'a PEM file with the private key of the MLLP listener'),
  HUB_MLLP_TLS_CERT: variable(path, 'a PEM file with the certificate of the MLLP listener'),
  HUB_MLLP_TLS_CA: variable(path, 'a PEM file with the authority that issues the certificates of senders'),
  HUB_DATA_DIR: variable(path, 'a directory for the embedded PostgreSQL and the keys', './data'),
  HUB_SENSITIVITY_DIR: variable(path, 'a folder of YAML files with codes that are sensitive beside the shipped ones'),
  DATABASE_URL: variable(
    postgres,
    'postgres://user:password@host:5432/name, a PostgreSQL 15 or newer (unset: the embedded one)',
  ),
  HUB_DATABASE_OWNER_URL: variable(
    postgres,
    'postgres://owner:password@host:5432/name, by which migrations run; DATABASE_URL is then of a role that owns nothing',
  ),
  HUB_PUBLIC_URL: variable(url, 'the http(s) URL under which callers reach the hub (unset: where it listens)'),
  HUB_TRUSTED_ISSUERS: variable(
    issuers,
    'JSON: [{"issuer":"https://...","jwks_uri":"https://...","audience":"..."}], audience optional (unset: own issuer)',
  ),
  HUB_AUDIENCE: variable(path, 'the `aud` that tokens must name (unset: the FHIR base URL)'),
  HUB_SUBSCRIPTION_ALLOW: variable(list.pipe(z.array(z.url())), 'comma-separated URL prefixes for notifications', ''),
  HUB_LOGIN_ISSUER: variable(
    z.url({ protocol: /^https?$/ }).refine(isSecureOrLocal),
    'the https URL of an OpenID provider by which people may sign in (http on this machine alone; unset: passwords alone)',
  ),
  HUB_LOGIN_CLIENT_ID: variable(path, 'client_id of the hub at HUB_LOGIN_ISSUER', 'health-record-hub'),
  HUB_LOGIN_CLIENT_SECRET: variable(path, 'client_secret of the hub at HUB_LOGIN_ISSUER (unset: PKCE alone)'),
  HUB_ROLES: variable(
    list.pipe(z.array(z.enum(roles)).min(1)),
    `a comma-separated choice of ${roles.join(', ')}`,
    roles.join(','),
  ),
  HUB_WORKERS: variable(
    z
      .string()
      .regex(/^\d+$/)
      .transform(Number)
      .refine((value) => value >= 1 && value <= workersMax),
    `a number from 1 to ${workersMax}`,
    String(Math.min(availableParallelism(), workersMax)),
  ),
  HUB_AUDIT_STATEMENTS: variable(
    path,
    'a file for signed statements about the audit trail (unset: audit-statements.ndjson in HUB_DATA_DIR)',
  ),
  HUB_AUDIT_SIGN_SECONDS: variable(
    z
      .string()
      .regex(/^\d+$/)
      .transform(Number)
      .refine((value) => value >= 1 && value <= auditSignSecondsMax),
    `a number of seconds from 1 to ${auditSignSecondsMax} between two such statements`,
    '300',
  ),
  HUB_RATE_CLIENT: variable(rate, 'requests a second of one client, in each thread; 0: no limit', '20000'),
  HUB_RATE_PATIENT: variable(rate, 'requests a minute of one client about one patient; 0: no limit', '600000'),
  HUB_RATE_SELF: variable(rate, 'requests a minute of one person in their own name; 0: no limit', '60000'),
  HUB_RATE_MISSES: variable(
    rate,
    'different questions of one client in ten minutes that show nothing, before it is refused; 0: no limit',
    '20000',
  ),
  HUB_RATE_REFUSALS: variable(
    rate,
    'requests below /oauth that are refused in a minute, of one address, before it waits; 0: no limit',
    '600',
  ),
  HUB_TRUSTED_PROXIES: variable(
    list.refine((blocks) => blocks.every(isNetwork)),
    'comma-separated CIDR blocks of proxies whose X-Forwarded-For is believed',
    '',
  ),
  HUB_MINOR_PRIVATE_AGE: variable(
    years,
    'the age (0 to 30 years) from which a minor decides about their data, and what is private is hidden from parents',
    '14',
  ),
  HUB_FULL_AGE: variable(years, 'the age (0 to 30 years) from which parents have no rights', '18'),
  HUB_MESSAGE_DAYS: variable(
    z
      .string()
      .regex(/^\d{1,5}$/)
      .transform(Number)
      .refine((value) => value >= 1),
    'a number of days (1 to 99999) after which the content of processed messages is emptied',
  ),
  HUB_ALERT_WEBHOOK: variable(
    list.pipe(z.array(z.url({ protocol: /^https?$/ }).refine(isSecureOrLocal))),
    'comma-separated https URLs that are told of alerts (http on this machine alone)',
    '',
  ),
  HUB_ALERT_WEBHOOK_SECRET: variable(path, 'the key that signs them (Standard Webhooks: whsec_ and base64)'),
  HUB_ALERT_EMAIL: variable(list.pipe(z.array(z.email())), 'comma-separated addresses of people who are told', ''),
  HUB_ALERT_FROM: variable(path, 'the sender of such mails', 'hub@localhost'),
  HUB_SMTP_URL: variable(
    z.url({ protocol: /^smtps?$/ }),
    'smtps://user:password@host, or smtp://host:587 (STARTTLS where the server has it)',
  ),
  HUB_LOG_LEVEL: variable(z.enum(logLevels), `one of ${logLevels.join(', ')}`, 'info'),
};

type Values = {
  [Name in keyof typeof variables]: (typeof variables)[Name] extends Variable<infer T> ? T | undefined : never;
};

/** Names that the launcher and tests set for themselves; no setting of the hub. */
const internalNames = new Set(['HUB_LAUNCHER_PID', 'HUB_TEST_DATABASE', 'HUB_TEST_RUN_DATABASE']);

/** @throws ConfigError with a line for each variable that breaks its rule */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { schema, rule, standard }] of Object.entries<Variable<unknown>>(variables)) {
    // An empty value counts as unset: that is what `HUB_X= hub serve` and empty lines of an env file mean.
    const text = environment[name] === '' || environment[name] === undefined ? standard : environment[name];
    if (text === undefined) continue;
    const result = schema.safeParse(text);
    if (result.success) values[name] = result.data;
    else problems.push(`${name}=${shown(name, text)} is not usable. Set it to ${rule}, or unset it.`);
  }
  const known = values as Values;
  const dataDir = resolve(known.HUB_DATA_DIR ?? '.');
  if (known.HUB_DATABASE_OWNER_URL !== undefined && known.DATABASE_URL === undefined)
    problems.push('HUB_DATABASE_OWNER_URL is not usable without DATABASE_URL. Set both, or none.');
  if ((known.HUB_ALERT_EMAIL ?? []).length > 0 && known.HUB_SMTP_URL === undefined)
    problems.push('HUB_ALERT_EMAIL is not usable without HUB_SMTP_URL. Set both, or none.');
  const mllpTls = problems.length === 0 ? readTls(known, problems) : undefined;
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  const login = loginIssuerOf(known);
  return {
    host: known.HUB_HOST as string,
    port: known.HUB_PORT as number,
    mllpPort: known.HUB_MLLP_PORT as number,
    ...(mllpTls === undefined ? {} : { mllpTls }),
    dataDir,
    ...(known.HUB_SENSITIVITY_DIR === undefined ? {} : { sensitivityDir: resolve(known.HUB_SENSITIVITY_DIR) }),
    databaseUrl: known.DATABASE_URL,
    databaseOwnerUrl: known.HUB_DATABASE_OWNER_URL,
    publicUrl: known.HUB_PUBLIC_URL,
    trustedIssuers: known.HUB_TRUSTED_ISSUERS ?? [],
    audience: known.HUB_AUDIENCE,
    subscriptionAllow: known.HUB_SUBSCRIPTION_ALLOW ?? [],
    ...(login === undefined ? {} : { login }),
    roles: new Set(known.HUB_ROLES),
    workers: known.HUB_WORKERS as number,
    logLevel: known.HUB_LOG_LEVEL as string,
    ...(known.HUB_MESSAGE_DAYS === undefined ? {} : { messageDays: known.HUB_MESSAGE_DAYS }),
    auditStatements: resolve(known.HUB_AUDIT_STATEMENTS ?? join(dataDir, 'audit-statements.ndjson')),
    auditSignSeconds: known.HUB_AUDIT_SIGN_SECONDS as number,
    rates: {
      client: known.HUB_RATE_CLIENT as number,
      patient: known.HUB_RATE_PATIENT as number,
      self: known.HUB_RATE_SELF as number,
      misses: known.HUB_RATE_MISSES as number,
    },
    refusalsMax: known.HUB_RATE_REFUSALS as number,
    trustedProxies: known.HUB_TRUSTED_PROXIES ?? [],
    minorAges: { private: known.HUB_MINOR_PRIVATE_AGE as number, full: known.HUB_FULL_AGE as number },
    alerts: {
      webhooks: known.HUB_ALERT_WEBHOOK ?? [],
      ...(known.HUB_ALERT_WEBHOOK_SECRET === undefined ? {} : { webhookSecret: known.HUB_ALERT_WEBHOOK_SECRET }),
      emails: known.HUB_ALERT_EMAIL ?? [],
      from: known.HUB_ALERT_FROM as string,
      ...(known.HUB_SMTP_URL === undefined ? {} : { smtpUrl: known.HUB_SMTP_URL }),
    },
    unknownVariables: Object.keys(environment).filter(
      (name) => name.startsWith('HUB_') && !(name in variables) && !internalNames.has(name),
    ),
  };
}

/** The table for `--help`. */
export function describeVariables(): string {
  const width = Math.max(...Object.keys(variables).map((name) => name.length)) + 2;
  const rows = Object.entries<Variable<unknown>>(variables).map(
    ([name, { rule, standard }]) => `  ${name.padEnd(width)}${rule}${standard === undefined ? '' : ` [${standard}]`}`,
  );
  return `\nEnvironment:\n${rows.join('\n')}\n`;
}

/** Of the environment. */
function loginIssuerOf(values: Values): LoginIssuer | undefined {
  const { HUB_LOGIN_ISSUER: issuer, HUB_LOGIN_CLIENT_ID: clientId = '', HUB_LOGIN_CLIENT_SECRET: secret } = values;
  if (issuer === undefined) return undefined;
  return { issuer, clientId, ...(secret === undefined ? {} : { clientSecret: secret }) };
}

const confidential = new Set([
  'DATABASE_URL',
  'HUB_DATABASE_OWNER_URL',
  'HUB_LOGIN_CLIENT_SECRET',
  'HUB_ALERT_WEBHOOK',
  'HUB_ALERT_WEBHOOK_SECRET',
  'HUB_SMTP_URL',
]);

/** Such URLs hold passwords: they are never repeated, in whole or in part. */
function shown(name: string, text: string): string {
  return confidential.has(name) ? '(not shown)' : JSON.stringify(text);
}

function readTls(values: Values, problems: string[]): TlsFiles | undefined {
  const [key, cert, ca] = (['HUB_MLLP_TLS_KEY', 'HUB_MLLP_TLS_CERT', 'HUB_MLLP_TLS_CA'] as const).map((name) => {
    const file = values[name];
    if (file === undefined) return undefined;
    try {
      return readFileSync(file);
    } catch {
      problems.push(`${name}=${JSON.stringify(file)} cannot be read. Set it to ${variables[name].rule}, or unset it.`);
      return undefined;
    }
  });
  if (problems.length > 0) return undefined;
  if (key !== undefined && cert !== undefined) return { key, cert, ...(ca === undefined ? {} : { ca }) };
  if (key !== undefined || cert !== undefined || ca !== undefined) {
    problems.push(
      'HUB_MLLP_TLS_KEY and HUB_MLLP_TLS_CERT belong together. Set both (HUB_MLLP_TLS_CA on top, for mTLS), or none.',
    );
  }
  return undefined;
}
