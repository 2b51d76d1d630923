/**
 * LEAKS 25, the last moment: a notification that has begun to leave holds the rights it rests on until its last byte is out, or
 * cut off. The receiver here stops reading in the middle of a large one; whoever takes a right away meanwhile is answered when
 * nothing more of it can leave.
 */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { openAudit } from '../../../src/access/audit/audit.ts';
import { disableClient } from '../../../src/access/client/client.ts';
import { compileConsent, withdrawConsent } from '../../../src/access/consent/write.ts';
import { creatorOf } from '../../../src/access/predicate/creator.ts';
import { openRegistry } from '../../../src/access/client/registry.ts';
import { openSealer } from '../../../src/access/secrets/seal.ts';
import { openDatabase, type Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { readAllowList } from '../../../src/feeds/subscription/allow.ts';
import { startDispatching, type Dispatching } from '../../../src/feeds/subscription/dispatch.ts';
import type { Channel } from '../../../src/feeds/subscription/channel.ts';
import { openRestHook } from '../../../src/feeds/subscription/rest-hook.ts';
import { deleteSubscription, saveSubscription } from '../../../src/feeds/subscription/subscription.ts';
import { readSubscription } from '../../../src/fhir/subscription/request.ts';
import { commit } from '../../../src/store/commit.ts';
import { givenPrincipal, givenSelf } from '../../access/world.ts';
import { givenSubscription } from '../../api/subscription/given.ts';
import { given, givenDatabase } from '../../given.ts';
import { until } from '../../until.ts';
import { givenConsent } from '../../given-consent.ts';
import { keyringOf } from '../../access/secrets/given-keys.ts';

const base = 'http://hub.test/fhir/R4';
const sealer = openSealer(keyringOf());
/** More than the buffers of two sockets hold. */
const largeChars = 12_000_000;
/** Longer than the receiver takes to read the beginning. */
const flushMs = 1_000;

describe('a right that is taken away while a notification leaves', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  let trail: Database;
  let dispatching: Dispatching;
  let server: Server;
  let stuck: { socket: Socket; read: () => Promise<string> } | undefined;
  /** What happens when it is chosen what is told, and a connection is there. */
  let meanwhile: (() => Promise<unknown>) | undefined;
  let count = 0;
  before(async () => {
    world = await givenDatabase();
    ({ database } = world);
    trail = openDatabase({ url: world.url, poolMax: 1, pipelines: 1 });
    server = createServer((socket) => {
      let text = '';
      const rest: Buffer[] = [];
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        if (stuck?.socket === socket) {
          rest.push(chunk);
          return;
        }
        text += chunk.toString('latin1');
        if (!text.includes('"event-notification"')) {
          if (text.includes('"handshake"'))
            socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
        } else if (stuck === undefined) {
          socket.pause();
          stuck = {
            socket,
            read: async () => {
              const closed = new Promise((resolve) => socket.once('close', resolve));
              socket.resume();
              await closed;
              return text + Buffer.concat(rest).toString('latin1');
            },
          };
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    dispatching = start(flushMs);
  });
  function start(flushMs: number): Dispatching {
    const restHook = openRestHook({ allow: readAllowList([urlOf()]), sealer });
    const channel: Channel = {
      open: async (claimed) => {
        const line = await restHook.open(claimed);
        await meanwhile?.();
        return line;
      },
    };
    return startDispatching({
      database: openDatabase({ url: world.url }),
      audit: openAudit(trail),
      base,
      channels: { 'rest-hook': channel },
      isWorker: true,
      limits: { flushMs, attemptsMax: 1 },
    });
  }
  after(async () => {
    await dispatching.close();
    server.close();
    await trail.close();
    await world.close();
  });
  const urlOf = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  interface Told {
    readonly id: string;
    readonly patient: string;
    readonly issuer: string;
    readonly clientId: string;
    readonly jti: string;
  }

  /** A subscription that was greeted, of a client that the patient lets see. */
  async function subscribed(): Promise<Told> {
    stuck = undefined;
    const n = ++count;
    const [id, patient, clientId] = [`s-${n}`, `p-${n}`, `client-${n}`];
    const principal = givenPrincipal({ clientId, jti: `jti-${n}` });
    await database.query(sql`
      insert into client (issuer, id, kind, organization, purposes) values (${principal.issuer}, ${clientId}, 'ai', 'Organization/ai', ${principal.purposes})`);
    const consent = { ...givenConsent(patient, 'Organization/ai'), id: `c-${n}` };
    const resource = { ...givenSubscription({ endpoint: urlOf(), content: 'full-resource', timeout: 5 }), id };
    await database.inTransaction(async (tx) => {
      const at = new Date();
      await commit(tx, [{ kind: 'update', resource: given.patient({ id: patient }), owner: 'Organization/hospital' }], {
        at,
      });
      await commit(tx, [{ kind: 'update', resource: consent, owner: `Patient/${patient}`, speaksFor: [patient] }], {
        at,
      });
      await compileConsent(tx, givenSelf(patient), { id: consent.id, version: 1, resource: consent });
      const creator = creatorOf(principal);
      await commit(tx, [{ kind: 'update', resource, owner: creator }], { at });
      const read = readSubscription(resource, { base, now: Date.now() });
      await saveSubscription(tx, { ...read, id, creator, principal }, { base, now: Date.now(), sealer });
    });
    await until('it is greeted', async () => {
      const [row] = await database.query<{ is_greeted: boolean }>(
        sql`select is_greeted from subscription where id = ${id}`,
      );
      return row?.is_greeted === true;
    });
    return { id, patient, clientId, issuer: principal.issuer, jti: principal.jti };
  }

  async function observe({ id, patient }: Told, chars: number): Promise<void> {
    const resource = { ...given.observation({ id: `o-${id}`, patient }), note: [{ text: 'x'.repeat(chars) }] };
    const writes = [{ kind: 'update' as const, resource, owner: 'Organization/hospital' }];
    await database.inTransaction((tx) => commit(tx, writes, { at: new Date() }));
  }

  /** A notification with a large Observation, in the middle of leaving. */
  async function leaving(): Promise<Told> {
    const one = await subscribed();
    await observe(one, largeChars);
    await until('a notification is under way', () => stuck !== undefined);
    return one;
  }

  const withdraw = ({ id, patient }: Pick<Told, 'id' | 'patient'>): Promise<unknown> =>
    database.inTransaction((tx) => withdrawConsent(tx, givenSelf(patient), { id: id.replace('s', 'c'), patient }));

  for (const [right, take] of [
    ['the Consent of the patient', withdraw],
    [
      'the token',
      async ({ issuer, jti }) => openRegistry(database).revoke({ issuer, jti, expiresAt: Date.now() + 60_000 }),
    ],
    ['the client', async ({ issuer, clientId }) => disableClient(database, issuer, clientId)],
    ['the subscription', async ({ id }) => database.inTransaction((tx) => deleteSubscription(tx, id))],
  ] as [string, (of: Awaited<ReturnType<typeof leaving>>) => Promise<unknown>][]) {
    it(`${right}: it is answered when nothing more can leave`, async () => {
      const one = await leaving();
      await take(one);
      // Only now the receiver goes on reading: what it can still have was in the sockets' buffers when it was cut off.
      const text = await stuck?.read();
      assert.equal(text?.endsWith('}'), false);
      assert.ok((text?.length ?? 0) < largeChars, `${text?.length} characters`);
    });
  }

  it('another patient is not waited for', async () => {
    await dispatching.close();
    // Longer than anybody waits here: what is answered before was not waiting for it.
    dispatching = start(60_000);
    const one = await leaving();
    let isOver = false;
    const own = withdraw(one).then(() => {
      isOver = true;
    });
    await withdraw({ id: 's-of-another', patient: 'another' });
    assert.equal(isOver, false);
    stuck?.socket.destroy();
    await own;
    assert.equal(isOver, true);
  });

  it('what is taken away between the choice and the sending is not sent, and has no number', async () => {
    const one = await subscribed();
    let taken = 0;
    meanwhile = async () => {
      taken++;
      await withdraw(one);
    };
    await observe(one, 10);
    const state = async (): Promise<{ events: number; pending: number; is_leased: boolean } | undefined> => {
      const [row] = await database.query<{ events: number; pending: number; is_leased: boolean }>(sql`
        select events, pending, lease_until is not null as is_leased from subscription where id = ${one.id}`);
      return row;
    };
    // Begun again after what was chosen had changed, and then there is nothing to tell.
    await until('it is so', async () => {
      const now = await state();
      return taken > 0 && now?.pending === 0 && !now.is_leased;
    });
    meanwhile = undefined;
    assert.equal(taken, 1);
    assert.equal(stuck, undefined);
    assert.deepEqual(await state(), { events: 0, pending: 0, is_leased: false });
  });
});
