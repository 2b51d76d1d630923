/** The leaves of signing in: passwords, codes, the second factor, sealed texts, keys of addresses. */
import assert from 'node:assert/strict';
import { foldLogin, readInvited } from '../../../src/access/login/account.ts';
import { hashCode, makeCode, readCode } from '../../../src/access/login/codes.ts';
import { hashPassword, isOutdated, passwordFault, verifyPassword } from '../../../src/access/login/password.ts';
import { addressKey } from '../../../src/access/login/throttle.ts';
import { makeTotpKey, totpCode, totpStepOf, totpUri } from '../../../src/access/login/totp.ts';
import { Problem } from '../../../src/fhir/problem.ts';

describe('passwords: argon2id', () => {
  // https://github.com/P-H-C/phc-winner-argon2/blob/master/src/test.c
  const published: [string, string, boolean][] = [
    ['password', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', true],
    ['password', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', true],
    [
      'differentpassword',
      '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
      false,
    ],
  ];
  for (const [password, hash, expected] of published) {
    it(`reference vector ${hash.slice(0, 32)} with "${password}" is ${expected}`, async () => {
      assert.equal(await verifyPassword(password, hash), expected);
      assert.equal(isOutdated(hash), true);
    });
  }

  it('OWASP: 19 MiB, two passes, one lane, a salt of its own', async () => {
    const [one, other] = await Promise.all([hashPassword('four brown owls'), hashPassword('four brown owls')]);
    assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.notEqual(one, other);
    assert.equal(isOutdated(one), false);
    assert.equal(await verifyPassword('four brown owls', one), true);
    assert.equal(await verifyPassword('four brown owl', one), false);
  });

  it('SP 800-63B: the same characters, however they are composed', async () => {
    assert.equal(await verifyPassword('schöne Eule 12', await hashPassword('scho\u0308ne Eule 12')), true);
  });

  it('given nobody, then false, and not for free', async () => {
    const startedAt = performance.now();
    assert.equal(await verifyPassword('AAAAAAAAAAAAAAAA', undefined), false);
    assert.ok(performance.now() - startedAt > 5);
  });

  it('given more at once than may wait, then the rest is told to come again', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 80 }, () => verifyPassword('x', undefined)));
    const refused = outcomes.filter((one) => one.status === 'rejected');
    assert.equal(refused.length, 80 - 66);
    assert.ok(refused.every(({ reason }) => reason instanceof Problem && reason.code === 'throttled'));
    assert.equal(await verifyPassword('x', undefined), false, 'afterwards there is room again');
  });

  const rules: [string, string | undefined][] = [
    ['four brown owls', undefined],
    ['三只棕色的猫头鹰在树上', undefined],
    ['ninechars', 'passwordShort'],
    ['x'.repeat(129), 'passwordLong'],
    ['aaaabbbbcccc', 'passwordPlain'],
    ['Password123!', 'passwordPlain'],
    ['passwordpassword', 'passwordPlain'],
    ['1234567890', 'passwordPlain'],
    ['i am Wang.Wei here', 'passwordLogin'],
  ];
  for (const [password, fault] of rules) {
    it(`"${password.slice(0, 20)}" is ${fault ?? 'good'}`, () =>
      assert.equal(passwordFault(password, 'wang.wei'), fault));
  }
});

describe('codes on paper: Crockford base32, 80 bits', () => {
  it('is read back however it is typed', () => {
    const code = makeCode();
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/);
    assert.equal(hashCode(readCode(` ${code.toLowerCase().replaceAll('-', ' ')} `) ?? ''), hashCode(code));
    assert.equal(readCode('OIL0-1111-2222-3333'), '0110111122223333');
  });
  it('uses each letter for as many bytes as another', () => {
    const letters = makeCode(() => Uint8Array.from({ length: 16 }, (_, index) => index * 16 + index));
    assert.equal(letters, '0H2K-4N6Q-8SAV-CXEZ'.replace('U', 'V'));
  });
  for (const typed of ['', '1234', 'U'.repeat(16), '8F3K-2M9Q-T5WX-0AB', '8F3K-2M9Q-T5WX-0ABCD', "' or 1=1 -- aaaa"]) {
    it(`"${typed}" is none`, () => assert.equal(readCode(typed), undefined));
  }
});

describe('RFC 6238: time-based codes', () => {
  // Appendix B, SHA-1, the last six of eight digits.
  const key = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
  const published: [number, string][] = [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ];
  for (const [seconds, code] of published) {
    it(`at ${seconds} it is ${code}`, () => {
      assert.equal(totpCode(key, seconds * 1000), code);
      assert.equal(totpStepOf(code, key, seconds * 1000), Math.floor(seconds / 30));
    });
  }
  const around: [number, boolean][] = [
    [-60, false],
    [-30, true],
    [0, true],
    [30, true],
    [60, false],
  ];
  for (const [seconds, isTaken] of around) {
    it(`section 5.2: the code of ${seconds} s is ${isTaken ? 'taken' : 'refused'}`, () => {
      const now = 1_234_567_890_000;
      const expected = isTaken ? Math.floor(now / 30_000) + seconds / 30 : undefined;
      assert.equal(totpStepOf(totpCode(key, now + seconds * 1000), key, now), expected);
    });
  }
  it('given no key, then no code of any key is right', () => {
    assert.equal(totpStepOf(totpCode('A'.repeat(32), 0), undefined, 0), undefined);
  });
  it('RFC 4226 section 4: 160 bits, a new one each time', () => {
    assert.match(makeTotpKey(), /^[A-Z2-7]{32}$/);
    assert.notEqual(makeTotpKey(), makeTotpKey());
  });
  it('says to the app what the hub expects', () => {
    const uri = new URL(totpUri(key, 'Hub', 'wei'));
    assert.equal(uri.protocol, 'otpauth:');
    assert.deepEqual(
      ['secret', 'issuer', 'algorithm', 'digits', 'period'].map((name) => uri.searchParams.get(name)),
      [key, 'Hub', 'SHA1', '6', '30'],
    );
  });
});

describe('names and addresses', () => {
  const names: [string, string | undefined][] = [
    ['  Wang.Wei ', 'wang.wei'],
    ['ｗｅｉ２', 'wei2'],
    ['王伟医生', '王伟医生'],
    ['wei@clinic.example', 'wei@clinic.example'],
    ['ab', undefined],
    ['.wei', undefined],
    ['a b c', undefined],
    ['<script>', undefined],
    ['x'.repeat(65), undefined],
  ];
  for (const [typed, login] of names) {
    it(`the name "${typed.slice(0, 20)}" is ${login ?? 'refused'}`, () => assert.equal(foldLogin(typed), login));
  }

  const addresses: [string, string][] = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ];
  for (const [address, key] of addresses) {
    it(`${address} is one caller with ${key}`, () => assert.equal(addressKey(address), key));
  }

  for (const who of ['Patient/a', 'RelatedPerson/b.c', 'Practitioner/d-1']) {
    it(`${who} can be invited`, () => assert.equal(readInvited(who)?.type, who.split('/')[0]));
  }
  it('an operator can be invited', () => assert.equal(readInvited('operator'), undefined));
  for (const who of ['Patient', 'Patient/', 'Patient/a/b', 'Organization/a', 'Device/a', '', "Patient/'"]) {
    it(`"${who}" cannot be invited`, () => assert.throws(() => readInvited(who), { code: 'value' }));
  }
});
