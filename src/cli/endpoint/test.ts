/** `hub endpoint test NAME message1.hl7 ...`: the onboarding check, for a person or as JSON; ends with 1 until what is needed is there. */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { openShippedMaps } from '../../hub/conversion.ts';
import { checkOnboarding } from '../../hub/onboarding/check.ts';
import { bytesOf } from '../files.ts';
import { withRegistrar } from './registry.ts';
import { describeReport } from './test-text.ts';

export interface TestOptions {
  readonly json?: true;
  /** Where the draft overlay is written. */
  readonly overlay?: string;
}

export async function runEndpointTest(
  name: string,
  files: readonly string[],
  { json, overlay }: TestOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const samples = files.map((file) => ({ name: basename(file), bytes: bytesOf(file) }));
  await withRegistrar(environment, async ({ database, register }) => {
    const options = { database, register, maps: () => openShippedMaps(), now: () => new Date() };
    const report = await checkOnboarding(options, name, samples);
    if (overlay !== undefined && report.overlay !== undefined) writeFileSync(overlay, report.overlay.text);
    console.log(json === true ? JSON.stringify(report) : describeReport(report, overlay));
    if (!report.readiness.isReady) process.exitCode = 1;
  });
}
