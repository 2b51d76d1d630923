/**
 * LEAKS 8, 36, 52: what a version said before it was corrected, relabelled or redated is no more visible than the row is now, and
 * no wider than the rule that opens it: a permit, a deny and a scope by code know the codes of the current version alone.
 */
import assert from 'node:assert/strict';
import { ai, canary, givenLeakWorld, hiv, loinc, ofP, type LeakWorld } from './world.ts';
import { reference, resource } from '../spec/world.ts';

const category = (code: string): object => ({
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code }] }],
});
/** First as it says what may not be seen, then as it may. */
const versions = [
  { ...category('social-history'), code: loinc('11111-1'), valueString: canary },
  { ...category('laboratory'), code: loinc('718-7') },
];
const code = (text: string): Record<string, unknown> => ({
  code: [{ coding: [{ system: 'http://loinc.org', code: text }] }],
});

const waysTo = (id: string): string[] => [
  `Observation/${id}/_history/1`,
  `Observation/${id}/_history`,
  `Observation/${id}/_history/1/$meta`,
  `Observation/${id}/_history?_since=2020-01-01`,
];

describe('LEAKS 8: the past of a row', () => {
  let world: LeakWorld;
  before(async () => {
    world = await givenLeakWorld();
  });
  after(() => world.close());

  for (const [index, [title, changes, claims]] of (
    [
      ['a permit by code', code('718-7'), {}],
      ['a deny by code', { provision: [{ type: 'deny', ...code('11111-1') }] }, {}],
      ['a granular scope', {}, { scope: 'system/Observation.rs?category=laboratory' }],
      ['a launch context', {}, { isBound: true, scope: 'patient/Observation.rs?category=laboratory' }],
    ] as const
  ).entries()) {
    describe(title, () => {
      const [id, patient] = [`o${index}`, `p${index}`];
      const ways = waysTo(id);
      let token: string;
      before(async () => {
        await world.write([resource(`Patient/${patient}`)]);
        await world.consent(patient, ai, changes);
        const { isBound, ...others } = { isBound: false, ...claims };
        token = await world.token('ai', { ...others, ...(isBound ? { patient } : {}) });
        for (const elements of versions) {
          const subject = { subject: reference(`Patient/${patient}`) };
          await world.write([resource(`Observation/${id}`, { ...elements, ...subject })]);
        }
      });

      it('the row as it stands is seen', async () => {
        assert.equal((await world.hub.send('GET', `Observation/${id}`, token)).status, 200);
        assert.equal((await world.hub.send('GET', `Observation/${id}/_history/2`, token)).status, 200);
      });

      it('what it was is not, and its source sees it', async () => {
        for (const way of ways) {
          const { text } = await world.hub.send('GET', way, token);
          assert.ok(!text.includes(canary) && !text.includes('"versionId":"1"'), `${way}: ${text}`);
        }
        const own = await world.hub.send('GET', ways[0] as string, world.tokens['hospital']);
        assert.ok(own.text.includes(canary));
      });

      it('a hidden version is one that never was', async () => {
        const [hidden, unknown] = await Promise.all(
          ['1', '7'].map((version) => world.hub.send('GET', `Observation/${id}/_history/${version}`, token)),
        );
        assert.deepEqual([hidden?.status, hidden?.text], [404, unknown?.text]);
      });
    });
  }

  it('without a condition on codes the past is seen', async () => {
    await world.write([resource('Patient/whole')]);
    await world.consent('whole', ai);
    const subject = { subject: reference('Patient/whole') };
    for (const elements of versions) await world.write([resource('Observation/whole', { ...elements, ...subject })]);
    for (const way of waysTo('whole')) {
      const { text } = await world.hub.send('GET', way, world.tokens['a consented service']);
      assert.ok(text.includes('"versionId":"1"'), `${way}: ${text}`);
    }
  });

  describe('labels, patients and dates', () => {
    before(async () => {
      await world.write([resource('Patient/p'), resource('Patient/q')]);
      await world.consent('p', ai, { dataPeriod: { start: '2026-01-01', end: '2026-12-31' } });
    });

    const dated = { ...ofP, effectiveDateTime: '2026-05-01' };
    const cases = {
      'a label taken away': { ...dated, ...hiv, valueString: canary },
      'a date moved into the period': { ...dated, effectiveDateTime: '2024-01-01', valueString: canary },
      'another patient named no more': { ...dated, focus: [reference('Patient/q')], valueString: canary },
    };
    for (const [index, [title, first]] of Object.entries(cases).entries()) {
      it(`${title}: the row stays hidden, and its past with it`, async () => {
        const id = `was${index}`;
        const own = [`Observation/${id}`, 'Observation?patient=p', 'Patient/p/$everything', ...waysTo(id)];
        await world.write([resource(`Observation/${id}`, first), resource(`Observation/${id}`, dated)]);
        for (const way of own) {
          const { text } = await world.hub.send('GET', way, world.tokens['a consented service']);
          assert.ok(!text.includes(canary) && !text.includes(`Observation/${id}"`), `${way}: ${text}`);
        }
      });
    }

    it('a label taken away by $meta-delete', async () => {
      await world.write([resource('Observation/labelled', { ...dated, ...hiv, valueString: canary })]);
      const body = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: hiv.meta }] };
      const answer = await world.hub.send('POST', 'Observation/labelled/$meta-delete', world.tokens['hospital'], {
        body,
      });
      assert.equal(answer.status, 200, answer.text);
      for (const way of ['Observation/labelled', 'Observation?patient=p', ...waysTo('labelled')]) {
        const { text } = await world.hub.send('GET', way, world.tokens['a consented service']);
        assert.ok(!text.includes(canary), `${way}: ${text}`);
      }
    });
  });
});
