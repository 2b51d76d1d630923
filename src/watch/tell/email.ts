/** E-mail to people, by the operator's own SMTP server. */
import { createTransport } from 'nodemailer';
import { Problem } from '../../fhir/problem.ts';
import { toText } from './message.ts';
import { targetName, type Target } from './target.ts';

export interface EmailOptions {
  /** `smtps://user:password@host`, or `smtp://host:587` (STARTTLS where the server has it). */
  readonly smtpUrl: string;
  readonly from: string;
  readonly to: string;
}

const timeoutMs = 20_000;

export function emailTarget({ smtpUrl, from, to }: EmailOptions): Target {
  const transport = createTransport({
    url: smtpUrl,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    // Nothing is read from files or addresses on behalf of a message.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    name: targetName('email', to),
    channel: 'email',
    send: async (notice) => {
      const { subject, text } = toText(notice);
      const host = /@([\w.-]+)/.exec(from)?.[1] ?? 'hub';
      try {
        await transport.sendMail({
          from,
          to,
          subject,
          text,
          date: notice.at,
          messageId: `<${notice.id}@${host}>`,
          // RFC 3834: so that nobody's absence answers.
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
      } catch (cause) {
        const { code = 'unknown', responseCode } = cause as { code?: string; responseCode?: number };
        throw new Problem('transient', `the mail server did not take it (${responseCode ?? code})`, { cause });
      }
    },
  };
}
