/**
 * A webhook: a POST of JSON to an address that the operator names, signed, so that its receiver knows who tells. The host is resolved and
 * checked each time, no redirect is followed, and of the answer the status alone counts.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { TLSSocketOptions } from 'node:tls';
import { Problem } from '../../fhir/problem.ts';
import { findAllowed, isReachable, lookupFor, readAllowList } from '../../feeds/subscription/allow.ts';
import { toJson, type Notice } from './message.ts';
import { targetName, type Target } from './target.ts';

export interface WebhookOptions {
  readonly url: string;
  /** As `whsec_` and base64, or any text; undefined: not signed. */
  readonly secret?: string;
  /** Certificates that the receiver is trusted by, beside the system's. */
  readonly ca?: TLSSocketOptions['ca'];
  readonly timeoutMs?: number;
}

/** A receiver that works before it answers is waited for; it is told again otherwise. */
const timeoutMsDefault = 10_000;

export function webhookTarget(options: WebhookOptions): Target {
  const { url } = options;
  return { name: targetName('webhook', url), channel: 'webhook', send: (notice) => post(options, notice) };
}

async function post(
  { url: address, secret, ca, timeoutMs = timeoutMsDefault }: WebhookOptions,
  notice: Notice,
): Promise<void> {
  const allowed = findAllowed(address, readAllowList([address]));
  const url = new URL(address);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (allowed === undefined || (isIP(host) !== 0 && !isReachable(host, allowed))) {
    throw new Problem('business-rule', 'the hub may not send to this address');
  }
  const body = toJson(notice);
  const seconds = Math.floor(notice.at.getTime() / 1_000);
  const status = await new Promise<number>((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: 'POST',
      agent: false,
      lookup: lookupFor(allowed),
      ...(ca === undefined ? {} : { ca }),
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'health-record-hub',
        'webhook-id': notice.id,
        'webhook-timestamp': String(seconds),
        ...(secret === undefined ? {} : { 'webhook-signature': sign(secret, `${notice.id}.${seconds}.${body}`) }),
      },
      signal: AbortSignal.timeout(timeoutMs),
    });
    request.on('error', reject);
    request.on('response', (response) => {
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    request.end(body);
  }).catch((cause: unknown) => {
    const code = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : 'unknown';
    throw new Problem('transient', `the receiver cannot be reached (${code})`, { cause });
  });
  if (status < 200 || status > 299) throw new Problem('transient', `the receiver answered ${status}`);
}

function sign(secret: string, text: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(text).digest('base64')}`;
}
