/** An export of Apple Health of 300 MB over HTTP: how fast it is on disk, how fast it is summed up, and how much memory the hub takes for it. */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../src/db/sql.ts';
import { openDatabase } from '../../src/db.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

const exportBytes = 300_000_000;
/** A value a minute, as a watch takes them. */
const everyMs = 60_000;
const startAt = Date.parse('2024-01-01T00:00:00Z');
const organization = 'Organization/bench';

export async function measure(): Promise<Result[]> {
  const hub = await startHub({ HUB_WORKERS: '1' });
  const database = openDatabase({ url: hub.databaseUrl });
  try {
    const token = await prepare(hub);
    const memory = watchMemory(hub);
    const startedAt = performance.now();
    const sent = { bytes: 0, records: 0 };
    const request: RequestInit & { readonly duplex: 'half' } = {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/xml' },
      // What Node has and the types of a browser do not.
      body: Readable.toWeb(Readable.from(exportOf(sent))) as ReadableStream,
      duplex: 'half',
    };
    const response = await fetch(`${hub.baseUrl}/device/watch?patient=p`, request);
    if (response.status !== 200) throw new Error(`the hub answered ${response.status}: ${await response.text()}`);
    const storedSeconds = (performance.now() - startedAt) / 1_000;
    for (;;) {
      const [row] = await database.query<{ open: number }>(
        sql`select count(*)::int as open from message where status <> 1`,
      );
      if (row?.open === 0) break;
      await sleep(200);
    }
    const doneSeconds = (performance.now() - startedAt) / 1_000;
    const [kept] = await database.query<{ samples: number }>(sql`select count(*)::int as samples from device_sample`);
    if (kept?.samples !== sent.records) throw new Error(`${sent.records} records were sent, ${kept?.samples} are kept`);
    const peakMb = await memory.end();
    return [
      {
        work: 'Apple Health export: received',
        figure: round(sent.bytes / 1e6 / storedSeconds, 1),
        unit: 'MB/s',
        note: `${round(sent.bytes / 1e6, 0)} MB`,
      },
      {
        work: 'Apple Health export: summed up',
        figure: round(sent.records / doneSeconds, 0),
        unit: 'samples/s',
        note: `${sent.records} samples of one person, one lane`,
      },
      {
        work: 'Apple Health export: most memory of the hub',
        figure: round(peakMb, 0),
        unit: 'MB',
        target: 500,
        isMaximum: true,
      },
    ];
  } finally {
    await database.close();
    await hub.stop();
  }
}

async function prepare(hub: HubProcess): Promise<string> {
  await hub.cli('endpoint', 'add', 'watch', '--kind', 'device-http', '--organization', organization);
  const token = (
    await hub.cli('token', '--preset', 'hospital', '--client', 'bench', '--organization', organization)
  ).trim();
  const { status } = await fetch(`${hub.fhirUrl}/Patient/p`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Patient', id: 'p' }),
  });
  if (status !== 201) throw new Error(`the hub answered ${status}`);
  return token;
}

function* exportOf(sent: { bytes: number; records: number }): Generator<Uint8Array> {
  const piece = (text: string): Uint8Array => {
    const bytes = Buffer.from(text);
    sent.bytes += bytes.length;
    return bytes;
  };
  yield piece('<?xml version="1.0" encoding="UTF-8"?><HealthData locale="de_DE">');
  while (sent.bytes < exportBytes) {
    let text = '';
    for (let n = 0; n < 200; n++) {
      const at = new Date(startAt + sent.records++ * everyMs).toISOString().slice(0, 19).replace('T', ' ');
      text += `<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" sourceVersion="11.2" unit="count/min" creationDate="${at} +0000" startDate="${at} +0000" endDate="${at} +0000" value="${60 + (sent.records % 40)}"/>\n`;
    }
    yield piece(text);
  }
  yield piece('</HealthData>');
}

function watchMemory(hub: HubProcess): { end(): Promise<number> } {
  let peakMb = 0;
  const ending = new AbortController();
  const watching = (async () => {
    while (!ending.signal.aborted) {
      peakMb = Math.max(peakMb, await hub.rssMb());
      await sleep(200);
    }
  })();
  return {
    end: async () => {
      ending.abort();
      await watching;
      return peakMb;
    },
  };
}
