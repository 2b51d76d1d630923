/** Signing in against a real database: invitations, both factors, what is used once, who is slowed down, what is recorded. */
import assert from 'node:assert/strict';
import {
  disableAccount,
  findByLogin,
  inviteAccount,
  listAccounts,
  resetAccount,
} from '../../../src/access/login/account.ts';
import { enrol, openInvitation } from '../../../src/access/login/enrolment.ts';
import { TooManyAttempts } from '../../../src/access/login/attempt.ts';
import type { Origin, SignedIn } from '../../../src/access/login/login.ts';
import { changePassword } from '../../../src/access/login/manage.ts';
import { hashPassword } from '../../../src/access/login/password.ts';
import { sweepSessions } from '../../../src/access/login/session.ts';
import { totpCode } from '../../../src/access/login/totp.ts';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { fromSomewhere, givenLogin, password, stepMs, type Enrolled, type GivenLogin } from './given-login.ts';

describe('login: accounts, factors and sessions', () => {
  let given: GivenLogin;
  let people = 0;
  before(async () => {
    given = await givenLogin();
  });
  after(() => given.close());

  const somebody = (): Promise<Enrolled> => {
    people++;
    return given.enrolled(`Patient/p${people}`, `person-${people}`);
  };
  const signIn = (
    one: { login: string; key: string },
    wrong: Partial<{ login: string; password: string; code: string }> = {},
    origin: Origin = fromSomewhere(),
  ): Promise<SignedIn> =>
    given.login.signIn({ login: one.login, password, code: totpCode(one.key, given.clock.now), ...wrong, ...origin });
  const isRefused = (error: unknown): boolean => error instanceof Problem && error.code === 'login';

  describe('invitation and enrolment', () => {
    it('given a code, then name, password and second factor are set, and it is used up', async () => {
      const { account, key } = await somebody();
      const { db, clock } = given;
      const row = await findByLogin(db, `person-${people}`);
      assert.equal(row?.id, account);
      assert.match(row?.password ?? '', /^\$argon2id\$/);
      assert.equal(row?.totpKey?.includes(key), false, 'the key is sealed');
      const [{ text } = { text: '' }] = await db.query<{ text: string }>(
        sql`select account::text as text from account where id = ${account}`,
      );
      assert.equal(text.includes(key), false);
      const { session } = await signIn({ login: `person-${people}`, key });
      assert.deepEqual(
        [session.fhirUser, session.accountId, session.methods, session.authenticatedAt],
        [`Patient/p${people}`, account, ['pwd', 'otp', 'mfa'], clock.now],
      );
    });

    it('given the same code at once in many browsers, then one of them has the account', async () => {
      const { db, login, clock } = given;
      const { code } = await inviteAccount(db, 'Patient/race', new Date(clock.now + 60_000));
      const invited = await openInvitation(login.context, code, fromSomewhere());
      const outcomes = await Promise.all(
        Array.from({ length: 3 }, (_, index) =>
          enrol(
            login.context,
            code,
            {
              login: `racer-${index}`,
              password,
              repeated: password,
              code: totpCode(invited?.totpKey ?? '', clock.now),
            },
            fromSomewhere(),
          ),
        ),
      );
      assert.equal(outcomes.filter((one) => one !== undefined && 'signedIn' in one).length, 1);
      assert.equal(outcomes.filter((one) => one === undefined).length, 2);
    });

    it('shows the same key again until it is used', async () => {
      const { db, login, clock } = given;
      const { code } = await inviteAccount(db, 'Patient/again', new Date(clock.now + 60_000));
      const keys = await Promise.all([1, 2, 3].map(() => openInvitation(login.context, code, fromSomewhere())));
      assert.equal(new Set(keys.map((one) => one?.totpKey)).size, 1);
    });

    const mistakes: [string, object, string[]][] = [
      ['another second password', { repeated: 'four brown hens' }, ['repeatedOther']],
      ['a short password', { password: 'short', repeated: 'short' }, ['passwordShort']],
      ['a name that somebody has', { login: 'taken.name' }, ['loginTaken']],
      ['no name', { login: '' }, ['loginUnusable']],
      ['a wrong code', { code: '000000' }, ['codeWrong']],
      [
        'everything wrong',
        { login: '', password: 'a', repeated: 'b', code: '' },
        ['loginUnusable', 'passwordShort', 'repeatedOther', 'codeWrong'],
      ],
    ];
    for (const [name, wrong, faults] of mistakes) {
      it(`given ${name}, then all that is wrong is said, and the code stays good`, async () => {
        const { db, login, clock } = given;
        if ((await findByLogin(db, 'taken.name')) === undefined) await given.enrolled('Patient/taken', 'taken.name');
        const { code } = await inviteAccount(db, 'Patient/mistaken', new Date(clock.now + 60_000));
        const invited = await openInvitation(login.context, code, fromSomewhere());
        const chosen = {
          login: 'mistaken',
          password,
          repeated: password,
          code: totpCode(invited?.totpKey ?? '', clock.now),
        };
        const outcome = await enrol(login.context, code, { ...chosen, ...wrong }, fromSomewhere());
        assert.deepEqual(outcome && 'faults' in outcome ? outcome.faults : outcome, faults);
        assert.notEqual(await openInvitation(login.context, code, fromSomewhere()), undefined);
      });
    }

    it('given a code after its time, or one that was never given, then it is not good', async () => {
      const { db, login, clock } = given;
      const { code } = await inviteAccount(db, 'Patient/late', new Date(clock.now - 1));
      for (const one of [code, '0000-0000-0000-0000', 'nonsense']) {
        assert.equal(await openInvitation(login.context, one, fromSomewhere()), undefined);
      }
    });

    it('given a second invitation, then only the newer code is good; given an account, then there is none', async () => {
      const { db, login, clock } = given;
      const [first, second] = [
        await inviteAccount(db, 'Patient/twice', new Date(clock.now + 60_000)),
        await inviteAccount(db, 'Patient/twice', new Date(clock.now + 60_000)),
      ];
      assert.equal(first.account, second.account);
      assert.equal(await openInvitation(login.context, first.code, fromSomewhere()), undefined);
      assert.notEqual(await openInvitation(login.context, second.code, fromSomewhere()), undefined);
      await somebody();
      await assert.rejects(inviteAccount(db, `Patient/p${people}`, new Date()), { code: 'conflict' });
    });

    it('given codes guessed from one address, then the pauses grow', async () => {
      const origin = fromSomewhere();
      const guess = () => openInvitation(given.login.context, '0000-0000-0000-0000', origin);
      for (let attempt = 0; attempt < 21; attempt++) assert.equal(await guess(), undefined);
      await assert.rejects(guess(), TooManyAttempts);
    });
  });

  describe('both factors', () => {
    const wrongs: [string, (one: Enrolled) => object][] = [
      ['another name', () => ({ login: 'nobody-at-all' })],
      ['a name nobody can have', () => ({ login: '<script>' })],
      ['another password', () => ({ password: 'four brown hens' })],
      ['no password', () => ({ password: '' })],
      ['no code', () => ({ code: '' })],
      ['the code of two steps ago', ({ key }) => ({ code: totpCode(key, given.clock.now - 2 * stepMs) })],
      ['a recovery code that is none', () => ({ code: '0000-0000-0000-0000' })],
    ];
    for (const [name, wrong] of wrongs) {
      it(`given ${name}, then it is refused in the same words`, async () => {
        const one = await somebody();
        await assert.rejects(signIn(one, wrong(one)), (error) => {
          assert.ok(isRefused(error));
          assert.equal((error as Problem).message, 'the name, the password or the code is not right');
          return true;
        });
      });
    }

    it('RFC 6238 section 5.2: a code is good once, of 16 at once for one', async () => {
      const one = await somebody();
      const code = totpCode(one.key, given.clock.now);
      // Known to be this person's browser, five at once are let through.
      const outcomes = await Promise.allSettled(
        Array.from({ length: 16 }, () => signIn(one, { code }, { ...fromSomewhere(), device: one.device })),
      );
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      given.clock.now += 1000;
      await assert.rejects(signIn(one, { code }), isRefused);
      // Nor the code before it.
      await assert.rejects(signIn(one, { code: totpCode(one.key, given.clock.now - stepMs) }), isRefused);
      given.clock.now += stepMs;
      await signIn(one);
    });

    it('a recovery code takes the place of the app, once, and only beside the right password', async () => {
      const one = await somebody();
      const [code = '', next = ''] = one.recoveryCodes;
      assert.equal(one.recoveryCodes.length, 10);
      await assert.rejects(signIn(one, { code, password: 'four brown hens' }), isRefused);
      assert.deepEqual((await signIn(one, { code: code.toLowerCase() })).session.methods, ['pwd', 'recovery', 'mfa']);
      await assert.rejects(signIn(one, { code }), isRefused);
      await signIn(one, { code: next });
    });

    it('a password hashed at another cost is hashed anew when it is known', async () => {
      const one = await somebody();
      const old = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
      await given.db.query(sql`update account set password = ${old} where id = ${one.account}`);
      await signIn(one, { password: 'password' });
      const { password: hash = '' } = (await findByLogin(given.db, one.login)) ?? {};
      assert.match(hash, /m=19456,t=2,p=1/);
    });

    it('a key moved to another account does not open there', async () => {
      const [one, other] = [await somebody(), await somebody()];
      await given.db.query(sql`
        update account set totp_key = (select totp_key from account where id = ${one.account}) where id = ${other.account}`);
      await assert.rejects(signIn({ login: other.login, key: one.key }), isRefused);
    });
  });

  describe('whoever guesses is slowed down', () => {
    it('on one name the pauses grow to a minute and no further, and what is blocked is not looked at', async () => {
      const one = await somebody();
      const pauses: number[] = [];
      for (let attempt = 0; attempt < 22; attempt++) {
        try {
          await signIn(one, { password: 'wrong' });
        } catch (error) {
          if (!(error instanceof TooManyAttempts)) continue;
          pauses.push(error.seconds);
          given.clock.now += error.seconds * 1000;
        }
      }
      assert.deepEqual(pauses.slice(0, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
      assert.equal(Math.max(...pauses), 60);
      given.clock.now += 60_000;
      await signIn(one);
    });

    it('an unknown name has the same pauses as a known one', async () => {
      const pausesOf = async (login: string): Promise<string[]> => {
        const outcomes: string[] = [];
        for (let attempt = 0; attempt < 8; attempt++) {
          await signIn({ login, key: 'A'.repeat(32) }, { password: 'wrong' }).catch((error: Problem) =>
            outcomes.push(error.message + (error.hint ?? '')),
          );
        }
        return outcomes;
      };
      const one = await somebody();
      assert.deepEqual(await pausesOf(one.login), await pausesOf('nobody-here'));
    });

    it('of 32 guesses at once on one name, four are looked at', async () => {
      const one = await somebody();
      const outcomes = await Promise.allSettled(Array.from({ length: 32 }, () => signIn(one, { password: 'wrong' })));
      const looked = outcomes.filter((outcome) => outcome.status === 'rejected' && isRefused(outcome.reason)).length;
      assert.ok(looked >= 4 && looked <= 5, String(looked));
    });

    it('a stranger who fails on purpose does not keep a person out of their own browser', async () => {
      const one = await somebody();
      const stranger = fromSomewhere();
      for (let attempt = 0; attempt < 30; attempt++)
        await signIn(one, { password: 'wrong' }, stranger).catch(() => undefined);
      await assert.rejects(signIn(one), TooManyAttempts);
      await signIn(one, {}, { ...stranger, device: one.device });
    });

    it('the browser of one person is no way around the pauses of another', async () => {
      const [one, other] = [await somebody(), await somebody()];
      const guess = () => signIn(other, { password: 'wrong' }, { ...fromSomewhere(), device: one.device });
      for (let attempt = 0; attempt < 5; attempt++) await assert.rejects(guess(), isRefused);
      await assert.rejects(guess(), TooManyAttempts);
    });

    it('one address on many names is slowed down too, and signing in to an own account does not hide it', async () => {
      const [one, origin] = [await somebody(), fromSomewhere()];
      const guess = (number: number) => signIn({ login: `name-${number}`, key: one.key }, {}, origin);
      // Codes guessed count with names guessed.
      for (let number = 0; number < 17; number++) await openInvitation(given.login.context, 'nonsense', origin);
      for (let number = 17; number < 20; number++) await assert.rejects(guess(number), isRefused);
      await signIn(one, {}, origin);
      await assert.rejects(guess(20), isRefused);
      await assert.rejects(guess(21), TooManyAttempts);
      // The next /64, or another address, is not concerned.
      await assert.rejects(signIn({ login: 'name-22', key: one.key }), isRefused);
    });
  });

  describe('sessions', () => {
    it('is found by its secret alone, which is not in the database', async () => {
      const { sessions } = given.login.context;
      const { session, secret } = await signIn(await somebody());
      assert.deepEqual(await sessions.find(secret), session);
      assert.equal(await sessions.find(session.id), undefined);
      const [{ text } = { text: '' }] = await given.db.query<{ text: string }>(
        sql`select account_session::text as text from account_session where id = ${session.id}`,
      );
      assert.equal(text.includes(secret), false);
    });

    const lives: [string, number[], boolean][] = [
      ['29 minutes unused', [29 * 60], true],
      ['31 minutes unused', [31 * 60], false],
      ['11 hours in use', Array.from({ length: 33 }, () => 1200), true],
      ['12 hours in use', Array.from({ length: 37 }, () => 1200), false],
    ];
    for (const [name, pauses, isLive] of lives) {
      it(`after ${name} it ${isLive ? 'lives' : 'is over'}`, async () => {
        const { sessions } = given.login.context;
        const { secret } = await signIn(await somebody());
        let found: unknown;
        for (const seconds of pauses) {
          given.clock.now += seconds * 1000;
          found = await sessions.find(secret);
        }
        assert.equal(found !== undefined, isLive);
      });
    }

    it('is listed for and ended by its owner alone, with the tokens it has', async () => {
      const { login, registry, db, clock } = given;
      const { sessions } = login.context;
      const [one, other] = [await somebody(), await somebody()];
      const { session, secret } = await signIn(one);
      assert.equal(
        await sessions.addToken(session.id, { jti: 'token-of-session', expiresAt: clock.now + 60_000 }),
        true,
      );
      assert.ok((await sessions.list(one.account)).some(({ id }) => id === session.id));
      assert.equal(
        (await sessions.list(other.account)).some(({ id }) => id === session.id),
        false,
      );
      assert.equal(await sessions.end(other.account, session.id), false);
      assert.notEqual(await sessions.find(secret), undefined);
      assert.equal(await sessions.end(one.account, session.id), true);
      assert.equal(await sessions.find(secret), undefined);
      assert.equal(registry.isRevoked('https://hub.example', 'token-of-session'), true);
      const rows = await db.query(sql`select from account_token where session = ${session.id}`);
      assert.equal(rows.length, 0);
    });

    it('ends when the account is disabled, and with a reset', async () => {
      const { db, login, clock } = given;
      const [one, other] = [await somebody(), await somebody()];
      const secrets = [(await signIn(one)).secret, (await signIn(other)).secret];
      await disableAccount(db, one.login);
      assert.equal(await login.context.sessions.find(secrets[0] ?? ''), undefined);
      await assert.rejects(signIn(one), isRefused);
      const { code, account } = await resetAccount(db, `Patient/p${people}`, new Date(clock.now + 60_000));
      await login.context.sessions.endAll(account);
      assert.equal(await login.context.sessions.find(secrets[1] ?? ''), undefined);
      await assert.rejects(signIn(other), isRefused);
      const invited = await openInvitation(login.context, code, fromSomewhere());
      assert.equal(invited?.account.login, other.login);
      assert.notEqual(invited?.totpKey, other.key);
      const chosen = {
        login: 'ignored',
        password: 'three grey geese',
        repeated: 'three grey geese',
        code: totpCode(invited?.totpKey ?? '', clock.now),
      };
      await enrol(login.context, code, chosen, fromSomewhere());
      clock.now += stepMs;
      await assert.rejects(signIn({ login: other.login, key: invited?.totpKey ?? '' }), isRefused);
      await signIn({ login: other.login, key: invited?.totpKey ?? '' }, { password: 'three grey geese' });
    });

    it('is swept away when it is over', async () => {
      const { db } = given;
      const { session } = await signIn(await somebody());
      await db.query(
        sql`update account_session set last_seen_at = now() - interval '31 minutes' where id = ${session.id}`,
      );
      await sweepSessions(db);
      assert.equal((await db.query(sql`select from account_session where id = ${session.id}`)).length, 0);
    });
  });

  describe('the trail', () => {
    const of = async (patient: string): Promise<string[]> =>
      (await given.interactions()).filter((row) => row.patient === patient).map(({ interaction }) => interaction);

    it('has enrolment, sign-in and sign-out in the log of the patient, by what they are and not by their name', async () => {
      const one = await somebody();
      const { session } = await signIn(one);
      await given.login.signOut(session);
      assert.deepEqual(await of(`p${people}`), ['enrol', 'login', 'logout']);
      const subjects = (await given.interactions()).filter(({ patient }) => patient === `p${people}`);
      assert.ok(subjects.every(({ subject }) => subject === `Patient/p${people}`));
      assert.equal(
        await given.login.context.sessions.list(one.account).then(({ length }) => length),
        1,
        'that of enrolment',
      );
    });

    it('has what failed, so many an hour and no more', async () => {
      const one = await somebody();
      await assert.rejects(signIn(one, { password: 'wrong' }), isRefused);
      assert.deepEqual(await of(`p${people}`), ['enrol', 'login-failed']);
      const { trail } = given.login.context;
      const account = { id: one.account, fhirUser: `Patient/p${people}`, login: one.login };
      for (let attempt = 0; attempt < 30; attempt++) trail.recordFailure(account);
      const failures = (await of(`p${people}`)).filter((interaction) => interaction === 'login-failed').length;
      assert.equal(failures, 20);
      given.clock.now += 3_601_000;
      trail.recordFailure(account);
      assert.equal((await of(`p${people}`)).filter((interaction) => interaction === 'login-failed').length, 21);
    });

    it('is not filled by strangers on names that nobody has', async () => {
      const before = (await given.interactions()).length;
      const trail = given.login.context.trail;
      for (let attempt = 0; attempt < 300; attempt++) trail.recordFailure(undefined);
      assert.ok((await given.interactions()).length - before <= 100);
    });

    it('cannot be written: nobody is signed in, enrolled or has another password, and nothing of it is left', async () => {
      const { db, login, clock } = given;
      const one = await somebody();
      const { session } = await signIn(one);
      const { sessions } = login.context;
      const before = (await sessions.list(one.account)).length;
      const { code } = await inviteAccount(db, 'Patient/unrecorded', new Date(clock.now + 600_000));
      const totpKey = (await openInvitation(login.context, code, fromSomewhere()))?.totpKey ?? '';
      const [first = '', second = ''] = one.recoveryCodes;
      await db.query(sql`
        alter table audit_block add constraint full_disk check (entries !~ '"(login|enrol|password-change)"') not valid`);
      try {
        await assert.rejects(signIn(one, { code: first }), { code: 'transient' });
        const chosen = { login: 'unrecorded', password, repeated: password, code: totpCode(totpKey, clock.now) };
        await assert.rejects(enrol(login.context, code, chosen, fromSomewhere()), { code: 'transient' });
        const change = { password, code: second, chosen: 'three grey geese' };
        await assert.rejects(changePassword(login.context, session, change, fromSomewhere()), { code: 'transient' });
      } finally {
        await db.query(sql`alter table audit_block drop constraint full_disk`);
      }
      assert.equal((await sessions.list(one.account)).length, before);
      assert.notEqual(
        await openInvitation(login.context, code, fromSomewhere()),
        undefined,
        'the invitation is still good',
      );
      await signIn(one, { code: one.recoveryCodes[2] ?? '' });
    });
  });

  it('what an operator lists says nothing that signs in', async () => {
    const one = await somebody();
    const text = JSON.stringify(await listAccounts(given.db));
    assert.ok(text.includes(one.login));
    for (const secret of [one.key, 'argon2', await hashPassword(password).then((hash) => hash.slice(0, 12))]) {
      assert.equal(text.includes(secret), false);
    }
  });
});
