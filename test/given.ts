/** The builder of every test's world. A test names only what matters to it; the rest has a plain default. */
import pg from 'pg';
import { openDatabase, type Database } from '../src/db.ts';
import type { AnyResource } from '../src/fhir/types.ts';

let databases = 0;

export interface GivenDatabase {
  /** Of the owner of the tables, as `database` is. */
  readonly url: string;
  /** Of the role that a hub serves by. */
  readonly runTimeUrl: string;
  readonly database: Database;
  close(): Promise<void>;
}

/** A database of its own, cloned from the migrated template; `close` drops it. */
export async function givenDatabase(): Promise<GivenDatabase> {
  const { HUB_TEST_DATABASE: server, HUB_TEST_RUN_DATABASE: runTime } = process.env;
  if (server === undefined || runTime === undefined)
    throw new Error('run tests through mocha: test/setup.ts starts the database');
  const name = `test_${process.pid}_${++databases}`;
  await admin(server, `create database ${name} template hub_template`);
  const url = server.replace(/\/postgres$/, `/${name}`);
  const database = openDatabase({ url, poolMax: 8 });
  return {
    url,
    runTimeUrl: runTime.replace(/\/postgres$/, `/${name}`),
    database,
    close: async () => {
      await database.close();
      await admin(server, `drop database ${name} with (force)`);
    },
  };
}

async function admin(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

interface GivenResource {
  /** Undefined: the store mints one. */
  readonly id?: string | undefined;
}

/** Resources, plain but valid. Spread one to add what the test is about. */
export const given = {
  patient: ({ id, family = 'Zhang' }: GivenResource & { family?: string } = {}): AnyResource => ({
    resourceType: 'Patient',
    ...(id === undefined ? {} : { id }),
    name: [{ family, given: ['Wei'] }],
  }),

  organization: ({ id, name = 'Hospital' }: GivenResource & { name?: string } = {}): AnyResource => ({
    resourceType: 'Organization',
    ...(id === undefined ? {} : { id }),
    name,
  }),

  observation: ({
    id,
    patient,
    code = '718-7',
    effective = '2026-01-01',
    value,
  }: GivenResource & { patient: string; code?: string; effective?: string; value?: number }): AnyResource => ({
    resourceType: 'Observation',
    ...(id === undefined ? {} : { id }),
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code }] },
    subject: { reference: `Patient/${patient}` },
    effectiveDateTime: effective,
    ...(value === undefined
      ? {}
      : { valueQuantity: { value, unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' } }),
  }),

  encounter: ({
    id,
    patient,
    start,
    end,
  }: GivenResource & { patient: string; start: string; end?: string }): AnyResource => ({
    resourceType: 'Encounter',
    ...(id === undefined ? {} : { id }),
    status: end === undefined ? 'in-progress' : 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' },
    subject: { reference: `Patient/${patient}` },
    period: { start, ...(end === undefined ? {} : { end }) },
  }),
};
