/** LEAKS 6, 47: a next link is a place in an order. What it leads to is decided when it is followed, and where it leads is configured. */
import assert from 'node:assert/strict';
import { reference, resource } from '../spec/world.ts';
import { ai, givenLeakWorld, open, type LeakWorld } from './world.ts';

describe('LEAKS 6, 47: next links', () => {
  let world: LeakWorld;
  before(async () => {
    world = await givenLeakWorld();
    await world.write(open);
  });
  after(() => world.close());

  /** Below the FHIR base. */
  const nextOf = (json: Record<string, unknown>): string | undefined => {
    const links = json['link'] as { relation: string; url: string }[];
    return links.find(({ relation }) => relation === 'next')?.url.slice(world.hub.fhir.length + 1);
  };

  for (const query of ['patient=p&_sort=date&_count=1', '_count=1', 'subject:Patient.family=peters&_count=1']) {
    it(`LEAKS 6: after a revocation the next page is empty: Observation?${query}`, async () => {
      const consent = await world.consent('p', ai);
      const token = world.tokens['a consented service'];
      const first = await world.hub.send('GET', `Observation?${query}`, token);
      assert.equal(first.json['entry'].length, 1);
      const next = nextOf(first.json);
      assert.ok(next !== undefined);
      assert.equal((await world.hub.send('GET', next, token)).json['entry'].length, 1);
      const self = await world.token('patient', { fhirUser: 'Patient/p', patient: 'p' });
      const ended = { ...consent.json, status: 'inactive' };
      const { status } = await world.hub.send('PUT', `Consent/${consent.json['id']}`, self, { body: ended });
      assert.equal(status, 200);
      assert.equal((await world.hub.send('GET', next, token)).json['entry'], undefined);
    });
  }

  it('LEAKS 47: links have the configured base, whatever a request says of its host', async () => {
    await world.write([resource('Observation/third', { subject: reference('Patient/p') })]);
    const headers = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example',
    };
    const { text, json } = await world.hub.send('GET', 'Observation?patient=p&_count=1', world.tokens['hospital'], {
      headers,
    });
    assert.doesNotMatch(text, /evil/);
    assert.ok(nextOf(json) !== undefined);
    assert.ok(text.includes(`"url":"${world.hub.fhir}/`));
  });
});
