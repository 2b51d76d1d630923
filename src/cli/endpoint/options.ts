/** The options of `hub endpoint add` and `set`, as what the registry understands. Secrets come by stdin or a file, never in argv. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Problem } from '../../fhir/problem.ts';
import type { EndpointPatch } from '../../ingest/registry/plan.ts';
import type { NewEndpoint } from '../../ingest/registry/description.ts';
import { isObject, mergePatch } from '../../ingest/registry/difference.ts';
import { parseDescription } from '../../ingest/registry/parse.ts';

export interface EndpointOptions {
  readonly kind?: string;
  readonly organization?: string;
  readonly facility?: readonly string[];
  readonly port?: string;
  readonly folder?: string;
  readonly batchAck?: string;
  readonly charset?: string;
  readonly zone?: string;
  readonly ack?: string;
  readonly poison?: string;
  readonly certificate?: string;
  readonly address?: readonly string[];
  readonly set?: readonly string[];
  readonly unset?: readonly string[];
  readonly secret?: readonly string[];
  readonly unsetSecret?: readonly string[];
  readonly state?: string;
  readonly draft?: true;
  readonly note?: string;
  readonly by?: string;
  readonly dryRun?: true;
  readonly host?: string;
  readonly tls?: true;
  readonly hl7Version?: string;
  readonly application?: string;
  readonly sender?: string;
  readonly refusal?: string;
}

/** As a patch of a description: what was not given is not in it. @throws Problem value */
export function readPatch(options: EndpointOptions): EndpointPatch {
  const { facility = [], address = [], port, folder, set = [], unset = [] } = options;
  const given: Record<string, unknown> = {
    kind: options.kind,
    organization: options.organization,
    facilities: facility.length === 0 ? undefined : facility,
    port: port === undefined ? undefined : Number(port),
    folder: folder === undefined ? undefined : resolve(folder),
    batchAck: options.batchAck,
    charset: options.charset,
    zone: options.zone,
    ackMode: options.ack,
    poisonPolicy: options.poison,
    certificate: options.certificate,
    addresses: address.length === 0 ? undefined : address,
    state: options.draft === true ? 'draft' : options.state,
  };
  const patch: Record<string, unknown> = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  const config: Record<string, unknown> = {};
  for (const text of set) nest(config, ...settingOf(text));
  for (const name of unset) {
    if (optional.has(name)) patch[name] = null;
    else nest(config, name, null);
  }
  return Object.keys(config).length === 0 ? patch : { ...patch, config };
}

/** What may be left out of a description. */
const optional: ReadonlySet<string> = new Set([
  'facilities',
  'port',
  'folder',
  'batchAck',
  'charset',
  'zone',
  'ackMode',
  'poisonPolicy',
  'certificate',
  'addresses',
]);

/** `every=15m`, `auth.clientId=hub`, `types=["Patient","Observation"]`: JSON where it is JSON, else text. */
function settingOf(text: string): [string, unknown] {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (!/^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/.test(name)) {
    throw new Problem('value', '--set is not valid', { expression: '--set', hint: 'Write it as name=value.' });
  }
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

function nest(config: Record<string, unknown>, name: string, value: unknown): void {
  const [first = '', ...rest] = name.split('.');
  if (rest.length === 0) {
    config[first] = value;
    return;
  }
  const inner = isObject(config[first]) ? config[first] : {};
  config[first] = inner;
  nest(inner, rest.join('.'), value);
}

/** @throws Problem value */
export function readNew(name: string, options: EndpointOptions): NewEndpoint {
  return parseDescription(mergePatch({ name }, readPatch(options)));
}

/**
 * `--secret NAME` reads stdin, `--secret NAME=@FILE` a file; the line end at its end is none of it.
 * @throws Problem value, also for a secret in the arguments, which every process of this machine can read
 */
export function readSecretOptions(options: EndpointOptions): Record<string, string | null> {
  const { secret = [], unsetSecret = [] } = options;
  if (secret.filter((text) => fileOf(text) === '-').length > 1) {
    throw new Problem('value', 'one secret is read from stdin', {
      expression: '--secret',
      hint: 'Name files: NAME=@FILE.',
    });
  }
  const given = secret.map((text): [string, string] => [text.split('=', 1)[0] ?? '', contentOf(fileOf(text))]);
  return Object.fromEntries([...given, ...unsetSecret.map((name): [string, null] => [name, null])]);
}

function fileOf(text: string): string {
  const at = text.indexOf('=');
  if (at < 0) return '-';
  const value = text.slice(at + 1);
  if (value.startsWith('@')) return value.slice(1);
  throw new Problem('value', 'a secret is not given as an argument: other processes can read it there', {
    expression: '--secret',
    hint: 'Give --secret NAME and the value on stdin, or --secret NAME=@FILE.',
  });
}

function contentOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new Problem('not-found', `the secret cannot be read from ${file === '-' ? 'stdin' : file}`, {
      expression: '--secret',
      cause,
    });
  }
}
