/**
 * Labels across rows (LEAKS 15, 16): what refers to something sensitive is as sensitive, whichever was written first, within one
 * owner and one record; and what the row says in meta.security is what guards it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { sql } from '../../src/db/sql.ts';
import { labelCodings } from '../../src/fhir/labels.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { markedLabels } from '../../src/fhir/sensitivity/mark.ts';
import { typeCode, type AnyResource } from '../../src/fhir/types.ts';
import { readSensitivity } from '../../src/mapping/sensitivity/read.ts';
import { commit } from '../../src/store/commit.ts';
import { followLabels, registerSets, type LabelFollowing } from '../../src/store/labels/current.ts';
import { mintId } from '../../src/store/place.ts';
import type { Write, Written } from '../../src/store/row.ts';
import { given, givenDatabase } from '../given.ts';

const sets = readSensitivity([join(import.meta.dirname, '..', '..', 'mappings', 'sensitivity')]);
const [hospital, other] = ['Organization/h', 'Organization/other'];
const at = new Date('2026-03-01T08:00:00.000Z');
const ref = (to: string): object => ({ reference: to });
const ofP = { subject: ref('Patient/p') };
const loinc = (code: string): object => ({ coding: [{ system: 'http://loinc.org', code }] });
const icd = (code: string): object => ({ coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code }] });
const make = (address: string, elements: object): AnyResource => {
  const [resourceType = '', id = ''] = address.split('/');
  return { resourceType, id, ...elements };
};

describe('labels across rows', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let labels: LabelFollowing;
  before(async () => {
    world = await givenDatabase();
    await registerSets(world.database, sets);
    labels = await followLabels(world.database);
    await write(given.patient({ id: 'p' }), given.patient({ id: 'q' }));
    await writeAs(other, given.patient({ id: 'theirs' }));
  });
  after(async () => {
    labels.close();
    await world.close();
  });

  const writes = (all: readonly Write[]): Promise<Written[]> =>
    world.database.inTransaction((tx) => commit(tx, all, { at }));
  const writeAs = (owner: string, ...all: AnyResource[]): Promise<Written[]> =>
    writes(all.map((resource) => ({ kind: 'update', resource, owner })));
  const write = (...all: AnyResource[]): Promise<Written[]> => writeAs(hospital, ...all);
  const rowOf = async (address: string): Promise<{ labels: number; version: number; body: string }> => {
    const [type = '', id] = address.split('/');
    const [row] = await world.database.query<{ labels: number; version: number; body: string }>(sql`
      select labels, version, body from resource where type = ${typeCode(type)} and id = ${id}`);
    return row ?? assert.fail(`${address} is not stored`);
  };
  /** What guards the row; what it shows must be the same. */
  const labelsOf = async (address: string): Promise<string> => {
    const row = await rowOf(address);
    assert.equal(markedLabels(parseJson(row.body) as AnyResource), row.labels, `${address} shows what guards it`);
    return labelCodings(row.labels)
      .map(({ code }) => code)
      .join(' ');
  };

  let round = 0;
  /** Both orders, and at once. */
  const orders: readonly (readonly [string, (source: AnyResource, document: AnyResource) => Promise<unknown>])[] = [
    ['in one commit', (source, document) => write(document, source)],
    ['the source first', async (source, document) => (await write(source), write(document))],
    ['the document first', async (source, document) => (await write(document), write(source))],
  ];
  const documents: readonly (readonly [string, string, (source: string) => object, object])[] = [
    [
      'DiagnosticReport.result',
      'Observation',
      (source) => ({ ...ofP, result: [ref(source)] }),
      { ...ofP, code: loinc('56888-1') },
    ],
    [
      'Observation.hasMember',
      'Observation',
      (source) => ({ ...ofP, hasMember: [ref(source)] }),
      { ...ofP, code: loinc('56888-1') },
    ],
    [
      'Encounter.diagnosis',
      'Condition',
      (source) => ({ ...ofP, diagnosis: [{ condition: ref(source) }] }),
      { ...ofP, code: icd('B20') },
    ],
    [
      'Claim.diagnosis',
      'Condition',
      (source) => ({ patient: ref('Patient/p'), diagnosis: [{ diagnosisReference: ref(source) }] }),
      { ...ofP, code: icd('B20') },
    ],
    [
      'Composition.section',
      'Observation',
      (source) => ({ ...ofP, section: [{ entry: [ref(source)] }] }),
      { ...ofP, code: loinc('56888-1') },
    ],
    [
      'DocumentReference.context',
      'Observation',
      (source) => ({ ...ofP, context: { related: [ref(source)] } }),
      { ...ofP, code: loinc('56888-1') },
    ],
    [
      'MedicationRequest.medication',
      'Medication',
      (source) => ({ ...ofP, medicationReference: ref(source) }),
      { code: { coding: [{ system: 'http://www.whocc.no/atc', code: 'J05AR10' }] } },
    ],
  ];
  for (const [title, sourceType, document, source] of documents) {
    for (const [order, put] of orders) {
      it(`${title}, ${order}`, async () => {
        const number = ++round;
        const [type = ''] = title.split('.');
        const [from, to] = [`${sourceType}/s${number}`, `${type}/d${number}`];
        await put(make(from, source), make(to, document(from)));
        assert.deepEqual([await labelsOf(from), await labelsOf(to)], ['HIV', 'HIV']);
      });
    }
  }

  it('a Binary is as its document, whichever comes first, and when the document becomes sensitive', async () => {
    const binary = (id: string): AnyResource =>
      make(`Binary/${id}`, { contentType: 'text/plain', securityContext: ref(`DocumentReference/${id}`) });
    const document = (id: string, type: string): AnyResource =>
      make(`DocumentReference/${id}`, {
        ...ofP,
        type: loinc(type),
        content: [{ attachment: { url: `Binary/${id}` } }],
      });
    // In the document's compartment, where mapping puts it; with a client's id it is read as the document all the same.
    const minted = mintId(make('Media/x', ofP), randomBytes(16));
    await write(document('b1', '34788-0'), binary('b1'), binary('b2'));
    await writes([{ kind: 'draft', resource: { ...binary('b3'), id: minted }, owner: hospital }]);
    await write(document('b3', '11506-3'));
    assert.deepEqual([await labelsOf('Binary/b1'), await labelsOf(`Binary/${minted}`)], ['PSY', '']);
    const sensitive = document('b3', '34788-0');
    await write({ ...sensitive, content: [{ attachment: { url: `Binary/${minted}` } }] });
    assert.equal(await labelsOf(`Binary/${minted}`), 'PSY');
  });

  it('a correction of the source reaches the document, and a chain of documents', async () => {
    await write(
      make('Observation/chain', { ...ofP, code: loinc('718-7') }),
      make('DiagnosticReport/chain', { ...ofP, result: [ref('Observation/chain')] }),
      make('DocumentReference/chain', { ...ofP, context: { related: [ref('DiagnosticReport/chain')] } }),
    );
    assert.equal(await labelsOf('DocumentReference/chain'), '');
    const { version } = await rowOf('DocumentReference/chain');
    await write(make('Observation/chain', { ...ofP, code: loinc('20447-9') }));
    assert.deepEqual(
      [await labelsOf('DiagnosticReport/chain'), await labelsOf('DocumentReference/chain')],
      ['HIV', 'HIV'],
    );
    // R4 resource-definitions.html#Meta.security: labels change without a version.
    assert.equal((await rowOf('DocumentReference/chain')).version, version);
  });

  it('what is said again makes no version, and keeps what was carried', async () => {
    const report = make('DiagnosticReport/again', { ...ofP, result: [ref('Observation/again')] });
    await write(report);
    await write(make('Observation/again', { ...ofP, code: loinc('56888-1') }));
    const [again] = await write(report);
    assert.deepEqual([again?.outcome, again?.version], ['unchanged', 1]);
    const [changed] = await write({ ...report, status: 'final' });
    assert.equal(changed?.version, 2);
    assert.equal(await labelsOf('DiagnosticReport/again'), 'HIV');
  });

  it('rows that refer to each other settle', async () => {
    const row = (id: string, to: string, code: string): AnyResource =>
      make(`Observation/${id}`, { ...ofP, code: loinc(code), derivedFrom: [ref(`Observation/${to}`)] });
    await write(row('ring1', 'ring2', '56888-1'), row('ring2', 'ring3', '718-7'), row('ring3', 'ring1', '718-7'));
    for (const id of ['ring1', 'ring2', 'ring3']) assert.equal(await labelsOf(`Observation/${id}`), 'HIV');
  });

  describe('near misses', () => {
    it('where it was made does not count: a visit for a psychiatric reason', async () => {
      await write(
        make('Encounter/visit', { ...ofP, reasonCode: [icd('F20')] }),
        make('Observation/pressure', { ...ofP, code: loinc('85354-9'), encounter: ref('Encounter/visit') }),
      );
      assert.deepEqual([await labelsOf('Encounter/visit'), await labelsOf('Observation/pressure')], ['PSY', '']);
    });

    it('another owner’s row: its label would tell what it holds', async () => {
      await writeAs(other, make('Observation/theirs', { subject: ref('Patient/theirs'), code: loinc('56888-1') }));
      await write(make('DiagnosticReport/guess', { ...ofP, result: [ref('Observation/theirs')] }));
      assert.equal(await labelsOf('DiagnosticReport/guess'), '');
      await write(make('DiagnosticReport/guess2', { ...ofP, result: [ref('Observation/later')] }));
      await writeAs(other, make('Observation/later', { subject: ref('Patient/theirs'), code: loinc('56888-1') }));
      assert.equal(await labelsOf('DiagnosticReport/guess2'), '');
    });

    it('another patient’s row', async () => {
      await write(make('Observation/of-q', { subject: ref('Patient/q'), code: loinc('56888-1') }));
      await write(make('DiagnosticReport/of-p', { ...ofP, result: [ref('Observation/of-q')] }));
      assert.equal(await labelsOf('DiagnosticReport/of-p'), '');
    });

    it('an id that only begins alike, and a text that only speaks of it', async () => {
      await write(
        make('DiagnosticReport/alike', {
          ...ofP,
          result: [ref('Observation/sens10')],
          conclusion: '"Observation/sens1',
        }),
        make('Observation/sens10', { ...ofP, code: loinc('718-7') }),
      );
      await write(make('Observation/sens1', { ...ofP, code: loinc('56888-1') }));
      assert.equal(await labelsOf('DiagnosticReport/alike'), '');
    });
  });

  it('a document and its source written at the same moment do not miss each other', async () => {
    const ids = Array.from({ length: 40 }, (_, at) => `race${at}`);
    for (const id of ids) await write(make(`Observation/${id}`, { ...ofP, code: loinc('718-7') }));
    for (const id of ids) {
      await Promise.all([
        write(make(`Observation/${id}`, { ...ofP, code: loinc('56888-1') })),
        write(make(`DiagnosticReport/${id}`, { ...ofP, result: [ref(`Observation/${id}`)] })),
      ]);
    }
    for (const id of ids) assert.equal(await labelsOf(`DiagnosticReport/${id}`), 'HIV', id);
  });
});
