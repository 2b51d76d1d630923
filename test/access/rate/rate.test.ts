/** How much one client may ask; the clock of the windows is the library's own for requests a second, ours for the rest. */
import assert from 'node:assert/strict';
import { setImmediate as immediate } from 'node:timers/promises';
import { mix, PairCounts } from '../../../src/access/rate/pairs.ts';
import { openRates, Throttled, type RateLimits } from '../../../src/access/rate/rates.ts';
import { until } from '../../until.ts';
import { givenPrincipal, givenSelf } from '../world.ts';

const none: RateLimits = { client: 0, patient: 0, self: 0, misses: 0 };
const ai = givenPrincipal();

describe('rates', () => {
  let clock = 1_000_000;
  const open = (limits: Partial<RateLimits>) => openRates({ ...none, ...limits }, () => clock);
  /** How often until it is refused. */
  async function admitted(most: number, one: () => void): Promise<number> {
    for (let n = 0; n < most; n++) {
      try {
        one();
      } catch (error) {
        assert.ok(error instanceof Throttled);
        return n;
      }
      // Counting goes on beside the request.
      await immediate();
    }
    return most;
  }

  it('a client over its requests a second is refused, another one is not, and it is let in again', async () => {
    const rates = openRates({ ...none, client: 10 });
    assert.equal(await admitted(50, () => rates.admit(ai)), 11);
    assert.throws(
      () => rates.admit(ai),
      (error: Throttled) => error.code === 'throttled' && error.limit === 'client' && error.retrySeconds === 1,
    );
    assert.throws(() => rates.admit({ ...ai, jti: 'another token' }), Throttled);
    rates.admit(givenPrincipal({ clientId: 'other' }));
    rates.admit(givenPrincipal({ issuer: 'https://elsewhere.test' }));
    // Its window is a second of the library's own clock.
    const isAdmitted = (): boolean => {
      try {
        rates.admit(ai);
        return true;
      } catch {
        return false;
      }
    };
    await until('it is let in again', isAdmitted);
  });

  it('a person over their own is refused by themselves, whichever app they use, and others of the app are not', async () => {
    const rates = openRates({ ...none, self: 5 });
    const mine = givenSelf('p1');
    assert.equal(await admitted(20, () => rates.admit(mine)), 6);
    assert.throws(() => rates.admit(givenSelf('p1', { clientId: 'another-app' })), { limit: 'self' });
    rates.admit(givenSelf('p2'));
    assert.equal(await admitted(20, () => rates.admit(ai)), 20, 'a service is no person');
  });

  it('a client about one patient, again and again; about others it may ask, and others about this one', async () => {
    const rates = open({ patient: 5 });
    assert.equal(await admitted(20, () => rates.meet(ai, ['p1'])), 5);
    rates.meet(ai, ['p2', null, undefined]);
    assert.throws(() => rates.meet(ai, ['p2', 'p1']), { limit: 'patient' });
    rates.meet(givenPrincipal({ clientId: 'other' }), ['p1']);
    assert.equal(await admitted(20, () => rates.meet(givenSelf('p1'), ['p1'])), 20, 'their own');
    clock += 60_000;
    rates.meet(ai, ['p1']);
  });

  it('a page of one patient counts once', async () => {
    const rates = open({ patient: 5 });
    assert.equal(await admitted(20, () => rates.meet(ai, ['p1', 'p1', 'p1'])), 5);
  });

  describe('questions in vain', () => {
    it('many different ones: refused everything until the window ends; told once', () => {
      const rates = open({ misses: 100 });
      const told = Array.from({ length: 150 }, (_, n) => rates.miss(ai, `Patient/${n}`));
      assert.deepEqual([told.indexOf(true), told.filter(Boolean).length], [100, 1]);
      clock += 100_000;
      assert.throws(
        () => rates.admit(ai),
        (error: Throttled) => error.limit === 'misses' && error.retrySeconds === 500,
      );
      rates.admit(givenPrincipal({ clientId: 'other' }));
      clock += 500_000;
      rates.admit(ai);
      assert.equal(rates.miss(ai, 'Patient/1'), false, 'counted from nothing');
    });

    it('the same one again and again is none: it asks for what is gone', () => {
      const rates = open({ misses: 10 });
      for (let n = 0; n < 1_000; n++) assert.equal(rates.miss(ai, `Patient/${n % 10}`), false);
      rates.admit(ai);
    });

    it('of a person they are the person’s, not the app’s that others use too', () => {
      const rates = open({ misses: 10 });
      for (let n = 0; n < 50; n++) rates.miss(givenSelf('p1'), `Observation/${n}`);
      assert.throws(() => rates.admit(givenSelf('p1')), { limit: 'misses' });
      rates.admit(givenSelf('p2'));
    });
  });

  it('0 is no limit', async () => {
    const rates = open({});
    assert.equal(await admitted(2_000, () => rates.admit(ai)), 2_000);
    for (let n = 0; n < 2_000; n++) {
      rates.meet(ai, ['p1']);
      assert.equal(rates.miss(ai, `Patient/${n}`), false);
    }
  });
});

describe('counters of pairs', () => {
  it('are never too low, and hardly too high', () => {
    const counts = new PairCounts(60_000);
    const seeds = [mix(0, 'a'), mix(0, 'b')];
    let most = 0;
    for (let round = 1; round <= 3; round++) {
      for (let n = 0; n < 10_000; n++) {
        for (const seed of seeds) {
          const { count } = counts.add(seed, `patient-${n}`, 1);
          assert.ok(count >= round);
          most = Math.max(most, count);
        }
      }
    }
    assert.ok(most < 30, `${most}`);
    assert.equal(counts.add(seeds[0] as number, 'patient-1', 60_001).count, 1, 'another window');
  });
});
