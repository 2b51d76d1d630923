import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import { map, resource, toBundle } from './given.ts';

const visit = 'PV1|1|I|W1^R1^B1|||||||||||||||||V1';
const note = 'NTE|1|L|Prefers mornings~Wheelchair|RE^Remark^HL70364|1001^Chen^Hao|202405061000|||C1^Coded^L';

describe('NTE belongs to what stands before it', () => {
  const places: [segments: string[], type: string][] = [
    [['PID|1||P1||Lin^Mei', note], 'Patient'],
    [['PID|1||P1||Lin^Mei', 'PD1||||', note], 'Patient'],
    [[visit, note], 'Encounter'],
    [['OBR|1||F1|1^Panel^L', note], 'ServiceRequest'],
    [['OBR|1||F1|1^Panel^L', 'OBX|1|NM|1^a^L||5||||||F', note], 'Observation'],
    [['OBR|1||F1|1^Panel^L', 'SPM|1|S1||BLD', note], 'Specimen'],
  ];
  for (const [segments, type] of places) {
    it(`${segments.map((text) => text.slice(0, 3)).join(', ')}: ${type}`, () => {
      const mapped = map(segments, { type: 'ORU^R01' });
      assert.deepEqual(validate(toBundle(mapped)), []);
      const { note: notes, extension } = resource(mapped, type) as { note?: unknown[]; extension?: Annotated[] };
      const found = notes ?? extension?.flatMap(({ valueAnnotation }) => valueAnnotation ?? []);
      assert.deepEqual(
        (found as Annotation[]).map(({ text, time, authorReference }) => [text, time, authorReference?.display]),
        [['Prefers mornings\nWheelchair', '2024-05-06T10:00:00+08:00', 'Hao Chen']],
      );
    });
  }
});

interface Annotation {
  readonly text: string;
  readonly time?: string;
  readonly authorReference?: { readonly display: string };
}

interface Annotated {
  readonly valueAnnotation?: Annotation;
}
