/** Hours and days of devices, computed again from what is kept of them: the drafts to be written in the same transaction. */
import type { Tx } from '../../db.ts';
import { deviceMetrics } from '../../fhir/device/metrics.ts';
import { dailyObservation, hourlyObservation } from '../../fhir/device/observation.ts';
import type { Sample } from '../../fhir/device/sample.ts';
import type { AnyResource } from '../../fhir/types.ts';
import type { Endpoint } from '../contract.ts';
import { keepSamples, readDays, readHours } from './samples.ts';

/** @param samples in the unit of their metric */
export async function sumUp(
  tx: Tx,
  endpoint: Pick<Endpoint, 'id' | 'name' | 'organization'>,
  patient: string,
  samples: readonly Sample[],
): Promise<(AnyResource & { id: string })[]> {
  const owner = { endpointId: endpoint.id, patient };
  const source = { owner: endpoint.organization, endpoint: endpoint.name, patient };
  const observations: (AnyResource & { id: string })[] = [];
  for (const { metric: name, hours, days } of await keepSamples(tx, owner, samples)) {
    const metric = deviceMetrics().get(name);
    if (metric === undefined) continue;
    // All that was there may have moved to another hour or day: its Observation then says so.
    const [minutes, summed] = [await readHours(tx, owner, name, hours), await readDays(tx, owner, name, days)];
    for (const hour of hours) observations.push(hourlyObservation(source, metric, hour, minutes.get(hour)));
    for (const day of days) observations.push(dailyObservation(source, metric, day, summed.get(day)));
  }
  return observations;
}
