/** Access tokens for simulated hospitals: of the hub's own issuer, by the keys in its data directory, renewed in time. */
import { randomUUID } from 'node:crypto';
import { issueToken, presetClaims } from '../../access/token/issue.ts';
import { loadIssuerKeys } from '../../access/token/keys.ts';
import { addressesOf, readConfig } from '../../config.ts';

/** A token lives for an hour; one that is older than this is not begun with. */
const renewedAfterMs = 30 * 60_000;

export type Tokens = (organization: string) => Promise<string>;

export async function openTokens(environment: NodeJS.ProcessEnv): Promise<Tokens> {
  const config = readConfig(environment);
  const { publicUrl, audience } = addressesOf(config);
  const keys = await loadIssuerKeys(config.dataDir);
  const known = new Map<string, { at: number; token: Promise<string> }>();
  return (organization) => {
    const now = Date.now();
    const before = known.get(organization);
    if (before !== undefined && now - before.at < renewedAfterMs) return before.token;
    const claims = { ...presetClaims('hospital'), client_id: 'simulator', organization };
    const token = issueToken(keys, claims, {
      issuer: publicUrl,
      audience,
      jti: randomUUID(),
      now: Math.trunc(now / 1000),
    });
    known.set(organization, { at: now, token });
    return token;
  };
}
