/** Every element says which rule and field made it, every field where it went: from the rules of every day. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import {
  explainedSegmentsMax,
  explainMessage,
  type ExplainedElement,
  type ExplainedField,
} from '../../src/mapping/explain.ts';
import { flatten } from '../../src/mapping/message/flatten.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { context, json, maps } from './given.ts';

const text = [
  'MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506103015||ORU^R01|M1|P|2.5.1',
  'PID|1||P1^^^HOSPA^MR~P2^^^OTHER^PI||Lin^Mei||19800101|F|||||||||many',
  'PV1|1|I|W1^101^1||||||||||||||||V1||||||||||||||||||||||||||lately',
  'OBR|1||F1|718^Panel^L|||20240506',
  'OBX|1|NM|718-7^Hb^LN||5.60|g/dL|||||F|||||||||||||||||||later',
  'ZPI|1|green',
].join('\r');
const explained = explainMessage(maps.sourceFor('test'), parseMessage(text), context);

const element = (type: string, path: string): ExplainedElement | undefined =>
  explained.resources
    .find(({ reference }) => reference.startsWith(`${type}/`))
    ?.elements.find((one) => one.path === path);
const field = (position: string): ExplainedField | undefined =>
  explained.fields.find((one) => one.position === position);

describe('an element says what made it', () => {
  const rows: [type: string, path: string, rule: RegExp, from: string[]][] = [
    ['Patient', 'name[0].family', /^pid-patient\/PID-5 > XPN\/XPN\.1$/, ['PID-5.1']],
    ['Patient', 'name[0].given[0]', /^pid-patient\/PID-5 > XPN\/XPN\.2/, ['PID-5.2']],
    ['Patient', 'gender', /^pid-patient\/PID-8$/, ['PID-8']],
    ['Patient', 'identifier[0].value', /^pid-patient\/PID-3 > CX\/CX\.1$/, ['PID-3.1']],
    ['Patient', 'identifier[1].value', /^pid-patient\/PID-3 > CX\/CX\.1$/, ['PID-3~2.1']],
    ['Observation', 'valueQuantity.value', /^obx-observation\/OBX-5$/, ['OBX-5', 'OBX-6']],
    ['Observation', 'subject.reference', /refs of the message map/, []],
    ['Observation', 'id', /key/, []],
  ];
  for (const [type, path, rule, from] of rows) {
    it(`${type}.${path}`, () => {
      const found = element(type, path);
      assert.match(found?.rule ?? '', rule);
      for (const position of from) assert.ok(found?.from.includes(position), json(found));
      if (from.length > 0) assert.match(found?.at ?? '', /^mappings\/hl7v2\/.*\.yaml:\d+$/);
    });
  }

  it('given a time of the order for want of one of the result, then the other segment is named', () => {
    const found = element('Observation', 'effectiveDateTime');
    assert.match(found?.rule ?? '', /OBX-14\.default/);
    assert.ok(found?.at?.includes('obx-observation.yaml'));
  });
});

describe('a field says where it went, or why no rule took it', () => {
  it('went to its element', () => {
    assert.deepEqual(field('PID-5.1')?.to, ['Patient.name[0].family']);
    assert.deepEqual(field('PID-3~2.1')?.to, ['Patient.identifier[1].value']);
  });

  const rows: [position: string, why: RegExp][] = [
    ['PV1-45', /could not use this text \(dateTime\)/],
    ['ZPI-2', /^no rule reads it$/],
    ['PV1-1', /structural/],
    ['OBX-30', /no rule reads it/],
  ];
  for (const [position, why] of rows) {
    it(`${position}: ${why.source}`, () => {
      const found = field(position);
      if (found === undefined) assert.fail(`${position} is no field of the message`);
      if (found.to.length === 0) assert.match(found.why ?? '', why);
    });
  }

  it('every value of the message is there once', () => {
    const positions = explained.fields.map(({ segment, position }) => `${segment} ${position}`);
    assert.equal(new Set(positions).size, positions.length);
    assert.ok(positions.includes('5 OBX-5'));
    for (const { to, why } of explained.fields) assert.ok(to.length > 0 !== (why !== undefined), json({ to, why }));
  });
});

it('a message of more segments than anybody reads is not explained', () => {
  const long = `${text}\r${'OBX|2|ST|A||x\r'.repeat(explainedSegmentsMax)}`;
  const explain = () => explainMessage(maps.sourceFor('test'), parseMessage(long), context);
  assert.throws(explain, { code: 'too-costly' });
});

describe('what is explained is what is stored', () => {
  const folder = join(import.meta.dirname, '..', 'fixtures', 'hl7v2');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.hl7'))) {
    it(name, () => {
      const message = parseMessage(readFileSync(join(folder, name), 'utf8'));
      const { drafts } = mapMessage(maps.forEndpoint('test'), message, context);
      const { resources } = explainMessage(maps.sourceFor('test'), message, context);
      assert.deepEqual(
        resources.map(({ reference }) => reference),
        drafts.map(({ resource }) => `${resource.resourceType}/${resource.id}`),
      );
      for (const [index, { elements }] of resources.entries()) {
        const stored = flatten(drafts[index]?.resource);
        for (const { path, value } of elements) assert.equal(json(value), json(stored.get(path)), path);
      }
    });
  }
});
