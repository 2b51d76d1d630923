/** What a page carries until its form comes back. */
import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import type { SignedIn } from '../../../src/access/oauth/people.ts';
import { seal, unseal } from '../../../src/access/oauth/sealed.ts';

describe('a page that is answered', () => {
  const clock = { now: Date.parse('2026-11-01T12:00:00Z') };
  const key = createSecretKey(randomBytes(32));
  const server = { key, issuer: 'https://hub.example', now: () => clock.now };
  const session: SignedIn = {
    id: 'one',
    accountId: 'a',
    login: undefined,
    fhirUser: 'Patient/x',
    authenticatedAt: clock.now,
    methods: [],
  };
  const content = { client: 'diary' };
  let sealed: string;
  before(async () => {
    sealed = await seal(server, 'question', content, session);
  });

  it('by its session, within a quarter of an hour: what it carried', async () => {
    assert.deepEqual(await unseal(server, 'question', sealed, session), content);
    const late = { ...server, now: () => clock.now + 899_000 };
    assert.deepEqual(await unseal(late, 'question', sealed, session), content);
  });

  const rows: readonly [string, () => Promise<unknown>][] = [
    ['after it', () => unseal({ ...server, now: () => clock.now + 901_000 }, 'question', sealed, session)],
    ['by another session', () => unseal(server, 'question', sealed, { ...session, id: 'two' })],
    ['as another kind of page', () => unseal(server, 'end', sealed, session)],
    ['at another hub', () => unseal({ ...server, issuer: 'https://other.example' }, 'question', sealed, session)],
    [
      'under another key',
      () => unseal({ ...server, key: createSecretKey(randomBytes(32)) }, 'question', sealed, session),
    ],
    [
      'without an end',
      async () => {
        const { exp: _exp, ...claims } = decodeJwt(sealed);
        const endless = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'question+jwt' }).sign(key);
        return unseal(server, 'question', endless, session);
      },
    ],
    [
      'by another algorithm',
      async () => {
        const other = await new SignJWT(decodeJwt(sealed))
          .setProtectedHeader({ alg: 'HS512', typ: 'question+jwt' })
          .sign(randomBytes(64));
        return unseal(server, 'question', other, session);
      },
    ],
    ['that is none', () => unseal(server, 'question', 'x', session)],
  ];
  for (const [title, attempt] of rows) {
    it(`nothing: ${title}`, async () => {
      assert.equal(await attempt(), undefined);
    });
  }
});
