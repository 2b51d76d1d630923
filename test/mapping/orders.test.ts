import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, map, toBundle } from './given.ts';

const culture = [
  'OBR|1||C1^LIS|600-7^Blood culture^LN|||20240506100000|||||||||||||||||F',
  'OBX|1|CE|600-7^Organism^LN|1|ECO^Escherichia coli^L||||||F',
  'OBX|2|CE|600-7^Organism^LN|2|SAU^Staphylococcus aureus^L||||||F',
];
const susceptibility = (order: string, subId: string): string[] => [
  `OBR|2||${order}^LIS|29576-6^Susceptibility^LN|||20240506100000||||||||||||||||||F|600-7&Organism&LN^${subId}^Organism ${subId}|||^C1&LIS`,
  'OBX|1|CE|28-1^Ampicillin^LN||R^Resistant^L||||||F',
];

function assertValid(mapped: MappedMessage): void {
  assert.deepEqual(
    validate(toBundle(mapped)).map(({ message, expression }) => `${message} at ${expression.join()}`),
    [],
  );
}

/** Observations by their value, with what they are derived from: the value of the parent, or its name. */
function derivations(mapped: MappedMessage): Record<string, string | undefined> {
  const observations = drafts(mapped, 'Observation').map(({ resource }) => resource);
  const name = (resource: Record<string, unknown>): string =>
    (resource['valueCodeableConcept'] as { coding: { code: string }[] }).coding[0]?.code ?? '';
  const byReference = new Map(observations.map((resource) => [`Observation/${resource.id}`, name(resource)]));
  return Object.fromEntries(
    observations.map((resource) => {
      const [parent] = (resource['derivedFrom'] ?? []) as { reference?: string; display?: string }[];
      return [name(resource), parent?.reference === undefined ? parent?.display : byReference.get(parent.reference)];
    }),
  );
}

describe('microbiology: susceptibilities point to the organism they were tested on (OBR-26, OBR-29)', () => {
  it('by code and sub-id within the order that OBR-29 names', () => {
    const mapped = map([...culture, ...susceptibility('S1', '2')], { type: 'ORU^R01' });
    assert.deepEqual(derivations(mapped), { ECO: undefined, SAU: undefined, R: 'SAU' });
    assertValid(mapped);
  });

  it('two susceptibility orders, each with its organism', () => {
    const one = susceptibility('S1', '1');
    const other = susceptibility('S2', '2').map((segment) => segment.replace('R^Resistant', 'S^Susceptible'));
    const mapped = map([...culture, ...one, ...other], { type: 'ORU^R01' });
    assert.deepEqual(derivations(mapped), { ECO: undefined, SAU: undefined, R: 'ECO', S: 'SAU' });
  });

  it('a parent that the message does not bring is named', () => {
    const mapped = map(susceptibility('S1', '2'), { type: 'ORU^R01' });
    assert.deepEqual(derivations(mapped), { R: 'Organism 2' });
    assertValid(mapped);
  });

  it('a result of the order itself is never its own parent', () => {
    const segments = susceptibility('S1', '1').map((segment) => segment.replace('28-1^Ampicillin', '600-7^Organism'));
    assert.deepEqual(derivations(map(segments, { type: 'ORU^R01' })), { R: 'Organism 1' });
  });
});

describe('a child order is based on its parent (OBR-29, ORC-8)', () => {
  const identifiersOf = (basedOn: unknown): unknown[] =>
    (basedOn as { identifier: { value: string } }[]).map(({ identifier }) => identifier.value);

  it('which is a reference when the message brings it, with the number that names it', () => {
    const mapped = map([...culture, ...susceptibility('S1', '2')], { type: 'ORU^R01' });
    const [parent, child] = drafts(mapped, 'ServiceRequest').map(({ resource }) => resource);
    const [basedOn] = (child?.['basedOn'] ?? []) as { reference: string }[];
    assert.equal(basedOn?.reference, `ServiceRequest/${parent?.id}`);
    assert.deepEqual(identifiersOf(child?.['basedOn']), ['C1']);
    assert.equal(parent?.['basedOn'], undefined);
  });

  it('else the numbers of placer and filler, which the parent has as identifiers in its own message', () => {
    const child = 'OBR|1||S1^LIS|1^Panel^L|||||||||||||||||||||||||P1&HIS^C1&LIS';
    const mapped = map([child], { type: 'ORU^R01' });
    const parent = map([culture[0]?.replace('||C1', '|P1^HIS|C1') ?? ''], { type: 'ORU^R01' });
    const basedOn = drafts(mapped, 'ServiceRequest')[0]?.resource['basedOn'] as Record<string, unknown>[];
    assert.deepEqual(identifiersOf(basedOn), ['P1', 'C1']);
    const known = drafts(parent, 'ServiceRequest')[0]?.resource['identifier'] as Record<string, unknown>[];
    const name = ({ system, value }: Record<string, unknown>): string => `${String(system)}|${String(value)}`;
    assert.deepEqual(
      basedOn.map(({ identifier }) => name(identifier as Record<string, unknown>)),
      known.map(name),
    );
    assertValid(mapped);
  });

  it('ORC-8 where OBR-29 says nothing', () => {
    const mapped = map(['ORC|CH|P2^HIS||||||P1&HIS', 'OBR|1|P2^HIS||1^Panel^L'], { type: 'OML^O21' });
    assert.deepEqual(identifiersOf(drafts(mapped, 'ServiceRequest')[0]?.resource['basedOn']), ['P1']);
    assertValid(mapped);
  });
});

describe('order control', () => {
  const order = (control: string, number: string): string[] => [
    `ORC|${control}|${number}^HIS`,
    `OBR|1|${number}^HIS||24323-8^Metabolic panel^LN`,
  ];
  it('a replacement (RO) names the order it replaces (RP)', () => {
    const mapped = map([...order('RP', 'P1'), ...order('RO', 'P2')], { type: 'ORM^O01' });
    const [old, fresh] = drafts(mapped, 'ServiceRequest').map(({ resource }) => resource);
    assert.deepEqual(fresh?.['replaces'], [{ reference: `ServiceRequest/${old?.id}` }]);
    assert.equal(old?.['replaces'], undefined);
    assertValid(mapped);
  });

  const statuses: [control: string, status: string, expected: string][] = [
    ['NW', '', 'active'],
    // A request to cancel or hold leaves the order as it is until the filler says so (CR, OC, OH).
    ['CA', '', 'active'],
    ['OC', '', 'revoked'],
    ['DC', '', 'revoked'],
    ['OH', '', 'on-hold'],
    ['SC', 'CM', 'completed'],
    ['SC', 'IP', 'active'],
  ];
  for (const [control, status, expected] of statuses) {
    it(`ORC-1 ${control}${status === '' ? '' : `, ORC-5 ${status}`} -> ${expected}`, () => {
      const mapped = map([`ORC|${control}|P1|||${status}`, 'OBR|1|P1||1^Panel^L'], { type: 'ORM^O01' });
      assert.equal(drafts(mapped, 'ServiceRequest')[0]?.resource['status'], expected);
    });
  }
});
