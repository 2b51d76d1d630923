/** The maps of a process that converts nothing by itself: for previews, explanations and whoever applies an overlay. */
import type { OpsOptions } from '../api/ops.ts';
import type { MapService } from '../api/ops-maps.ts';
import type { Database, Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { latestMessages } from '../ingest/archive.ts';
import type { Registry } from '../ingest/endpoint.ts';
import { followOverlays, type Overlays } from '../ingest/overlays.ts';
import { toBundle } from '../mapping/bundle.ts';
import type { Sample } from '../mapping/compare.ts';
import type { Maps } from '../mapping/maps.ts';
import { contextOf, noSource, openConversion, openShippedMaps, readText, type ConversionSource } from './conversion.ts';

export function openMapService(database: Database, endpoints: Registry): MapService & Pick<OpsOptions, 'preview'> {
  const maps = lazyMaps(database);
  const sourceNamed = async (name: string | undefined): Promise<ConversionSource> => {
    if (name === undefined) return noSource;
    if (endpoints.byName(name) === undefined) await endpoints.refresh();
    const source = endpoints.byName(name);
    if (source !== undefined) return source;
    throw new Problem('value', 'there is no endpoint of this name', {
      expression: 'endpoint',
      hint: 'List them: hub endpoint list',
    });
  };
  return {
    database,
    maps,
    preview: async (bytes, endpoint) => {
      const source = await sourceNamed(endpoint);
      return JSON.stringify(toBundle(openConversion(await maps())(bytes, source)));
    },
    read: async (bytes, endpoint) => {
      const source = await sourceNamed(endpoint);
      return { message: readText(bytes, source), context: contextOf(source) };
    },
    stored: (endpoint, count) => storedSamples(database, sourceNamed(endpoint), count),
  };
}

/** Messages of the archive to try a map on; one that cannot be read is no sample. */
export async function* storedSamples(
  db: Tx,
  source: ConversionSource | Promise<ConversionSource>,
  count: number,
): AsyncGenerator<Sample> {
  const from = await source;
  for await (const { id, raw } of latestMessages(db, from.name, count)) {
    const sample = sampleOf(String(id), raw, from);
    if (sample !== undefined) yield sample;
  }
}

export function sampleOf(name: string, bytes: Uint8Array, source: ConversionSource): Sample | undefined {
  try {
    return { name, message: readText(bytes, source), context: contextOf(source) };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** Loaded when somebody first asks for one: a process that nobody asks keeps their memory. */
function lazyMaps(database: Tx): () => Promise<Maps> {
  let opened: Promise<{ maps: Maps; overlays: Overlays }> | undefined;
  const open = async (): Promise<{ maps: Maps; overlays: Overlays }> => {
    const maps = openShippedMaps();
    const overlays = await followOverlays(database, maps);
    // Asked each time below, so nothing is to be followed meanwhile.
    overlays.close();
    return { maps, overlays };
  };
  return async () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    const { maps, overlays } = await opened;
    await overlays.refresh();
    return maps;
  };
}
