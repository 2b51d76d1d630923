/** Large bodies made to be expensive: parsing and validating takes time in proportion to their size, whatever is in them. */
import assert from 'node:assert/strict';
import { bodyBytesMax } from '../../src/api/incoming.ts';
import { parseReceivedJson } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { examine, validate } from '../../src/fhir/validate.ts';

/** Processor seconds. Each takes 0.02 to 0.9 here; what compares all with all would take minutes. */
const secondsMax = 2;

const repeat = (length: number, item: (at: number) => string): string =>
  Array.from({ length }, (_, at) => item(at)).join();
const resource = (type: string, elements: string): string => `{"resourceType":"${type}",${elements}}`;
const observation = (elements: string): string =>
  resource('Observation', `"status":"final","code":{"text":"x"},${elements}`);

const bodies: [string, string, string][] = [
  [
    '100,000 unknown names',
    resource(
      'Patient',
      repeat(100_000, (at) => `"x${at}":1`),
    ),
    'structure Patient.x0',
  ],
  ['one name 100,000 times', `{${repeat(100_000, () => '"resourceType":"Patient"')}}`, 'structure'],
  [
    'a number with a great exponent',
    observation('"valueQuantity":{"value":1e999999}'),
    'value Observation.valueQuantity.value',
  ],
  [
    'a number of 4,000,000 digits',
    observation(`"valueQuantity":{"value":${'9'.repeat(4_000_000)}}`),
    'value Observation.valueQuantity.value',
  ],
  [
    'a fraction of 4,000,000 digits',
    observation(`"valueQuantity":{"value":0.${'1'.repeat(4_000_000)}}`),
    'value Observation.valueQuantity.value',
  ],
  ['an integer that is none', observation('"valueInteger":1e2'), 'value Observation.valueInteger'],
  ['depth', `${'{"a":'.repeat(60_000)}1${'}'.repeat(60_000)}`, 'structure'],
  ['100,000 nulls', observation(`"category":[${repeat(100_000, () => 'null')}]`), 'structure Observation.category[0]'],
  ['half a character', observation('"valueString":"\\ud800"'), 'value Observation.valueString'],
  ['a zero character', observation('"valueString":"\\u0000"'), 'value Observation.valueString'],
  ['a zero character in a URI', observation('"implicitRules":"a\\u0000"'), 'value Observation.implicitRules'],
  [
    'a narrative of open elements',
    observation(`"text":{"status":"generated","div":"<div>${'<b>'.repeat(250_000)}"}`),
    'invariant Observation.text.div',
  ],
  [
    'a narrative of attributes',
    observation(`"text":{"status":"generated","div":"<div${" a='b'".repeat(150_000)}"}`),
    'invariant Observation.text.div',
  ],
  ['a string of white space', observation(`"valueString":"${' '.repeat(250_000)}"`), 'value Observation.valueString'],
  ['a code of spaces', observation(`"language":"${'a '.repeat(2_000_000)}"`), 'value Observation.language'],
  [
    'a reference of slashes',
    observation(`"subject":{"reference":"${'a/'.repeat(2_000_000)}"}`),
    'value Observation.subject.reference',
  ],
  [
    '10,000 contained resources that nobody refers to',
    observation(
      `"contained":[${repeat(10_000, (at) => `{"resourceType":"Basic","id":"b${at}","code":{"text":"x"}}`)}]`,
    ),
    'invariant Observation',
  ],
  [
    '10,000 references to 10,000 contained resources',
    observation(
      `"contained":[${repeat(10_000, (at) => `{"resourceType":"Basic","id":"b${at}","code":{"text":"x"}}`)}],"hasMember":[${repeat(10_000, (at) => `{"reference":"#b${at}"}`)}]`,
    ),
    '',
  ],
  [
    'contained in contained',
    observation(
      `"contained":[{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Patient","id":"q"}]}],"subject":{"reference":"#p"}`,
    ),
    'invariant Observation.contained[0].contained[0]',
  ],
  [
    'two contained resources of one id',
    observation(
      `"contained":[{"resourceType":"Patient","id":"p"},{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}`,
    ),
    'structure Observation.contained[1].id',
  ],
  [
    'a code system of 20,000 concepts (csd-1)',
    resource(
      'CodeSystem',
      `"status":"draft","content":"complete","concept":[${repeat(20_000, (at) => `{"code":"c${at}"}`)}]`,
    ),
    '',
  ],
  [
    'a code system whose codes are not distinct',
    resource('CodeSystem', `"status":"draft","content":"complete","concept":[${repeat(20_000, () => `{"code":"c"}`)}]`),
    'invariant CodeSystem',
  ],
  [
    'a Bundle of 10,000 entries (bdl-7)',
    resource(
      'Bundle',
      `"type":"collection","entry":[${repeat(10_000, (at) => `{"fullUrl":"urn:x:${at}","resource":{"resourceType":"Basic","code":{"text":"x"}}}`)}]`,
    ),
    '',
  ],
  [
    'a Bundle of 10,000 entries of one address',
    resource(
      'Bundle',
      `"type":"collection","entry":[${repeat(10_000, () => `{"fullUrl":"urn:x:1","resource":{"resourceType":"Basic","code":{"text":"x"}}}`)}]`,
    ),
    'invariant Bundle',
  ],
  [
    'a questionnaire of 10,000 items (que-2)',
    resource(
      'Questionnaire',
      `"status":"draft","item":[${repeat(10_000, (at) => `{"linkId":"${at}","type":"display"}`)}]`,
    ),
    '',
  ],
];

describe('hostile bodies are answered in bounded time', () => {
  for (const [what, body, expected] of bodies) {
    it(`${what}: ${expected || 'valid'}`, function () {
      this.timeout(300_000);
      assert.ok(body.length <= bodyBytesMax, `${body.length} bytes`);
      const before = process.cpuUsage();
      assert.equal(firstProblem(body), expected);
      const { user, system } = process.cpuUsage(before);
      assert.ok((user + system) / 1e6 < secondsMax, `${(user + system) / 1e6} s`);
    });
  }
  it('also with all advice asked for', () => {
    const body = resource(
      'Questionnaire',
      `"status":"draft","item":[${repeat(10_000, (at) => `{"linkId":"${at}","type":"display"}`)}]`,
    );
    assert.ok(examine(parseReceivedJson(body), { depth: 'all' }).every(({ severity }) => severity !== 'error'));
  });
});

function firstProblem(body: string): string {
  try {
    const [problem] = validate(parseReceivedJson(body));
    return problem === undefined ? '' : `${problem.code} ${problem.expression.join()}`;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.code;
  }
}
