/** What a simulated source says it can do. */
import type { Source } from './source.ts';

const types = ['Patient', 'Encounter', 'Condition', 'AllergyIntolerance', 'Observation'];

export function capabilityStatement({ options }: Source): string {
  const { habits, base, name } = options;
  const interactions = ['read', 'search-type', ...(habits.hasHistory ? ['history-type'] : [])];
  return JSON.stringify({
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: '2026-01-01',
    kind: 'instance',
    software: { name: 'simulated source' },
    implementation: { description: name, url: base },
    fhirVersion: '4.0.1',
    format: ['json'],
    rest: [
      {
        mode: 'server',
        resource: types.map((type) => ({
          type,
          interaction: interactions.map((code) => ({ code })),
          searchParam: [
            ...(habits.isDeafToLastUpdated ? [] : [{ name: '_lastUpdated', type: 'date' }]),
            { name: '_id', type: 'token' },
          ],
        })),
        interaction: habits.hasHistory ? [{ code: 'history-system' }] : [],
        operation: [{ name: 'export', definition: 'http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export' }],
      },
    ],
  });
}

export { types as servedTypes };
