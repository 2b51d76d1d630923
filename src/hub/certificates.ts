/** Looks at the certificates that this hub shows and meets: its listener's, those of servers it calls, its own towards them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openKeyring } from '../access/secrets/keyring.ts';
import { openSealer } from '../access/secrets/seal.ts';
import { isPulled } from '../ingest/registry/description.ts';
import { readSecrets } from '../ingest/registry/secrets.ts';
import { listDestinations } from '../outbound/destination.ts';
import { endOf, noteCertificates, probeServer, type SeenCertificate } from '../watch/certificates.ts';
import type { WatchingOptions } from './watching.ts';

/** Certificates change seldom, and are told of weeks before they end. */
const everyMs = 6 * 3_600_000;
/** Not while a hub starts. */
const firstMs = 30_000;
/** Servers that are looked at side by side. */
const probesMax = 8;

export function watchCertificates(options: WatchingOptions): { close(): Promise<void> } {
  const closing = new AbortController();
  const running = (async () => {
    for (let ms = firstMs; ; ms = everyMs) {
      await sleep(ms, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      if (closing.signal.aborted) return;
      await lookAtCertificates(options, closing.signal).catch((error: unknown) =>
        options.log.error({ error }, 'certificates were not looked at'),
      );
    }
  })();
  return {
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

export async function lookAtCertificates(
  { config, database, endpoints }: Pick<WatchingOptions, 'config' | 'database' | 'endpoints'>,
  signal?: AbortSignal,
): Promise<void> {
  const seen: SeenCertificate[] = [];
  const ownEnd = config.mllpTls === undefined ? undefined : endOf(config.mllpTls.cert);
  if (ownEnd !== undefined) seen.push({ subject: 'listener of MLLP', endsAt: ownEnd });
  const asked = endpoints.all().filter(({ kind, state }) => state === 'live' && isPulled(kind));
  const sealer = openSealer(await openKeyring(config.dataDir));
  const servers = new Map<string, readonly [host: string, port: number]>();
  for (const { id, name, config: settings } of asked) {
    const { base: address, tls } = settings;
    const base = typeof address === 'string' ? URL.parse(address) : null;
    if (base?.protocol === 'https:') add(base.hostname.replace(/^\[|\]$/g, ''), Number(base.port || 443));
    if (tls !== true && tls !== 'true') continue;
    const secrets = await readSecrets(database, sealer, id).catch(() => undefined);
    const endsAt = endOf(secrets?.['tls-cert'] ?? '');
    if (endsAt !== undefined) seen.push({ subject: `the hub towards ${name}`, endsAt });
  }
  for (const { host, port, isTls } of await listDestinations(database)) if (isTls) add(host, port);
  const waiting = [...servers.values()];
  await Promise.all(
    Array.from({ length: probesMax }, async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (signal?.aborted === true) return;
        const found = await probeServer(...next);
        if (found !== undefined) seen.push(found);
      }
    }),
  );
  await noteCertificates(database, seen, new Date());

  function add(host: string, port: number): void {
    servers.set(`${host}:${port}`, [host, port]);
  }
}

/** A sender that connects often is noted once in so long. */
const noteMs = 3_600_000;
/** Fingerprints in memory; beyond it they are noted again. */
const notedMax = 10_000;

/** Client certificates of senders, as they connect; by the endpoints they are bound to, else by their fingerprint. */
export function openSenderCertificates({
  database,
  endpoints,
  log,
}: Pick<WatchingOptions, 'database' | 'endpoints' | 'log'>): (certificate: {
  readonly fingerprint: string;
  readonly endsAt: Date;
}) => void {
  const noted = new Map<string, number>();
  return ({ fingerprint, endsAt }) => {
    const now = Date.now();
    if (now - (noted.get(fingerprint) ?? 0) < noteMs) return;
    if (noted.size >= notedMax) noted.clear();
    noted.set(fingerprint, now);
    const names = endpoints.all().flatMap(({ name, certificate }) => (certificate === fingerprint ? [name] : []));
    const whose = names.length === 0 ? fingerprint.slice(0, 16) : names.join(', ');
    noteCertificates(database, [{ subject: `sender ${whose}`, endsAt }], new Date()).catch((error: unknown) =>
      log.error({ error }, 'the certificate of a sender was not noted'),
    );
  };
}
