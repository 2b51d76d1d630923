/** What devices send, written here: an export of Apple Health, data points of Open mHealth, a Bundle of the Personal Health Device guide. */

export interface AppleEntry {
  readonly type: string;
  readonly value: number | string;
  readonly unit: string;
  /** `2026-03-01 08:00:00 +0800` */
  readonly at: string;
  readonly until?: string;
}

export function appleRecord({ type, value, unit, at, until = at }: AppleEntry): string {
  return (
    `<Record type="HKQuantityTypeIdentifier${type}" sourceName="Anna&#39;s Watch" sourceVersion="11.2" unit="${unit}" ` +
    `creationDate="${until}" startDate="${at}" endDate="${until}" value="${value}"><MetadataEntry key="k" value="v"/></Record>`
  );
}

export function appleExport(records: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation)*)>
<!ATTLIST HealthData locale CDATA #REQUIRED>
]>
<HealthData locale="de_DE">
 <ExportDate value="2026-03-02 09:00:00 +0100"/>
 <Me HKCharacteristicTypeIdentifierDateOfBirth="1980-01-01"/>
 ${records.join('\n ')}
</HealthData>
`;
}

export function applePressure(systolic: number, diastolic: number, at: string): string {
  const parts = [
    appleRecord({ type: 'BloodPressureSystolic', value: systolic, unit: 'mmHg', at }),
    appleRecord({ type: 'BloodPressureDiastolic', value: diastolic, unit: 'mmHg', at }),
  ];
  return (
    `<Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="Cuff" startDate="${at}" endDate="${at}">` +
    `${parts.join('')}</Correlation>`
  );
}

export function dataPoint(id: string, name: string, body: object): object {
  return {
    header: {
      id,
      creation_date_time: '2026-03-01T09:00:00+08:00',
      schema_id: { namespace: 'omh', name, version: '2.0' },
    },
    body,
  };
}

export async function* chunksOf(text: string, size = 1_000): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
