/**
 * Kills what can be killed while messages flow: `node test/faults/kill.ts [--messages 20000] [--seed 1]`.
 *
 * Sixteen connections send and send again what was not answered. The hub is killed with SIGKILL five times and
 * PostgreSQL once, at random moments. At the end every control id that was answered AA is stored exactly once and
 * processed, and for each patient the last accepted state is the one in the store. Ends with 1 when anything differs.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectMllp, type MllpClient } from '../../adapters/hl7v2/client.ts';
import { openDatabase, type Database } from '../../src/db.ts';
import { startEmbedded } from '../../src/db/embedded.ts';
import { sql } from '../../src/db/sql.ts';
import { typeCode } from '../../src/fhir/types.ts';
import { givenDataDir, givenHubProcess, runHub, type HubProcess } from '../hub-process.ts';

const connections = 16;
const depth = 8;
const hubKills = 5;
const messagesPerPatient = 40;
const drainMs = 180_000;

interface Sent {
  readonly controlId: string;
  readonly patient: string;
  readonly value: number;
}

const { values: args } = parseArgs({
  options: { messages: { type: 'string', default: '20000' }, seed: { type: 'string', default: String(Date.now()) } },
});
const total = Number(args.messages);
let state = Number(args.seed) % 2_147_483_647 || 1;
/** Park and Miller's generator: a run is repeated by its seed. */
const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;

const dataDir = await givenDataDir();
const env = {
  HUB_DATA_DIR: dataDir.path,
  HUB_MLLP_PORT: String(await freePort()),
  HUB_LOG_LEVEL: 'info',
};
try {
  process.exitCode = (await run()) ? 0 : 1;
} finally {
  await dataDir.close();
}

async function run(): Promise<boolean> {
  say(`${total} messages on ${connections} connections, seed ${args.seed}`);
  let hub = await givenHubProcess({ env });
  await addEndpoint();
  const accepted: Sent[] = [];
  const sending = sendAll(accepted);
  const moments = Array.from({ length: hubKills }, (_, index) => ((index + random()) / hubKills) * total * 0.95);
  const databaseMoment = (0.3 + 0.4 * random()) * total;
  const databaseKill = (async () => {
    while (accepted.length < databaseMoment) await sleep(5);
    const pid = await postmasterPid();
    process.kill(pid, 'SIGKILL');
    say(`${accepted.length} accepted: killed PostgreSQL`);
  })();
  for (const moment of moments) {
    while (accepted.length < moment) await sleep(5);
    hub.signal('SIGKILL');
    await hub.ended;
    say(`${accepted.length} accepted: killed the hub`);
    hub = await givenHubProcess({ env });
  }
  await Promise.all([sending, databaseKill]);
  say(`${accepted.length} accepted in all`);
  return verify(hub, accepted);
}

async function addEndpoint(): Promise<void> {
  const words = ['--kind', 'hl7v2-mllp', '--organization', 'Organization/a', '--facility', 'HOSPA'];
  const { code, stderr } = await runHub(['endpoint', 'add', 'hospital-a', ...words], { env });
  if (code !== 0) throw new Error(`hub endpoint add ended with ${code}: ${stderr}`);
}

/** Each patient belongs to one connection, so that what it says about a patient has an order. */
async function sendAll(accepted: Sent[]): Promise<void> {
  const patients = Math.ceil(total / messagesPerPatient);
  const shares = Array.from({ length: connections }, (): Sent[] => []);
  for (let number = 0; number < total; number++) {
    const index = number % patients;
    const value = Math.floor(number / patients) + 1;
    shares[index % connections]?.push({ controlId: `K${number}`, patient: `P${index}`, value });
  }
  await Promise.all(
    shares.map(async (share) => {
      // Patient: kills come in the middle of everything, and a hub needs seconds to be back.
      const client = connectMllp({
        host: '127.0.0.1',
        port: Number(env.HUB_MLLP_PORT),
        depth,
        attemptsMax: 10_000,
        backoffMs: 50,
      });
      await sendShare(client, share, accepted);
      await client.close();
    }),
  );
}

async function sendShare(client: MllpClient, share: readonly Sent[], accepted: Sent[]): Promise<void> {
  const open = new Set<Promise<void>>();
  for (const sent of share) {
    while (open.size >= depth) await Promise.race(open);
    const task = client
      .send(Buffer.from(messageOf(sent)))
      .then(({ code }) => {
        if (code !== 'AA') throw new Error(`${sent.controlId} was answered ${code}`);
        accepted.push(sent);
      })
      .finally(() => open.delete(task));
    open.add(task);
  }
  await Promise.all(open);
}

/** A corrected result and a new name: both are state that the next message replaces. */
function messageOf({ controlId, patient, value }: Sent): string {
  return [
    `MSH|^~\\&|LAB|HOSPA|HUB|REGION|20260101120000+0800||ORU^R01^ORU_R01|${controlId}|P|2.5.1`,
    `PID|1||${patient}^^^HOSPA^MR||FAMILY${value}^GIVEN||19700101|F`,
    `OBR|1|${patient}-1^HOSPA|${patient}-F^LAB|718-7^Hemoglobin^LN|||20260101110000+0800|||||||||||||||20260101115900+0800||LAB|C`,
    `OBX|1|NM|718-7^Hemoglobin^LN||${value}|g/dL|12-16|N|||C|||20260101110000+0800`,
    '',
  ].join('\r');
}

async function verify(hub: HubProcess, accepted: readonly Sent[]): Promise<boolean> {
  const server = await startEmbedded({ dataDir: dataDir.path });
  const database = openDatabase({ url: server.url, pipelines: 1 });
  try {
    await drain(database);
    const findings = [...(await verifyMessages(database, accepted)), ...(await verifyState(database, accepted))];
    for (const finding of findings.slice(0, 20)) say(`WRONG ${finding}`);
    say(
      findings.length === 0 ? 'all stored once, processed, and in the last accepted state' : `${findings.length} wrong`,
    );
    return findings.length === 0;
  } finally {
    await database.close();
    hub.signal('SIGTERM');
    await hub.ended;
    await server.stop();
  }
}

async function drain(database: Database): Promise<void> {
  const startedAt = Date.now();
  for (;;) {
    const [row] = await database.query<{ waiting: number }>(
      sql`select count(*) as waiting from message where status = 0`,
    );
    if (row?.waiting === 0) break;
    if (Date.now() - startedAt > drainMs) throw new Error(`${row?.waiting} messages still wait`);
    await sleep(200);
  }
  say(`queue empty ${((Date.now() - startedAt) / 1_000).toFixed(1)} s after the last answer`);
}

async function verifyMessages(database: Database, accepted: readonly Sent[]): Promise<string[]> {
  const rows = await database.query<{ controlId: string; count: number; processed: number }>(sql`
    select control_id as "controlId", count(*) as count, count(*) filter (where status = 1) as processed
    from message group by control_id`);
  const byId = new Map(rows.map((row) => [row.controlId, row]));
  return accepted.flatMap(({ controlId }) => {
    const row = byId.get(controlId);
    if (row === undefined) return [`${controlId} was accepted and is not stored`];
    if (row.count !== 1) return [`${controlId} is stored ${row.count} times`];
    return row.processed === 1 ? [] : [`${controlId} was not processed`];
  });
}

async function verifyState(database: Database, accepted: readonly Sent[]): Promise<string[]> {
  const last = new Map<string, number>();
  for (const { patient, value } of accepted) last.set(patient, Math.max(value, last.get(patient) ?? 0));
  const patients = await bodies(database, 'Patient');
  const observations = await bodies(database, 'Observation');
  const names = new Map<string, string>();
  const ids = new Map<string, string>();
  for (const body of patients) {
    const record = body['identifier']?.[0]?.value ?? '';
    names.set(record, body['name']?.[0]?.family ?? '');
    ids.set(`Patient/${String(body['id'])}`, record);
  }
  const values = new Map(
    observations.map((body) => [ids.get(body['subject']?.reference ?? '') ?? '', body['valueQuantity']?.value]),
  );
  const findings = [...last].flatMap(([patient, value]) => [
    ...(names.get(patient) === `FAMILY${value}`
      ? []
      : [`${patient} is named ${names.get(patient)}, not FAMILY${value}`]),
    ...(values.get(patient) === value ? [] : [`${patient} has the value ${values.get(patient)}, not ${value}`]),
  ]);
  if (observations.length !== last.size) findings.push(`${observations.length} Observations of ${last.size} patients`);
  return findings;
}

interface Body {
  id?: string;
  identifier?: { value?: string }[];
  name?: { family?: string }[];
  subject?: { reference?: string };
  valueQuantity?: { value?: number };
}

async function bodies(database: Database, type: string): Promise<Body[]> {
  const rows = await database.query<{ body: string }>(
    sql`select body from resource where type = ${typeCode(type)} and not is_deleted`,
  );
  return rows.map(({ body }) => JSON.parse(body) as Body);
}

async function postmasterPid(): Promise<number> {
  const text = await readFile(join(dataDir.path, 'pg', 'postmaster.pid'), 'utf8');
  return Number(text.split('\n', 1)[0]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function say(line: string): void {
  console.log(`${(performance.now() / 1_000).toFixed(1).padStart(7)} s  ${line}`);
}
