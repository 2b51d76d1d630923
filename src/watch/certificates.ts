/** Certificates as they were last seen, so that their end is known before it comes. */
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';

export interface SeenCertificate {
  /** `listener of MLLP`, `server fhir.example.org:443`, `sender <first of its fingerprint>`. */
  readonly subject: string;
  readonly endsAt: Date;
}

export async function noteCertificates(db: Tx, seen: readonly SeenCertificate[], now: Date): Promise<void> {
  if (seen.length === 0) return;
  // Of two of one name, the one that ends first.
  const rows = [...Map.groupBy(seen, ({ subject }) => subject)].map(([subject, all]) => ({
    subject,
    ends_at: new Date(Math.min(...all.map(({ endsAt }) => endsAt.getTime()))),
  }));
  await db.query(sql`
    insert into certificate (subject, ends_at, seen_at)
    select subject, ends_at, ${now} from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as c (subject text, ends_at timestamptz)
    on conflict (subject) do update set ends_at = excluded.ends_at, seen_at = excluded.seen_at`);
}

/** A PEM with a chain ends with the first certificate of it that ends. */
export function endOf(pem: string | Buffer): Date | undefined {
  const blocks = pem.toString().match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const ends = blocks.map((block) => new X509Certificate(block).validToDate.getTime());
  return ends.length === 0 ? undefined : new Date(Math.min(...ends));
}

const probeMs = 10_000;

/**
 * The certificate that a server shows now, whether it is trusted or not: one that has ended must be seen too. Nothing is sent to it.
 * @returns undefined when it cannot be reached, or shows none
 */
export async function probeServer(host: string, port: number): Promise<SeenCertificate | undefined> {
  return new Promise((resolve) => {
    // Nothing is asked of it and nothing told, so nobody needs to be believed: only the date is read.
    const socket = connect({ host, port, servername: /^[\d.]+$|:/.test(host) ? '' : host, rejectUnauthorized: false });
    const end = (seen?: SeenCertificate): void => {
      socket.destroy();
      resolve(seen);
    };
    socket.setTimeout(probeMs, () => end());
    socket.on('error', () => end());
    socket.on('secureConnect', () => {
      const { valid_to: validTo } = socket.getPeerCertificate();
      end(validTo === undefined ? undefined : { subject: `server ${host}:${port}`, endsAt: new Date(validTo) });
    });
  });
}
