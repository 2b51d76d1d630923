import assert from 'node:assert/strict';
import { restShape } from '../../../adapters/fhir/rest/settings.ts';
import {
  connectionShape,
  keptSettings,
  readSettings,
  secretsOf,
  type Connection,
} from '../../../adapters/fhir/settings.ts';

const read = (config: Record<string, unknown>): Connection => readSettings(connectionShape, config);
const base = 'https://fhir.hospital.example/r4';

describe('settings of a FHIR source', () => {
  it('a base is enough', () => {
    const { auth, tls, origins, scope } = read({ base: `${base}/` });
    assert.deepEqual({ auth, tls, origins, scope }, { auth: 'none', tls: false, origins: [], scope: 'system/*.read' });
    assert.equal(read({ base: `${base}//` }).base, base);
  });

  it('texts of a command line are read as what they mean', () => {
    const settings = read({ base, tls: 'true', origins: 'https://a.example, https://b.example', answerSeconds: '90' });
    assert.deepEqual(
      [settings.tls, settings.origins, settings.answerSeconds],
      [true, ['https://a.example', 'https://b.example'], 90],
    );
  });

  it('what is kept is what was given, in its own form; kept again it is the same', () => {
    const kept = keptSettings(restShape, {
      base: `${base}/`,
      types: 'Patient, Observation',
      count: '50',
      overlap: '5m',
    });
    assert.deepEqual(kept, { base, types: ['Patient', 'Observation'], count: 50, overlap: '5m' });
    assert.deepEqual(keptSettings(restShape, kept), kept);
  });

  it('settings of others beside them are passed over when a source is asked', () => {
    assert.equal(read({ base, every: '5m', title: 'Ward' }).base, base);
  });

  const wrong: [string, Record<string, unknown>, string, string][] = [
    ['no base', {}, 'base', 'value'],
    ['a base that is no address', { base: 'hospital' }, 'base', 'value'],
    ['a base of another scheme', { base: 'ftp://hospital.example' }, 'base', 'value'],
    ['a name that nothing has', { base, pasword: 'x' }, 'pasword', 'value'],
    ['a kind of authentication that is not known', { base, auth: 'kerberos' }, 'auth', 'value'],
    ['a wait that is too long', { base, answerSeconds: 6_000 }, 'answerSeconds', 'value'],
    ['basic without a user', { base, auth: 'basic' }, 'user', 'required'],
    ['a client that is not named', { base, auth: 'private-key-jwt' }, 'client', 'required'],
  ];
  for (const [what, config, expression, code] of wrong) {
    it(`refused: ${what}`, () => {
      assert.throws(() => keptSettings(connectionShape, config), { code, expression: [expression] });
    });
  }

  const secrets: [Record<string, unknown>, string[]][] = [
    [{}, []],
    [{ auth: 'basic', user: 'u' }, ['password']],
    [{ auth: 'client-secret', client: 'c' }, ['client-secret']],
    [{ auth: 'private-key-jwt', client: 'c' }, ['private-key']],
    [{ auth: 'bearer', tls: true }, ['token', 'tls-key', 'tls-cert']],
  ];
  for (const [config, names] of secrets) {
    it(`${JSON.stringify(config)} needs the secrets ${names.join(', ') || '(none)'}`, () => {
      assert.deepEqual(secretsOf(read({ base, ...config })), names);
    });
  }
});
