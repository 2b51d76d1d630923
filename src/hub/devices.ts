/** Uploads of devices, over HTTP and from a file: the adapter that reads them and the door by which they come in. */
import { receiveUpload, type Uploaded } from '../../adapters/device/upload.ts';
import type { DeviceOptions, DeviceUpload } from '../api/device.ts';
import type { Tx } from '../db.ts';
import type { Door, Endpoint } from '../ingest/contract.ts';
import type { Registry } from '../ingest/endpoint.ts';
import { readRow } from '../store/read.ts';
import { everything } from '../store/visibility.ts';

export type DeviceIntake = Pick<DeviceOptions, 'endpoint' | 'isOwnPatient' | 'receive'>;

export function openDeviceIntake(
  door: Pick<Door, 'receive'>,
  registry: Pick<Registry, 'byName' | 'refresh'>,
  database: Tx,
): DeviceIntake {
  return {
    endpoint: (name) => deviceEndpoint(registry, name),
    isOwnPatient: async (organization, patient) => {
      const row = await readRow(
        database,
        everything('whether a device speaks of a Patient of its source'),
        'Patient',
        patient,
      );
      return row !== undefined && !row.isDeleted && row.owner === organization;
    },
    receive: (upload: DeviceUpload): Promise<Uploaded> => receiveUpload(door, upload),
  };
}

/** One that was added a moment ago is looked for. */
export async function deviceEndpoint(
  registry: Pick<Registry, 'byName' | 'refresh'>,
  name: string,
): Promise<Endpoint | undefined> {
  if (registry.byName(name) === undefined) await registry.refresh();
  const endpoint = registry.byName(name);
  return endpoint?.kind === 'device-http' && endpoint.isEnabled ? endpoint : undefined;
}
