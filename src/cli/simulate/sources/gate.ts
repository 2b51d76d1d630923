/** Who may ask a simulated source: nobody's password, or a token of its own token server, which lives for minutes. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Source } from './source.ts';

export const clientName = 'hub';
/** SMART: "no more than five minutes" is what is recommended. */
const tokenSecondsDefault = 300;

export interface Gate {
  isOpen(source: Source, request: IncomingMessage, now: number): boolean;
  /** @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4 */
  issue(source: Source, request: IncomingMessage, now: number): Promise<{ status: number; body: string }>;
}

/** The password, or client secret, of a source. */
export function secretOf({ options }: Source): string {
  return `secret-of-${options.name}`;
}

export function openGate(tokenSeconds = tokenSecondsDefault): Gate {
  /** Token -> source and end. */
  const tokens = new Map<string, { name: string; endsAt: number }>();
  return {
    isOpen: (source, { headers }, now) => {
      const { auth } = source.options.habits;
      if (auth === 'none') return true;
      if (auth === 'basic') return headers.authorization === basic(source);
      const token = tokens.get(/^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1] ?? '');
      return token !== undefined && token.name === source.options.name && token.endsAt > now;
    },
    issue: async (source, request, now) => {
      const form = new URLSearchParams(await text(request));
      const isGranted = request.headers.authorization === basic(source);
      if (!isGranted || form.get('grant_type') !== 'client_credentials') {
        return { status: 401, body: '{"error":"invalid_client"}' };
      }
      for (const [token, { endsAt }] of tokens) {
        if (endsAt > now) break;
        tokens.delete(token);
      }
      const token = randomUUID();
      tokens.set(token, { name: source.options.name, endsAt: now + tokenSeconds * 1000 });
      return {
        status: 200,
        body: JSON.stringify({
          access_token: token,
          token_type: 'bearer',
          expires_in: tokenSeconds,
          scope: 'system/*.read',
        }),
      };
    },
  };
}

function basic(source: Source): string {
  return `Basic ${Buffer.from(`${clientName}:${secretOf(source)}`).toString('base64')}`;
}
