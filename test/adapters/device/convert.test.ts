/** From what a device wrote to what it says, without a hub: formats, units, times, and what no rule takes. */
import assert from 'node:assert/strict';
import { convertDevice } from '../../../adapters/device/convert.ts';
import { readAppleHealth, type AppleRecord } from '../../../adapters/device/apple-stream.ts';
import { writePart, type DeviceFormat } from '../../../adapters/device/part.ts';
import { validate } from '../../../src/fhir/validate.ts';
import type { MappedMessage } from '../../../src/ingest/contract.ts';
import { appleExport, applePressure, appleRecord, chunksOf, dataPoint } from './given.ts';

const source = { name: 'watch', organization: 'Organization/devices' };

function convert(format: DeviceFormat, records: readonly unknown[], isOwn = true): MappedMessage {
  return convertDevice(writePart({ format, patient: 'anna', isOwn, records }).bytes, source);
}

interface Component {
  readonly code: { readonly coding: readonly { readonly code: string }[] };
  readonly valueQuantity: { readonly value: number; readonly code: string };
}

async function recordsOf(xml: string, size?: number): Promise<AppleRecord[]> {
  const records: AppleRecord[] = [];
  for await (const record of readAppleHealth(chunksOf(xml, size))) records.push(record);
  return records;
}

describe('Apple Health: export.xml', () => {
  const records = [
    appleRecord({ type: 'HeartRate', value: 72, unit: 'count/min', at: '2026-03-01 08:00:10 +0800' }),
    applePressure(121, 79, '2026-03-01 08:05:00 +0800'),
    appleRecord({ type: 'BodyMass', value: 150, unit: 'lb', at: '2026-03-01 07:00:00 +0800' }),
  ];

  for (const size of [1, 7, 100_000]) {
    it(`is read record by record, in chunks of ${size}`, async () => {
      const read = await recordsOf(appleExport(records), size);
      assert.deepEqual(
        read.map(({ record, parts }) => [record['type']?.replace(/^HK\w+TypeIdentifier/, ''), parts?.length]),
        [
          ['HeartRate', undefined],
          ['BloodPressure', 2],
          ['BodyMass', undefined],
        ],
      );
      assert.equal(read[0]?.record['sourceName'], "Anna's Watch");
    });
  }

  const broken: [string, string][] = [
    ['no XML', 'not xml at all'],
    ['another document', '<ClinicalDocument/>'],
    ['cut in the middle', appleExport(records).slice(0, 700)],
    ['an entity of its own making', appleExport(['<Record type="&bomb;"/>'])],
  ];
  for (const [title, xml] of broken) {
    it(`${title}: refused as structure`, async () => {
      await assert.rejects(recordsOf(xml), { name: 'Problem', code: 'structure' });
    });
  }

  it('given megabytes between two records, then it is refused and not held', async () => {
    const long = appleExport([`<!-- ${'x'.repeat(5_000_000)} -->`]);
    await assert.rejects(recordsOf(long, 65_536), { name: 'Problem', code: 'too-long' });
  });

  it('heart rate is a sample in the zone of whoever was measured', async () => {
    const { samples, drafts, speaksFor } = convert('apple-health', await recordsOf(appleExport(records.slice(0, 1))));
    const [sample] = samples?.samples ?? [];
    assert.deepEqual(
      { ...sample, key: undefined },
      {
        metric: 'heart-rate',
        key: undefined,
        from: Date.parse('2026-03-01T00:00:10Z'),
        to: Date.parse('2026-03-01T00:00:10Z'),
        offsetMinutes: 480,
        value: 72,
        unit: '/min',
      },
    );
    assert.deepEqual([drafts.length, samples?.patient, speaksFor], [0, 'anna', ['anna']]);
  });

  it('blood pressure is one Observation with two components; weight keeps its unit', async () => {
    const { drafts, unmapped } = convert('apple-health', await recordsOf(appleExport(records.slice(1))));
    const [pressure, weight] = drafts.map(({ resource }) => resource as Record<string, any>); // eslint-disable-line typescript/no-explicit-any
    assert.deepEqual(unmapped, []);
    assert.equal(pressure?.['code'].coding[0].code, '85354-9');
    assert.deepEqual(
      pressure?.['component'].map(({ code, valueQuantity: { value, code: unit } }: Component) => [
        code.coding[0]?.code,
        value,
        unit,
      ]),
      [
        ['8480-6', 121, 'mm[Hg]'],
        ['8462-4', 79, 'mm[Hg]'],
      ],
    );
    assert.equal(pressure?.['effectiveDateTime'], '2026-03-01T08:05:00+08:00');
    assert.deepEqual(weight?.['valueQuantity'], {
      value: 150,
      unit: '[lb_av]',
      system: 'http://unitsofmeasure.org',
      code: '[lb_av]',
    });
    for (const { resource } of drafts) validate(resource);
  });

  it('a part of one is a percentage where the table says so', async () => {
    const xml = appleExport([
      appleRecord({ type: 'OxygenSaturation', value: 0.97, unit: '%', at: '2026-03-01 08:00:00 +0800' }),
    ]);
    assert.equal(convert('apple-health', await recordsOf(xml)).samples?.samples[0]?.value, 97);
  });

  it('what no rule takes is named by its type, or its unit, and by no value', async () => {
    const at = '2026-03-01 08:00:00 +0800';
    const xml = appleExport([
      appleRecord({ type: 'DietaryCaffeine', value: 90, unit: 'mg', at }),
      appleRecord({ type: 'BodyMass', value: 70, unit: 'jin', at }),
      appleRecord({ type: 'HeartRate', value: 'fast', unit: 'count/min', at }),
    ]);
    assert.deepEqual(convert('apple-health', await recordsOf(xml)).unmapped, [
      { kind: 'code', position: 'Record.type', code: 'HKQuantityTypeIdentifierDietaryCaffeine' },
      { kind: 'code', position: 'HKQuantityTypeIdentifierBodyMass unit', code: 'jin' },
      { kind: 'code', position: 'HKQuantityTypeIdentifierHeartRate unit', code: 'count/min' },
    ]);
  });
});

describe('Open mHealth: data points', () => {
  const at = { date_time: '2026-03-01T08:00:00-05:00' };
  interface Row {
    readonly title: string;
    readonly name: string;
    readonly body: object;
    readonly is: readonly [metric: string, value: number, unit: string];
  }
  const table: readonly Row[] = [
    {
      title: 'heart rate',
      name: 'heart-rate',
      body: { heart_rate: { value: 64, unit: 'beats/min' }, effective_time_frame: at },
      is: ['heart-rate', 64, '/min'],
    },
    {
      title: 'steps without a unit',
      name: 'step-count',
      body: {
        step_count: 6000,
        effective_time_frame: {
          time_interval: { start_date_time: '2026-03-01T08:00:00-05:00', duration: { value: 2, unit: 'h' } },
        },
      },
      is: ['steps', 6000, '{steps}'],
    },
    {
      title: 'steps of version 2 and on, with one',
      name: 'step-count',
      body: { step_count: { value: 12, unit: 'steps' }, effective_time_frame: at },
      is: ['steps', 12, '{steps}'],
    },
    {
      title: 'energy in another unit of the same kind becomes the metric’s',
      name: 'calories-burned',
      body: { kcal_burned: { value: 1, unit: 'kcal' }, effective_time_frame: at },
      is: ['active-energy', 1, 'kcal'],
    },
  ];
  for (const { title, name, body, is } of table) {
    it(title, () => {
      const { samples, unmapped } = convert('open-mhealth', [dataPoint('id-1', name, body)]);
      const [sample] = samples?.samples ?? [];
      assert.deepEqual([[sample?.metric, sample?.value, sample?.unit], unmapped], [is, []]);
      assert.equal(sample?.offsetMinutes, -300);
    });
  }

  it('a duration makes the other end, in the same zone', () => {
    const { samples } = convert('open-mhealth', [dataPoint('x', 'step-count', table[1]?.body ?? {})]);
    const { from = 0, to = 0 } = samples?.samples[0] ?? {};
    assert.equal(to - from, 2 * 3_600_000);
  });

  it('glucose in mmol/L has the code of its kind of quantity', () => {
    const body = { blood_glucose: { value: 5.4, unit: 'mmol/L' }, effective_time_frame: at };
    const [draft] = convert('open-mhealth', [dataPoint('g', 'blood-glucose', body)]).drafts;
    assert.match(JSON.stringify(draft?.resource), /"15074-8".*"value":5.4/);
  });

  it('without a zone nobody knows which day it was: left, and counted', () => {
    const body = {
      heart_rate: { value: 64, unit: 'beats/min' },
      effective_time_frame: { date_time: '2026-03-01T08:00:00' },
    };
    const { samples, unmapped } = convert('open-mhealth', [dataPoint('z', 'heart-rate', body)]);
    assert.equal(samples?.samples.length, 0);
    assert.deepEqual(unmapped, [{ kind: 'code', position: 'heart-rate time', code: 'no time with a zone' }]);
  });

  it('a schema that no rule takes', () => {
    const { unmapped } = convert('open-mhealth', [dataPoint('q', 'hand-grip-strength', {})]);
    assert.deepEqual(unmapped, [{ kind: 'code', position: 'header.schema_id.name', code: 'hand-grip-strength' }]);
  });
});

describe('Personal Health Device guide: a Bundle', () => {
  const observation = {
    resourceType: 'Observation',
    id: 'o1',
    meta: { profile: ['http://hl7.org/fhir/uv/phd/StructureDefinition/PhdNumericObservation'] },
    identifier: [{ system: 'urn:oid:2.999.7', value: 'spo2-1' }],
    status: 'final',
    code: { coding: [{ system: 'urn:iso:std:iso:11073:10101', code: '150456' }] },
    subject: { reference: 'Patient/elsewhere' },
    device: { reference: 'urn:uuid:0e7e7c1e-0f7a-4f5b-9d4e-2a5a0c5f0a01' },
    performer: [{ reference: 'Practitioner/9' }],
    valueQuantity: { value: 97.5, code: '%', system: 'http://unitsofmeasure.org' },
  };
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      { fullUrl: 'Patient/elsewhere', resource: { resourceType: 'Patient', id: 'elsewhere' } },
      {
        fullUrl: 'urn:uuid:0e7e7c1e-0f7a-4f5b-9d4e-2a5a0c5f0a01',
        resource: { resourceType: 'Device', status: 'active' },
      },
      { resource: observation },
      { resource: { resourceType: 'Practitioner', id: '9' } },
    ],
  };

  it('is about the patient it was sent for, whoever it names; its references hold', () => {
    const { drafts, unmapped } = convert('fhir', [bundle]);
    const [device, read] = drafts.map(({ resource }) => resource as Record<string, any>); // eslint-disable-line typescript/no-explicit-any
    assert.deepEqual(device?.['patient'], { reference: 'Patient/anna' });
    assert.deepEqual(read?.['subject'], { reference: 'Patient/anna' });
    assert.deepEqual(read?.['device'], { reference: `Device/${device?.['id']}` });
    assert.deepEqual(read?.['performer'], [{ display: 'Practitioner/9' }]);
    assert.deepEqual(unmapped, [{ kind: 'code', position: 'Bundle.entry.resource', code: 'Practitioner' }]);
  });

  it('sent again, corrected, it is the same Observation by its identifier', () => {
    const idOf = (value: number): string | undefined =>
      convert('fhir', [{ ...bundle, entry: [{ resource: { ...observation, valueQuantity: { value } } }] }]).drafts[0]
        ?.resource.id;
    assert.equal(idOf(97.5), idOf(96));
  });

  it('what is no Bundle is refused', () => {
    assert.throws(() => convert('fhir', [observation]), { name: 'Problem', code: 'structure' });
  });
});
