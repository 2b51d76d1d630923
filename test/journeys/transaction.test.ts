/** Records of Synthea, as published, through one transaction each, and read back: every element and digit, every link. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../../src/fhir/json.ts';
import { corpusFolder } from '../fhir/examples.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';

type Json = Record<string, any>; // eslint-disable-line typescript/no-explicit-any

/** Sent first: what the others refer to by identifier. */
const shared = ['00-hospitalInformation.subset.json', '01-practitionerInformation.subset.json'];
/** With conditional references, and the longest there is; and one that brings everything along. */
const records = ['Sang383_Kuhic920', 'Chet_Hoeger'];

describe('journey: records of Synthea as transactions', function () {
  this.timeout(300_000);
  const folder = corpusFolder();
  const files = folder === undefined ? [] : readdirSync(join(folder, 'fhir', 'synthea'));
  const fileOf = (start: string): string =>
    join(folder as string, 'fhir', 'synthea', files.find((name) => name.startsWith(start)) as string);
  let hub: GivenHub;
  let hospital: string;
  before(async function () {
    if (files.length === 0) this.skip();
    hub = await givenHub();
    hospital = await hub.token('hospital');
    for (const name of shared) await sent(name);
  });
  after(() => hub?.close());

  const sent = async (start: string): Promise<{ bundle: Json; answer: Json }> => {
    const text = readFileSync(fileOf(start), 'utf8');
    const response = await hub.send('POST', '/fhir/R4', hospital, { body: text });
    assert.equal(response.status, 200, response.text.slice(0, 500));
    return { bundle: parseJson(text) as Json, answer: parseJson(response.text) as Json };
  };

  for (const start of records) {
    it(`${start}: every entry is created, and read back it is what was sent`, async function () {
      if (files.length === 0) this.skip();
      const { bundle, answer } = await sent(start);
      const entries = bundle['entry'] as Json[];
      const answers = answer['entry'] as Json[];
      assert.deepEqual([...new Set(answers.map(({ response }) => response.status as string))], ['201 Created']);

      const addresses = new Map(
        entries.map(({ fullUrl, resource }, index) => [
          fullUrl as string,
          `${resource.resourceType}/${answers[index]?.['resource'].id}`,
        ]),
      );
      const reads = answers.map(({ resource }) => ({
        request: { method: 'GET', url: `${resource.resourceType}/${resource.id}` },
      }));
      const batch = await hub.send('POST', '/fhir/R4', hospital, {
        body: { resourceType: 'Bundle', type: 'batch', entry: reads },
      });
      const read = (parseJson(batch.text) as Json)['entry'] as Json[];
      for (const [index, { resource }] of entries.entries()) {
        const { id: _id, meta: kept, ...stored } = (read[index] as Json)['resource'] as Json;
        const { id: _sentId, meta: given, ...content } = resource as Json;
        const { versionId: _version, lastUpdated: _at, ...meta } = kept as Json;
        assert.deepEqual(meta, given ?? {});
        assert.equal(linked(stored), linked(content, addresses), `entry ${index}`);
      }
    });
  }

  it('the longest has more than a megabyte, or nearly, and 389 entries', function () {
    if (files.length === 0) this.skip();
    const file = fileOf('Sang383_Kuhic920');
    assert.ok(statSync(file).size > 900_000);
    assert.equal((JSON.parse(readFileSync(file, 'utf8')) as Json)['entry'].length, 389);
  });

  /** As text, digits included; with each link as the address it must have become, conditional ones as their type alone. */
  const linked = (resource: Json, addresses = new Map<string, string>()): string =>
    JSON.stringify(resource)
      .replace(/(?<="reference":")urn:uuid:[^"]+/g, (urn) => addresses.get(urn) ?? urn)
      .replace(/"reference":"(Practitioner|Organization|Location)[/?][^"]*"/g, '"reference":"$1"');
});
