/** Places of links in a resource. @see https://hl7.org/fhir/R4/http.html#trules */
import assert from 'node:assert/strict';
import { linksOf } from '../../src/fhir/links.ts';
import { processorMs } from '../processor-time.ts';

const urn = 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a';

describe('links of a resource (http.html#trules)', () => {
  /** The resource with every link to the URN replaced. */
  const replaced = (resource: object): object => {
    const copy = structuredClone(resource);
    for (const link of linksOf(copy, (text) => text === urn)) {
      link.replace('Patient/1');
      link.finish?.();
    }
    return copy;
  };

  const places: [string, object, object][] = [
    [
      'a reference',
      { resourceType: 'Observation', subject: { reference: urn } },
      { resourceType: 'Observation', subject: { reference: 'Patient/1' } },
    ],
    [
      'references in a list',
      { resourceType: 'Observation', performer: [{ reference: urn }, { reference: 'x' }] },
      { resourceType: 'Observation', performer: [{ reference: 'Patient/1' }, { reference: 'x' }] },
    ],
    [
      'a reference in an extension',
      { resourceType: 'Patient', extension: [{ url: 'urn:x', valueReference: { reference: urn } }] },
      { resourceType: 'Patient', extension: [{ url: 'urn:x', valueReference: { reference: 'Patient/1' } }] },
    ],
    [
      'in the extension of a primitive',
      { resourceType: 'Patient', _birthDate: { extension: [{ url: 'urn:x', valueUri: urn }] } },
      { resourceType: 'Patient', _birthDate: { extension: [{ url: 'urn:x', valueUri: 'Patient/1' }] } },
    ],
    [
      'an element of type url',
      { resourceType: 'Patient', photo: [{ url: urn }] },
      { resourceType: 'Patient', photo: [{ url: 'Patient/1' }] },
    ],
    [
      'an element of type uri',
      { resourceType: 'Patient', implicitRules: urn },
      { resourceType: 'Patient', implicitRules: 'Patient/1' },
    ],
    [
      'items of a list of type uri',
      { resourceType: 'CarePlan', instantiatesUri: ['x', urn] },
      { resourceType: 'CarePlan', instantiatesUri: ['x', 'Patient/1'] },
    ],
    [
      'inside of a contained resource',
      { resourceType: 'Observation', contained: [{ resourceType: 'RelatedPerson', patient: { reference: urn } }] },
      {
        resourceType: 'Observation',
        contained: [{ resourceType: 'RelatedPerson', patient: { reference: 'Patient/1' } }],
      },
    ],
    [
      'of a value of any type',
      { resourceType: 'Parameters', parameter: [{ name: 'x', valueReference: { reference: urn } }] },
      { resourceType: 'Parameters', parameter: [{ name: 'x', valueReference: { reference: 'Patient/1' } }] },
    ],
  ];
  for (const [title, before, after] of places) it(title, () => assert.deepEqual(replaced(before), after));

  const kept: [string, object][] = [
    ['a canonical', { resourceType: 'CarePlan', instantiatesCanonical: [urn] }],
    ['a profile', { resourceType: 'Patient', meta: { profile: [urn] } }],
    ['a string', { resourceType: 'Patient', identifier: [{ value: urn }] }],
    ['a markdown', { resourceType: 'Observation', note: [{ text: urn }] }],
    ['a display', { resourceType: 'Observation', subject: { reference: 'Patient/2', display: urn } }],
    ['an element that R4 does not have', { resourceType: 'Patient', colour: urn }],
  ];
  for (const [title, resource] of kept) it(`not ${title}`, () => assert.deepEqual(replaced(resource), resource));

  it('href and src of the narrative, each with its own quotes, and nothing else of it', () => {
    const div = (address: string): string =>
      `<div><a href="${address}">${urn}</a><img alt="x" src='${address}'/><p title="${urn}"/></div>`;
    assert.deepEqual(replaced({ resourceType: 'Patient', text: { div: div(urn) } }), {
      resourceType: 'Patient',
      text: { div: div('Patient/1') },
    });
  });

  it('is replaced again and again, as what it is becomes known', () => {
    const resource = { resourceType: 'Patient', text: { div: `<a href="${urn}"/>` } };
    const [link] = linksOf(resource, (text) => text === urn);
    for (const address of ['Patient/x', 'Patient/1']) {
      link?.replace(address);
      link?.finish?.();
    }
    assert.equal(resource.text.div, '<a href="Patient/1"/>');
  });

  it('a narrative of nothing but tags that do not end takes time in proportion to its length (LEAKS 46)', () => {
    const timeOf = (count: number): number =>
      processorMs(() =>
        linksOf({ resourceType: 'Patient', text: { div: `${'<a href '.repeat(count)}src` } }, () => true),
      );
    timeOf(10_000);
    // Squared it would take minutes.
    assert.ok(timeOf(500_000) < 5_000);
  });
});
