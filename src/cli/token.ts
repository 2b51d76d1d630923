/** `hub token`: a JWT of the hub's own issuer. The keys in the data directory are all it needs; no database, no hub. */
import { randomUUID } from 'node:crypto';
import { composeClaims, issueToken, presets, type Preset } from '../access/token/issue.ts';
import { loadIssuerKeys } from '../access/token/keys.ts';
import { addressesOf, readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';

export interface TokenOptions {
  readonly preset?: string;
  readonly client?: string;
  readonly scope?: string;
  readonly organization?: string;
  readonly purpose?: readonly string[];
  readonly patient?: string;
  readonly fhirUser?: string;
  readonly role?: string;
  readonly expires?: string;
}

export async function runToken(options: TokenOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment);
  const { preset, expires, ...rest } = options;
  const claims = composeClaims({ ...rest, ...(preset === undefined ? {} : { preset: readPreset(preset) }) });
  const { publicUrl, audience } = addressesOf(config);
  const token = await issueToken(await loadIssuerKeys(config.dataDir), claims, {
    issuer: publicUrl,
    audience,
    jti: randomUUID(),
    now: Math.trunc(Date.now() / 1000),
    ...(expires === undefined ? {} : { expiresInSeconds: Number(expires) }),
  });
  console.log(token);
}

function readPreset(name: string): Preset {
  const found = presets.find((preset) => preset === name);
  if (found !== undefined) return found;
  throw new Problem('value', '--preset is none the hub knows', { hint: `One of ${presets.join(', ')}.` });
}
