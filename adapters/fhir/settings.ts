/**
 * What a FHIR source needs to be reached, whichever way it is asked: address, authentication, limits. Settings may have been
 * written on a command line, so a list may come as text with commas and a number as text.
 */
import { z } from 'zod';
import { Problem } from '../../src/fhir/problem.ts';

/**
 * - `none`: the network decides (with `tls`, a client certificate).
 * - `basic`: `user` and the secret `password`.
 * - `client-secret`: OAuth client credentials, `client` and the secret `client-secret`.
 * - `private-key-jwt`: SMART Backend Services, `client` and the secret `private-key`.
 * - `bearer`: a token that the operator of the source gave, the secret `token`.
 */
export const authKinds = ['none', 'basic', 'client-secret', 'private-key-jwt', 'bearer'] as const;
export type AuthKind = (typeof authKinds)[number];

const isTrue = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);
const list = z.union([
  z.array(z.string().min(1)),
  z.string().transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  ),
]);
const url = z
  .string()
  .transform((text) => text.trim().replace(/\/+$/, ''))
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'an http or https address');

/** `30m`, `6h`, `7d`. @returns milliseconds */
export const duration = z
  .string()
  .regex(/^\d{1,6}(s|m|h|d)$/, 'a number and s, m, h or d: 6h')
  .transform((text) => Number(text.slice(0, -1)) * (units[text.at(-1) as string] as number));
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** `null` for never: what is undefined becomes the default. */
export const durationOrNever = z.union([z.literal('never').transform(() => null), duration]);

/** Kept as they are written, for whoever reads them. */
function isDuration(value: unknown): boolean {
  return typeof value === 'string' && (value === 'never' || /^\d+[smhd]$/.test(value));
}

export const connectionShape = {
  /** FHIR base URL, without a slash at the end. */
  base: url,
  /** By which this source is told from others, where its address changes or differs by way; default: the base. */
  source: z.string().min(1).max(500).optional(),
  /** FHIR version of the source; default: as its CapabilityStatement says. */
  version: z.string().min(1).max(20).optional(),
  auth: z.enum(authKinds).default('none'),
  user: z.string().min(1).optional(),
  client: z.string().min(1).optional(),
  /** Default: as `.well-known/smart-configuration` says. */
  tokenUrl: url.optional(),
  scope: z.string().min(1).default('system/*.read'),
  /** Of an assertion: default by the type of the key, RS384 or ES384. */
  algorithm: z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'EdDSA']).optional(),
  kid: z.string().min(1).optional(),
  /** A client certificate: the secrets `tls-key` and `tls-cert`. */
  tls: isTrue.default(false),
  /** PEM of authorities that the source is trusted by, instead of the system's. */
  ca: z.string().min(1).optional(),
  /** http to another machine. */
  plainHttp: isTrue.default(false),
  /** Origins beside that of `base` where links may lead. */
  origins: list.default([]),
  /** Other base URLs by which the server calls itself in references and links; they are asked at `base`. */
  aliases: z.union([z.array(url), list.pipe(z.array(url))]).default([]),
  connectSeconds: z.coerce.number().min(1).max(60).default(10),
  answerSeconds: z.coerce.number().min(1).max(600).default(60),
  idleSeconds: z.coerce.number().min(1).max(300).default(30),
  pageBytesMax: z.coerce
    .number()
    .int()
    .min(1_024)
    .max(256 * 1024 * 1024)
    .default(32 * 1024 * 1024),
};

/** Of an endpoint that asks: what its documents name beside. */
export const contentShape = {
  /** Content of documents that lies below the base: fetched, or left where it is. */
  attachments: z.enum(['taken', 'left']).default('taken'),
  /** Of one; a larger one is left where it is. */
  attachmentBytesMax: z.coerce
    .number()
    .int()
    .min(1_024)
    .max(64 * 1024 * 1024)
    .default(16 * 1024 * 1024),
};

const connectionSchema = z.object(connectionShape);
export type Connection = z.output<typeof connectionSchema>;
export { isTrue, list };

/**
 * Settings that others read (when it is asked, what people call it) are passed over.
 * @throws Problem value with the name of the setting that is wrong, and what it should be
 */
export function readSettings<Shape extends z.ZodRawShape>(
  shape: Shape,
  config: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<Shape>> {
  return parsed(schemaOf(open, shape, () => z.object(shape)) as z.ZodObject<Shape>, config);
}

/**
 * Settings as a person gives them, none of which may be unknown.
 * @returns those that were given, as they are kept: lists as lists, numbers as numbers. The same again gives the same
 * @throws Problem as `readSettings`
 */
export function keptSettings(shape: z.ZodRawShape, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const read: Record<string, unknown> = parsed(
    schemaOf(strict, shape, () => z.strictObject(shape)),
    config,
  );
  return Object.fromEntries(
    Object.entries(config).map(([name, given]) => [name, isDuration(given) ? given : read[name]]),
  );
}

/** By shape: to compile one takes a hundred times as long as to use it. */
const open = new WeakMap<z.ZodRawShape, z.ZodObject>();
const strict = new WeakMap<z.ZodRawShape, z.ZodObject>();

function schemaOf(
  known: WeakMap<z.ZodRawShape, z.ZodObject>,
  shape: z.ZodRawShape,
  make: () => z.ZodObject,
): z.ZodObject {
  let schema = known.get(shape);
  if (schema === undefined) known.set(shape, (schema = make()));
  return schema;
}

function parsed<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  config: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<Shape>> {
  const read = schema.safeParse(config);
  if (read.success) return checkTogether(read.data);
  const [issue] = read.error.issues;
  const name = issue?.path.join('.') || (issue?.code === 'unrecognized_keys' ? (issue.keys[0] ?? '') : '');
  const hint =
    issue?.code === 'unrecognized_keys' ? `Known settings: ${Object.keys(schema.shape).join(', ')}.` : issue?.message;
  throw new Problem('value', `the setting ${name} is not valid`, { expression: name, hint });
}

/** What one setting asks of another. */
function checkTogether<Read>(read: Read): Read {
  const { auth, user, client } = read as Partial<Connection>;
  const needed: readonly [boolean, string][] = [
    [auth === 'basic' && user === undefined, 'user'],
    [(auth === 'client-secret' || auth === 'private-key-jwt') && client === undefined, 'client'],
  ];
  const missing = needed.find(([isMissing]) => isMissing)?.[1];
  if (missing === undefined) return read;
  throw new Problem('required', `the setting ${missing} is missing`, {
    expression: missing,
    hint: `\`auth\` ${auth} needs it.`,
  });
}

/** Names of the secrets that the settings need. */
export function secretsOf({ auth, tls }: Pick<Connection, 'auth' | 'tls'>): readonly string[] {
  const own: Record<AuthKind, readonly string[]> = {
    none: [],
    basic: ['password'],
    'client-secret': ['client-secret'],
    'private-key-jwt': ['private-key'],
    bearer: ['token'],
  };
  return tls ? [...own[auth], 'tls-key', 'tls-cert'] : own[auth];
}

/** @throws Problem required naming the secret */
export function requireSecret(secrets: Readonly<Record<string, string>>, name: string): string {
  const secret = secrets[name];
  if (secret !== undefined && secret !== '') return secret;
  throw new Problem('required', `the secret ${name} is missing`, {
    expression: name,
    hint: 'Set it with `hub endpoint set`, from a file.',
  });
}
