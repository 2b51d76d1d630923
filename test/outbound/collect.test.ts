/** What is sent from the store: no more than its receiver may see. */
import assert from 'node:assert/strict';
import { encodeMessage } from '../../adapters/hl7v2/encode.ts';
import { openAudit } from '../../src/access/audit/audit.ts';
import { sql } from '../../src/db/sql.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { addDestination, type Destination } from '../../src/outbound/destination.ts';
import { sendMessage } from '../../src/outbound/send.ts';
import { commit } from '../../src/store/commit.ts';
import { consents, permitTo, recipient } from '../access/world.ts';
import { given, givenDatabase } from '../given.ts';

const at = new Date('2026-03-01T00:00:00Z');
const source = 'Organization/source';
const other = 'Organization/other';

describe('sending from the store', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let destinations: Record<string, Destination>;
  let count = 0;

  before(async () => {
    world = await givenDatabase();
    const appointment: AnyResource = {
      resourceType: 'Appointment',
      id: 'a1',
      identifier: [{ value: 'A-1' }],
      status: 'booked',
      start: '2026-03-05T09:00:00+08:00',
      end: '2026-03-05T09:30:00+08:00',
      participant: [
        { actor: { reference: 'Patient/p1' }, status: 'accepted' },
        { actor: { reference: 'Practitioner/d1', display: 'Dr. Li' }, status: 'accepted' },
      ],
    };
    const doctor: AnyResource = {
      resourceType: 'Practitioner',
      id: 'd1',
      identifier: [{ value: 'D-1' }],
      name: [{ family: 'Li' }],
    };
    await world.database.inTransaction((tx) =>
      commit(
        tx,
        [given.patient({ id: 'p1' }), doctor, appointment].map((resource) => ({
          kind: 'update',
          resource,
          owner: source,
        })),
        { at },
      ),
    );
    const add = (organization: string): Promise<Destination> =>
      addDestination(world.database, {
        name: organization.replace('/', '-'),
        organization,
        host: '127.0.0.1',
        port: 1,
        receiver: { application: 'HIS', facility: 'H' },
      });
    destinations = { [source]: await add(source), [other]: await add(other) };
  });
  after(() => world.close());

  async function send(organization: string, reference: string): Promise<string> {
    const audit = openAudit(world.database);
    const options = {
      database: world.database,
      audit,
      encode: encodeMessage,
      now: () => at,
      newControlId: () => `c${++count}`,
    };
    const destination = destinations[organization] as Destination;
    try {
      await sendMessage(options, { destination, type: 'SIU^S12', content: { reference }, operator: 'tester' });
    } finally {
      await audit.close();
    }
    const [row] = await world.database.query<{ raw: Buffer }>(
      sql`select raw from outbound_message where control_id = ${`c${count}`}`,
    );
    return row?.raw.toString() ?? '';
  }

  it('the source gets its own, with everything around it', async () => {
    const text = await send(source, 'Appointment/a1');
    assert.match(text, /SCH\|\|A-1\|/);
    assert.match(text, /PID\|.*Zhang/);
    assert.match(text, /AIP\|1\|A\|D-1\^Li/);
  });

  it('another organization without consent gets nothing, hidden and unknown alike', async () => {
    await assert.rejects(send(other, 'Appointment/a1'), { code: 'not-found' });
    await assert.rejects(send(other, 'Appointment/unknown'), { code: 'not-found' });
    await assert.rejects(send(other, 'nonsense'), { code: 'not-found' });
    const [row] = await world.database.query<{ count: number }>(sql`
      select count(*) from outbound_message where destination_id = ${destinations[other]?.id}`);
    assert.equal(row?.count, 0);
  });

  it('with consent it gets what the consent covers: a practitioner is of no patient, so only the name that the appointment shows', async () => {
    await world.database.inTransaction((tx) => consents(tx, permitTo({ actor: [recipient(other)] })));
    const text = await send(other, 'Appointment/a1');
    assert.match(text, /PID\|.*Zhang/);
    assert.match(text, /AIP\|1\|A\|\^Dr\. Li/);
    assert.doesNotMatch(text, /D-1/);
    const rows = await world.database.query<Record<string, unknown>>(sql`
      select patient, rows, decided_by from audit_entry where organization = ${other} order by seq desc limit 1`);
    assert.deepEqual(rows, [{ patient: 'p1', rows: 2, decided_by: 'consent:c1/1' }]);
  });
});
