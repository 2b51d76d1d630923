/**
 * What a resource costs between its text and the index: `node bench/index.ts`. JSON on stdout, a table on stderr, in
 * microseconds a resource; beside each of ours what the library takes for the same.
 */
import { validateResource } from '@medplum/core';
import type { Resource } from '@medplum/fhirtypes';
import { clinicalPeriod } from '../src/fhir/clinical-date.ts';
import { patientsOf } from '../src/fhir/compartment.ts';
import { evaluate } from '../src/fhir/fhirpath.ts';
import { tokenForms } from '../src/fhir/hash.ts';
import { parseJson } from '../src/fhir/json.ts';
import { indexEntries, searchParams } from '../src/fhir/params.ts';
import { parseSearch } from '../src/fhir/search.ts';
import type { AnyResource } from '../src/fhir/types.ts';
import { validate } from '../src/fhir/validate.ts';
import { indexColumns } from '../src/store/index-columns.ts';

/** A laboratory result as a hospital sends it. */
const text = JSON.stringify({
  resourceType: 'Observation',
  id: 'obs-1',
  meta: { versionId: '1', lastUpdated: '2024-03-05T10:20:30.123Z', source: 'urn:hub:hospa' },
  identifier: [{ system: 'https://hospa.example/lab', value: 'F-20240305-1' }],
  basedOn: [{ reference: 'ServiceRequest/sr-1' }],
  status: 'final',
  category: [
    {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/observation-category',
          code: 'laboratory',
          display: 'Laboratory',
        },
      ],
    },
  ],
  code: {
    coding: [
      { system: 'http://loinc.org', code: '718-7', display: 'Hemoglobin [Mass/volume] in Blood' },
      { system: 'urn:hospa:tests', code: 'HGB', display: '血红蛋白' },
    ],
    text: 'Hemoglobin',
  },
  subject: { reference: 'Patient/p-1' },
  encounter: { reference: 'Encounter/e-1' },
  effectiveDateTime: '2024-03-05T08:15:00+08:00',
  issued: '2024-03-05T10:20:30+08:00',
  performer: [{ reference: 'Organization/o-1' }],
  valueQuantity: { value: 13.5, unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' },
  interpretation: [
    {
      coding: [
        { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code: 'N', display: 'Normal' },
      ],
    },
  ],
  specimen: { reference: 'Specimen/s-1' },
  referenceRange: [{ low: { value: 12, unit: 'g/dL' }, high: { value: 16, unit: 'g/dL' }, text: '12-16' }],
});
const resource = parseJson(text) as AnyResource;
/** Two components with values: what composites cost. */
const pressure: AnyResource = {
  ...resource,
  component: [
    ['8480-6', 120],
    ['8462-4', 80],
  ].map(([code, value]) => ({
    code: { coding: [{ system: 'http://loinc.org', code }] },
    valueQuantity: { value, unit: 'mmHg', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
  })),
};
/** Names in characters have spellings: pinyin and initials. */
const patient: AnyResource = {
  resourceType: 'Patient',
  id: 'p-1',
  identifier: [{ system: 'https://hospa.example/mrn', value: '4711' }],
  name: [{ text: '王小明', family: '王', given: ['小明'] }],
  gender: 'female',
  birthDate: '1980-02-29',
};
const tokens = indexEntries(resource).filter((entry) => entry.kind === 'token');
const query = 'patient=p-1&code=http://loinc.org|718-7&date=ge2024-01-01&_sort=-date&_count=5';

const works: Record<string, () => unknown> = {
  'JSON.parse': () => JSON.parse(text),
  parseJson: () => parseJson(text),
  validate: () => validate(resource),
  'validate, by the library (structure alone)': () => validateResource(resource as Resource),
  indexEntries: () => indexEntries(resource),
  'indexEntries, by FHIRPath (paths alone)': evaluateAll,
  [`tokenForms of ${tokens.length} tokens`]: () => tokens.map(tokenForms),
  indexColumns: () => indexColumns(resource),
  'indexColumns of a blood pressure': () => indexColumns(pressure),
  'indexColumns of a Patient': () => indexColumns(patient),
  patientsOf: () => patientsOf(resource),
  clinicalPeriod: () => clinicalPeriod(resource),
  parseSearch: () => parseSearch('Observation', query, { handling: 'lenient', base: 'http://hub/fhir/R4', now: 0 }),
};

// Evaluating anything on a type makes it known to the library, without invariants: its figure is structure alone.
evaluate('id', 'Observation', resource, resource);

function evaluateAll(): void {
  for (const { expression } of searchParams('Observation').values()) {
    if (expression !== undefined) evaluate(expression, 'Observation', resource, resource);
  }
}

const warmMs = 300;
const runMs = 300;
/** The best of several runs, in processor time: the machine is shared, and what disturbs only ever adds. */
const runs = 5;

function measure(work: () => unknown): number {
  const until = performance.now() + warmMs;
  while (performance.now() < until) work();
  let best = Infinity;
  for (let run = 0; run < runs; run++) {
    const started = performance.now();
    const before = process.cpuUsage();
    let count = 0;
    while (performance.now() - started < runMs) {
      for (let n = 0; n < 10; n++) work();
      count += 10;
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / count);
  }
  return best;
}

const micros = Object.fromEntries(
  Object.entries(works).map(([name, work]) => [name, Number(measure(work).toFixed(2))]),
);
const { rss } = process.memoryUsage();
process.stdout.write(
  `${JSON.stringify({ bytes: text.length, entries: indexEntries(resource).length, micros, rssMiB: Math.round(rss / 2 ** 20) })}\n`,
);
process.stderr.write(
  `one Observation of ${text.length} bytes, ${indexEntries(resource).length} index entries; us each\n`,
);
for (const [name, value] of Object.entries(micros))
  process.stderr.write(`${name.padEnd(44)}${value.toFixed(2).padStart(10)}\n`);
