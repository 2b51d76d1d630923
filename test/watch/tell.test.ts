/** Alerts on the wire: a webhook that the reference library believes, a mail that an SMTP server takes. Real sockets on loopback. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import { emailTarget } from '../../src/watch/tell/email.ts';
import type { Notice } from '../../src/watch/tell/message.ts';
import { webhookTarget } from '../../src/watch/tell/webhook.ts';

const startedAt = new Date('2026-03-02T08:00:00Z');
const now = new Date('2026-03-02T08:20:00Z');
const notice: Notice = {
  id: 'alert-7-started',
  event: 'started',
  at: now,
  alert: {
    id: 7,
    kind: 'silence',
    subject: 'ward',
    severity: 'warning',
    summary: 'ward is silent: nothing since 08:00',
    startedAt,
    endedAt: null,
    detail: { allowedSeconds: 900 },
  },
};
const secret = `whsec_${Buffer.from('a key of the operator, 32 bytes.').toString('base64')}`;

describe('a webhook', () => {
  let server: Server;
  let url: string;
  let status = 200;
  let location: string | undefined;
  let asked: { headers: IncomingHttpHeaders; body: string; path: string | undefined }[] = [];
  before(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        asked.push({ headers: request.headers, body, path: request.url });
        response.writeHead(status, location === undefined ? {} : { location }).end('{"taken":true}');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/hub?token=t`;
  });
  beforeEach(() => {
    [asked, status, location] = [[], 200, undefined];
  });
  after(() => server.close());

  it('is signed so that the reference library believes it, and nobody else with another key', async () => {
    // The library refuses what is older than five minutes.
    await webhookTarget({ url, secret }).send({ ...notice, at: new Date() });
    const [{ headers, body } = { headers: {}, body: '' }] = asked;
    const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    const payload = new Webhook(secret).verify(body, sent) as { type: string; data: Record<string, unknown> };
    assert.deepEqual([payload.type, payload.data['subject'], payload.data['id']], ['alert.started', 'ward', 7]);
    assert.equal(payload.data['runbook'], 'docs/operations.md#alert-silence');
    assert.throws(() => new Webhook(`whsec_${Buffer.from('another').toString('base64')}`).verify(body, sent));
    assert.throws(() => new Webhook(secret).verify(body.replace('ward', 'ward2'), sent));
  });

  it('has the same id each time it is sent, by which a receiver knows a repetition', async () => {
    const target = webhookTarget({ url, secret });
    await target.send(notice);
    await target.send({ ...notice, at: new Date(now.getTime() + 60_000) });
    assert.deepEqual(
      asked.map(({ headers }) => headers['webhook-id']),
      ['alert-7-started', 'alert-7-started'],
    );
  });

  for (const [answer, message] of [
    [500, 'the receiver answered 500'],
    [302, 'the receiver answered 302'],
  ] as const) {
    it(`answered with ${answer} it was not told, and no redirect is followed`, async () => {
      [status, location] = [answer, answer === 302 ? '/elsewhere' : undefined];
      await assert.rejects(webhookTarget({ url }).send(notice), { code: 'transient', message });
      assert.equal(asked.length, 1);
    });
  }

  it('that cannot be reached says why, and not where', async () => {
    const target = webhookTarget({ url: 'http://127.0.0.1:1/secret-path' });
    await assert.rejects(target.send(notice), (error: Error) => {
      assert.match(error.message, /ECONNREFUSED/);
      assert.doesNotMatch(error.message, /secret|127/);
      return true;
    });
    assert.doesNotMatch(target.name, /secret|127/);
  });

  it('to the metadata service of a cloud is never sent', async () => {
    await assert.rejects(webhookTarget({ url: 'http://169.254.169.254/latest' }).send(notice), {
      code: 'business-rule',
    });
  });
});

describe('a mail', () => {
  let server: SMTPServer;
  let mails: { from: string; to: string[]; text: string }[] = [];
  let isFull = false;
  let port = 0;
  before(async () => {
    server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onAuth: ({ username, password }, _session, done) => {
        done(password === 'right' ? null : new Error('Invalid login'), { user: username });
      },
      onData: (stream, session, done) => {
        let text = '';
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
        stream.on('end', () => {
          if (isFull) return done(Object.assign(new Error('mailbox full'), { responseCode: 452 }));
          const { mailFrom, rcptTo } = session.envelope;
          mails.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            text,
          });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.server.address() as AddressInfo).port;
  });
  beforeEach(() => {
    [mails, isFull] = [[], false];
  });
  after(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const target = (user = ''): ReturnType<typeof emailTarget> =>
    emailTarget({ smtpUrl: `smtp://${user}127.0.0.1:${port}`, from: 'hub@example.org', to: 'lin@example.org' });

  it('says what, since when, and what to do; its id is the same each time', async () => {
    await target('hub:right@').send(notice);
    const [mail] = mails;
    assert.deepEqual([mail?.from, mail?.to], ['hub@example.org', ['lin@example.org']]);
    for (const part of [
      'Subject: [hub] silence ward: warning',
      'Message-ID: <alert-7-started@example.org>',
      'Auto-Submitted: auto-generated',
      'ward is silent: nothing since 08:00.',
      'Began 2026-03-02T08:00:00.000Z.',
      'docs/operations.md#alert-silence',
      'hub alert ack 7 --by NAME',
    ])
      assert.ok(mail?.text.replaceAll('=\r\n', '').includes(part), part);
  });

  it('of an end says how long it was', async () => {
    const alert = { ...notice.alert, endedAt: new Date('2026-03-02T08:30:00Z') };
    await target().send({ ...notice, event: 'ended', alert });
    assert.match(mails[0]?.text ?? '', /Subject: \[hub\] silence ward: over, after 30 min/);
  });

  it('that was not taken is tried again: a full mailbox, a wrong password', async () => {
    isFull = true;
    await assert.rejects(target().send(notice), {
      code: 'transient',
      message: 'the mail server did not take it (452)',
    });
    await assert.rejects(target('hub:wrong@').send(notice), (error: Error) => {
      assert.match(error.message, /did not take it \(535\)/);
      assert.doesNotMatch(error.message, /wrong/);
      return true;
    });
  });
});
