/**
 * LEAKS 35, 36, 52: what one organization defines changes nothing for another: not what its searches find, not what its codes mean,
 * not what its scopes and its patients' Consents open.
 */
import assert from 'node:assert/strict';
import { given } from '../given.ts';
import { canary, givenLeakWorld, open, saidBy, type LeakWorld } from './world.ts';
import { resource } from '../spec/world.ts';

const loinc = 'http://loinc.org';
const standard = 'http://hl7.org/fhir/ValueSet/observation-status';

const asked = [
  `Observation?patient=p&code:in=urn:vs:shared`,
  `Observation?patient=p&status:in=${standard}`,
  `ValueSet/$expand?url=${standard}`,
  'ValueSet/$expand?url=urn:vs:shared',
  `ValueSet/$validate-code?url=${standard}&system=http://hl7.org/fhir/observation-status&code=${canary}`,
  'CodeSystem/$lookup?system=http://hl7.org/fhir/observation-status&code=final',
  `CodeSystem/$lookup?system=http://hl7.org/fhir/observation-status&code=${canary}`,
  `CodeSystem/$lookup?system=${loinc}&code=718-7`,
  'CodeSystem/$subsumes?system=urn:cs:shared&codeA=a&codeB=b',
  'ConceptMap/$translate?url=urn:cm:shared&system=urn:a&code=a',
  'ValueSet/mine-shared/$expand',
  'CodeSystem/mine-shared/$validate-code?code=a',
  'Observation?patient=p&code:in=ValueSet/mine-shared',
  'metadata',
  'metadata?mode=terminology',
];

const codeSystem = (id: string, url: string, codes: readonly string[]): object => ({
  ...resource(`CodeSystem/${id}`),
  url,
  status: 'active',
  content: 'complete',
  concept: codes.map((code) => ({ code, display: canary })),
});
const valueSet = (id: string, url: string, system: string, code: string): object => ({
  ...resource(`ValueSet/${id}`),
  url,
  status: 'active',
  compose: { include: [{ system, concept: [{ code, display: canary }] }] },
});

describe('LEAKS 35: definitions of one organization', () => {
  let world: LeakWorld;
  let other: string;
  before(async () => {
    world = await givenLeakWorld();
    await world.write(open);
    other = world.tokens['another hospital'] as string;
    await world.write(
      [given.patient({ id: 'x' }), given.observation({ id: 'x', patient: 'x' })].map((one) => one),
      other,
    );
  });
  after(() => world.close());

  const ask = async (): Promise<Record<string, object>> => {
    const answers: Record<string, object> = {};
    for (const path of asked) answers[path] = saidBy(await world.hub.send('GET', path, world.tokens['hospital']));
    return answers;
  };

  it('code systems, value sets and maps with the URLs of others, and of R4, answer their own organization alone', async () => {
    const before = await ask();
    const definitions = [
      codeSystem('mine', 'http://hl7.org/fhir/observation-status', [canary]),
      codeSystem('mine-loinc', loinc, ['718-7']),
      codeSystem('mine-shared', 'urn:cs:shared', ['a', 'b']),
      valueSet('mine', standard, 'http://hl7.org/fhir/observation-status', canary),
      valueSet('mine-shared', 'urn:vs:shared', loinc, '718-7'),
      {
        ...resource('ConceptMap/mine'),
        url: 'urn:cm:shared',
        status: 'active',
        group: [
          {
            source: 'urn:a',
            target: 'urn:b',
            element: [{ code: 'a', target: [{ code: canary, equivalence: 'equal' }] }],
          },
        ],
      },
      {
        ...resource('StructureDefinition/mine'),
        url: 'http://hl7.org/fhir/StructureDefinition/Observation',
        name: 'Mine',
        status: 'active',
        kind: 'resource',
        abstract: false,
        type: 'Observation',
        derivation: 'constraint',
        baseDefinition: 'http://hl7.org/fhir/StructureDefinition/DomainResource',
        differential: {
          element: [
            { id: 'Observation', path: 'Observation' },
            { id: 'Observation.note', path: 'Observation.note', min: 1 },
          ],
        },
      },
    ];
    await world.write(definitions as never, other);
    assert.deepEqual(await ask(), before);
    const plain = given.observation({ id: 'plain', patient: 'p' });
    assert.equal(
      (await world.hub.send('PUT', 'Observation/plain', world.tokens['hospital'], { body: plain })).status,
      201,
    );
  });

  it('its own organization is answered by them', async () => {
    const found = await world.hub.send('GET', 'ValueSet/$expand?url=urn:vs:shared', other);
    assert.equal(found.json['expansion'].total, 1, found.text);
  });

  it('a definition of another is overwritten by nobody', async () => {
    for (const path of ['ValueSet/mine', 'CodeSystem/mine', 'StructureDefinition/mine', 'ConceptMap/mine']) {
      const body = {
        resourceType: path.split('/')[0],
        id: 'mine',
        url: 'urn:x',
        status: 'active',
        content: 'complete',
      };
      const answer = await world.hub.send('DELETE', path, world.tokens['hospital'], { body });
      assert.equal(answer.status, 404, path);
    }
  });

  describe('a SearchParameter is everybody’s index: an operator writes it', () => {
    const parameter = {
      ...resource('SearchParameter/wide'),
      url: 'urn:sp:wide',
      name: 'wide',
      status: 'active',
      description: 'x',
      code: 'category',
      base: ['Encounter'],
      type: 'token',
      expression: 'Encounter.class',
    };

    it('nobody else puts one in force, under a code that a scope or a Consent may name', async () => {
      const narrow = await world.token('hospital', { scope: 'system/Encounter.rs?category=IMP' });
      for (const who of [world.tokens['hospital'], other, await world.token('ai', { scope: 'system/*.cruds' })]) {
        for (const [method, path] of [
          ['PUT', 'SearchParameter/wide'],
          ['POST', 'SearchParameter'],
        ] as const) {
          const answer = await world.hub.send(method, path, who, { body: parameter });
          assert.equal(answer.status, 403, answer.text);
        }
        const entry = [{ request: { method: 'PUT', url: 'SearchParameter/wide' }, resource: parameter }];
        const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
        assert.equal((await world.hub.send('POST', '/fhir/R4', who, { body: bundle })).status, 403);
      }
      await world.write([resource('Encounter/later', open[2])]);
      assert.equal((await world.hub.send('GET', 'Encounter?_total=accurate', narrow)).json['total'], 0);
    });

    it('an operator does, and another changes nothing of it', async () => {
      const operator = await world.token('hospital', { scope: 'system/SearchParameter.cruds hub/ops' });
      const body = { ...parameter, code: 'kind' };
      assert.equal((await world.hub.send('PUT', 'SearchParameter/wide', operator, { body })).status, 201);
      for (const method of ['PUT', 'DELETE']) {
        const answer = await world.hub.send(method, 'SearchParameter/wide', other, { body });
        assert.equal(answer.status, 403);
      }
    });
  });
});
