import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../../../src/fhir/problem.ts';
import { answer, givenServer, givenSource, type GivenServer } from '../../given-source.ts';

const pem = (name: string): string => readFileSync(join(import.meta.dirname, '..', 'hl7v2', 'tls', name), 'utf8');

describe('a FHIR source behind TLS', () => {
  let server: GivenServer;
  let source: ReturnType<typeof givenSource> | undefined;

  before(async () => {
    const tls = {
      key: pem('server.key'),
      cert: pem('server.pem'),
      ca: pem('ca.pem'),
      requestCert: true,
      rejectUnauthorized: true,
    };
    server = await givenServer((_, response) => answer(response, { resourceType: 'Patient', id: 'p' }), tls);
  });
  after(() => server.close());
  afterEach(() => source?.close());

  const ask = async (config: Record<string, unknown>, secrets: Record<string, string> = {}): Promise<string> => {
    source = givenSource({ base: server.base, ...config }, { secrets });
    return source.read('Patient/p').then(
      ({ text }) => text,
      (error: unknown) => (error instanceof Problem ? `${error.code}: ${error.message}` : String(error)),
    );
  };
  const client = { 'tls-key': pem('client.key'), 'tls-cert': pem('client.pem') };

  it('is asked with the client certificate of the endpoint', async () => {
    assert.match(await ask({ tls: true, ca: pem('ca.pem') }, client), /"Patient"/);
  });

  it('is not reached without one: transient', async () => {
    assert.match(await ask({ ca: pem('ca.pem') }), /^transient: /);
  });

  it('is not believed by authorities that the endpoint does not name: transient, with the reason', async () => {
    assert.match(await ask({ tls: true }, client), /^transient: no TLS connection to the source: [A-Z_]+$/);
  });

  it('a certificate that is missing is named before anything is sent', () => {
    assert.throws(() => givenSource({ base: server.base, tls: true }), { code: 'required', expression: ['tls-key'] });
  });
});
