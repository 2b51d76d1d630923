/** LEAKS 16: a Binary is read through a document of its own owner. Whoever names the document of another opens nothing by it. */
import assert from 'node:assert/strict';
import { ownBucket } from '../../src/fhir/ids.ts';
import { reference, resource } from '../spec/world.ts';
import { ai, canary, givenLeakWorld, hiv, ofP, open, type LeakWorld } from './world.ts';

/** Where the document lives, so that it could be found there. */
const [id = '', other = ''] = Array.from({ length: 1_000_000 }, (_, at) => `b${at}`)
  .values()
  .filter((one) => ownBucket(one) === ownBucket('p'))
  .take(2);

describe('LEAKS 16: the content of a document', () => {
  let world: LeakWorld;
  const context = { securityContext: { reference: 'DocumentReference/seen' } };
  const binary = (more: object) => resource(`Binary/${id}`, { contentType: 'text/plain', data: btoa(canary), ...more });
  before(async () => {
    world = await givenLeakWorld();
    await world.write(open);
    await world.write([
      resource('DocumentReference/seen', {
        ...ofP,
        status: 'current',
        content: [{ attachment: { url: `Binary/${id}` } }],
      }),
    ]);
    await world.consent('p', ai);
  });
  after(() => world.close());

  it('of a document that the caller may not read: as if there were none; and of one that they may', async () => {
    const service = world.tokens['a consented service'];
    const content = {
      contentType: 'text/plain',
      data: btoa(canary),
      securityContext: reference('DocumentReference/kept'),
    };
    const attachment = { content: [{ attachment: { url: `Binary/${other}` } }] };
    await world.write([
      resource('DocumentReference/kept', { ...ofP, status: 'current', ...attachment }),
      resource(`Binary/${other}`, content),
    ]);
    assert.equal((await world.hub.send('GET', `Binary/${other}`, service)).status, 200, 'else this shows nothing');
    await world.write([resource('DocumentReference/kept', { ...ofP, ...hiv, status: 'current', ...attachment })]);
    assert.equal((await world.hub.send('GET', `Binary/${other}`, service)).status, 404);
  });

  it('of another organization, naming a document that the caller may read: as if there were none', async () => {
    await world.write([binary(context)], world.tokens['another hospital']);
    const service = world.tokens['a consented service'];
    assert.equal(
      (await world.hub.send('GET', 'DocumentReference/seen', service)).status,
      200,
      'else this shows nothing',
    );
    assert.equal((await world.hub.send('GET', `Binary/${id}`, service)).status, 404);
    assert.equal((await world.hub.send('GET', `Binary/${id}`, world.tokens['another hospital'])).status, 200);
    const all = await world.hub.send('GET', 'Patient/p/$everything', service);
    assert.doesNotMatch(all.text, /"resourceType":"Binary"/);
  });
});
