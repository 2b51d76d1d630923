/**
 * The channel rest-hook: a POST to an address that the operator has listed. The address is held against the list and its host
 * resolved and checked each time; no redirect is followed; of the answer the status alone counts.
 *
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook
 */
import { once } from 'node:events';
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import { findAllowed, isReachable, lookupFor, type AllowList } from './allow.ts';
import type { Sealer } from '../../access/secrets/seal.ts';
import { ChannelError, type Channel, type Line, type Sent } from './channel.ts';
import type { Claimed } from './claim.ts';
import { openHeaders } from './seal.ts';

export interface RestHookOptions {
  readonly allow: AllowList;
  /** Of the header values. */
  readonly sealer: Sealer;
  /** Certificates that receivers are trusted by, beside the system's. */
  readonly ca?: TLSSocketOptions['ca'];
  readonly connectMs?: number;
}

/** A host that does not answer by then is down, or behind a wall. */
const connectMsDefault = 5_000;
/** An answer has nothing that is read. */
const answerBytesMax = 65_536;

export function openRestHook({ allow, sealer, ca, connectMs = connectMsDefault }: RestHookOptions): Channel {
  return {
    open: async (subscription) => {
      const { endpoint = '', contentType, timeoutSeconds } = subscription.request;
      const allowed = findAllowed(endpoint, allow);
      const url = URL.parse(endpoint);
      // The list may be another than when the Subscription was written.
      if (allowed === undefined || url === null)
        throw new ChannelError('the hub may not send to this address any more');
      const host = url.hostname.replace(/^\[|\]$/g, '');
      // An address is connected to without being looked up.
      if (/^[\d.]+$|:/.test(host) && !isReachable(host, allowed)) {
        throw new ChannelError('the hub may not send to this address any more');
      }
      const headers: Record<string, string> = {};
      for (const { name, value } of headersOf(subscription, sealer)) headers[name] = value;
      const open = url.protocol === 'https:' ? requestHttps : requestHttp;
      const request = open(url, {
        method: 'POST',
        // A connection for each: its address was checked for this message.
        agent: false,
        lookup: lookupFor(allowed),
        ...(ca === undefined ? {} : { ca }),
        headers: { ...headers, 'content-type': contentType, 'user-agent': 'health-record-hub' },
      });
      request.on('error', () => undefined);
      await connected(request, connectMs);
      return lineOf(request, timeoutSeconds * 1_000);
    },
  };
}

function headersOf({ id, sealedHeaders }: Claimed, sealer: Sealer): ReturnType<typeof openHeaders> {
  try {
    return openHeaders(sealedHeaders, id, sealer);
  } catch (cause) {
    throw new ChannelError('the header values can no longer be opened: write the Subscription again', { cause });
  }
}

/** Before anything is decided: what is decided then leaves at once. */
async function connected(request: ClientRequest, connectMs: number): Promise<void> {
  const signal = AbortSignal.timeout(connectMs);
  try {
    const [socket] = (await once(request, 'socket', { signal })) as [NonNullable<ClientRequest['socket']>];
    if (socket instanceof TLSSocket ? !socket.authorized : socket.connecting) {
      await once(socket, socket instanceof TLSSocket ? 'secureConnect' : 'connect', { signal });
    }
    socket.setNoDelay(true);
  } catch (cause) {
    request.destroy();
    throw new ChannelError('the receiver cannot be reached', { cause });
  }
}

function lineOf(request: ClientRequest, timeoutMs: number): Line {
  return {
    send: (body): Sent => {
      request.setHeader('content-length', Buffer.byteLength(body));
      const response = once(request, 'response') as Promise<[IncomingMessage]>;
      const flushed = once(request, 'finish').then(
        () => undefined,
        (cause: unknown) => {
          throw new ChannelError('the connection to the receiver broke', { cause });
        },
      );
      const timer = setTimeout(() => request.destroy(new Error('timeout')), timeoutMs);
      const answered = response
        .then(
          ([answer]) => accept(answer),
          (cause: unknown) => {
            throw new ChannelError('the receiver did not answer', { cause });
          },
        )
        .finally(() => {
          clearTimeout(timer);
          request.destroy();
        });
      request.end(body);
      return { flushed, answered };
    },
    destroy: () => request.destroy(),
    release: () => request.destroy(),
  };
}

/** @throws ChannelError unless it is a 2xx */
function accept(answer: IncomingMessage): void {
  const { statusCode = 0 } = answer;
  let bytes = 0;
  answer.on('error', () => undefined);
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > answerBytesMax) answer.destroy();
  });
  if (statusCode >= 200 && statusCode < 300) return;
  if (statusCode === 410) throw new ChannelError('the receiver is gone (410)', { isFinal: true });
  if (statusCode >= 300 && statusCode < 400) throw new ChannelError('the receiver redirects, which is not followed');
  throw new ChannelError(`the receiver answered ${statusCode}`);
}
