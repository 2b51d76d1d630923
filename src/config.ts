/**
 * The environment as a checked Config. Read once at start by main and cli and handed down as values. Every refusal names
 * the variable, the rule and the remedy. Variables with our prefix that the hub does not know are named in the log: a
 * misspelt name that falls back to its default in silence costs a night.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';

export const roles = ['api', 'ingest', 'worker', 'scheduler'] as const;
export type Role = (typeof roles)[number];

export interface TrustedIssuer {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly audience?: string;
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
  /** undefined: the embedded PostgreSQL under dataDir. */
  readonly databaseUrl?: string;
  /** Without a trailing slash; undefined: 127.0.0.1 and the port the hub listens on. */
  readonly publicUrl?: string;
  /** Empty: the hub's own issuer only. */
  readonly trustedIssuers: readonly TrustedIssuer[];
  /** undefined: the FHIR base URL. */
  readonly audience?: string;
  readonly subscriptionAllow: readonly string[];
  readonly roles: ReadonlySet<Role>;
  readonly workers: number;
  readonly logLevel: string;
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
  DATABASE_URL: variable(
    z.string().regex(/^postgres(ql)?:\/\/./),
    'postgres://user:password@host:5432/name, a PostgreSQL 15 or newer (unset: the embedded one)',
  ),
  HUB_PUBLIC_URL: variable(url, 'the http(s) URL under which callers reach the hub (unset: where it listens)'),
  HUB_TRUSTED_ISSUERS: variable(
    issuers,
    'JSON: [{"issuer":"https://...","jwks_uri":"https://...","audience":"..."}], audience optional (unset: own issuer)',
  ),
  HUB_AUDIENCE: variable(path, 'the `aud` that tokens must name (unset: the FHIR base URL)'),
  HUB_SUBSCRIPTION_ALLOW: variable(list.pipe(z.array(z.url())), 'comma-separated URL prefixes for notifications', ''),
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
  HUB_LOG_LEVEL: variable(z.enum(logLevels), `one of ${logLevels.join(', ')}`, 'info'),
};

type Values = {
  [Name in keyof typeof variables]: (typeof variables)[Name] extends Variable<infer T> ? T | undefined : never;
};

/** Names that the launcher and tests set for themselves; no setting of the hub. */
const internalNames = new Set(['HUB_LAUNCHER_PID', 'HUB_TEST_DATABASE']);

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
  const mllpTls = problems.length === 0 ? readTls(known, problems) : undefined;
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return {
    host: known.HUB_HOST as string,
    port: known.HUB_PORT as number,
    mllpPort: known.HUB_MLLP_PORT as number,
    ...(mllpTls === undefined ? {} : { mllpTls }),
    dataDir: resolve(known.HUB_DATA_DIR as string),
    databaseUrl: known.DATABASE_URL,
    publicUrl: known.HUB_PUBLIC_URL,
    trustedIssuers: known.HUB_TRUSTED_ISSUERS ?? [],
    audience: known.HUB_AUDIENCE,
    subscriptionAllow: known.HUB_SUBSCRIPTION_ALLOW ?? [],
    roles: new Set(known.HUB_ROLES),
    workers: known.HUB_WORKERS as number,
    logLevel: known.HUB_LOG_LEVEL as string,
    unknownVariables: Object.keys(environment).filter(
      (name) => name.startsWith('HUB_') && !(name in variables) && !internalNames.has(name),
    ),
  };
}

/** The table for `--help`. */
export function describeVariables(): string {
  const rows = Object.entries<Variable<unknown>>(variables).map(
    ([name, { rule, standard }]) => `  ${name.padEnd(24)}${rule}${standard === undefined ? '' : ` [${standard}]`}`,
  );
  return `\nEnvironment:\n${rows.join('\n')}\n`;
}

/** A database URL holds a password: it is never repeated, in whole or in part. */
function shown(name: string, text: string): string {
  return name === 'DATABASE_URL' ? '(not shown)' : JSON.stringify(text);
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
