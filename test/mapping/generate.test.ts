/** A map's generated function must mean what its rules mean one by one, for any text a sender may put into a field. */
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { compileMap, compileTraced, type CompiledMap } from '../../src/mapping/compile.ts';
import type { Tracer } from '../../src/mapping/compile/compile-rules.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { loadMaps } from '../../src/mapping/table.ts';
import { context, mappings } from './given.ts';

/** Watches nothing: each rule is a step of its own. */
const tracer: Tracer = { segmentStep: (_rule, _map, step) => step, partStep: (_rule, _map, step) => step };
const { base } = loadMaps(mappings);
const generated = compileMap(base);
const byStep = compileTraced(base, tracer);

const said = ['', '', '', 'P1', '""', ' ', 'F', 'X', 'A~B', 'C^D', 'E&F', '\\F\\', '20240506', '202405061030', '1.50'];
// Data types with all their components, in the forms that their rules tell apart.
const typed = [
  'P2^7^M11^HOSPA&1.2.3&ISO^MR^WEST^20240101^20231231^X^Y',
  '11010519491231002X^^^^NI',
  'Lin&van&Lin^Mei^Q^JR^DR^MD^L^A^^20200101&2021^G^20200101^2021^PHD',
  'Zhang^Wei^^^^^M^I',
  '1 Lake Road&Lake Road&1^Flat 2^Hangzhou^ZJ^310000^CHN^H^West^0571^T1^A^20200101&2021',
  '^^^^^^SH',
  '^PRN^PH^^86^571^5550102^9^evenings',
  '^NET^Internet^a@b.example',
  'Mutual^L^7^3^M11^HOSPA^XX^WEST^A^C7',
];
const coded = ['I10^Hypertension^I10', '7001^Song^Lan^^^^^^HOSPA', 'W7^R2^B3', 'V9^^^HOSPA^VN', 'L^Local^L~M^More^L'];
const field = fc.constantFrom(...said, ...coded, ...typed);
const names = [
  'PID',
  'PD1',
  'NK1',
  'PV1',
  'PV2',
  'AL1',
  'DG1',
  'IN1',
  'IN2',
  'GT1',
  'ORC',
  'OBR',
  'SPM',
  'OBX',
  'OBX',
  'NTE',
  'ZZZ',
];
const segment = fc
  .tuple(fc.constantFrom(...names), fc.array(field, { maxLength: 75 }))
  .map(([name, fields]) => [name, ...fields].join('|'));
const message = fc
  .tuple(fc.constantFrom('ADT^A01', 'ADT^A03', 'ORU^R01'), fc.array(segment, { maxLength: 12 }))
  .map(([type, segments]) =>
    [`MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506103015||${type}|M1|P|2.5.1`, 'PID|1||P1^^^HOSPA^MR', ...segments].join('\r'),
  );

function outcomeOf(map: CompiledMap, text: string): string {
  try {
    return JSON.stringify(mapMessage(map, parseMessage(text), context));
  } catch (error) {
    if (error instanceof Problem) return `${error.code} ${error.expression.join()}: ${error.message}`;
    throw error;
  }
}

describe('generated code', () => {
  it('given any message, when mapped, then its result is that of the rules one by one', () => {
    fc.assert(
      fc.property(message, (text) => {
        assert.equal(outcomeOf(generated, text), outcomeOf(byStep, text));
      }),
      { numRuns: 300 },
    );
  });

  it('given a rule whose id is code, when its map is generated, then it stays a comment', () => {
    const map = base.segments.get('nte-observation');
    assert.ok(map);
    const evil = '*/ throw new Error("run") //\u2028throw 1\nthrow 2';
    const rules = map.rules.map((rule, index) => ({ ...rule, id: `${rule.id}${index}${evil}`, at: evil }));
    const changed = compileMap({ ...base, segments: new Map(base.segments).set(map.id, { ...map, rules }) });
    const text = [
      'MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506||ORU^R01|M1|P|2.5.1',
      'PID|1||P1',
      'OBR|1||F1',
      'OBX|1',
      'NTE|1',
    ];
    assert.equal(mapMessage(changed, parseMessage(text.join('\r')), context).drafts.length > 0, true);
  });
});
