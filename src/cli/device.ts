/** `hub device import`: a file of measurements, as if it had been uploaded. The operator says whose they are. */
import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import { readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { deviceEndpoint, openDeviceIntake } from '../hub/devices.ts';
import { openStorage } from '../hub/storage.ts';
import { openRegistry } from '../ingest/endpoint.ts';
import { openDoor } from '../ingest/ingest.ts';
import { requirePatient } from './database.ts';
import { assertReadable } from './files.ts';

export interface ImportOptions {
  readonly endpoint: string;
  readonly patient: string;
}

const formats: Readonly<Record<string, 'apple-health' | 'open-mhealth'>> = {
  '.xml': 'apple-health',
  '.json': 'open-mhealth',
};

export async function runDeviceImport(
  file: string,
  options: ImportOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const format = formats[extname(file).toLowerCase()];
  if (format === undefined) {
    throw new Problem('not-supported', 'the kind of the file is not known', {
      expression: file,
      hint: 'export.xml of Apple Health, or .json with data points of Open mHealth.',
    });
  }
  assertReadable(file);
  const storage = await openStorage(readConfig(environment));
  const registry = await openRegistry(storage.database);
  const door = openDoor({ registry, database: storage.database });
  try {
    const endpoint = await deviceEndpoint(registry, options.endpoint);
    if (endpoint === undefined) {
      throw new Problem('not-found', `there is no endpoint ${options.endpoint} for devices`, {
        hint: 'hub endpoint add NAME --kind device-http --organization Organization/x',
      });
    }
    const patient = options.patient.replace(/^Patient\//, '');
    await requirePatient(storage.database, patient);
    const { receive } = openDeviceIntake(door, registry, storage.database);
    const done = await receive({ endpoint, format, patient, isOwn: true, chunks: createReadStream(file) });
    console.log(JSON.stringify(done));
  } finally {
    await door.close();
    registry.close();
    await storage.close();
  }
}
