import assert from 'node:assert/strict';
import type { Database } from '../../../src/db.ts';
import { render, sql } from '../../../src/db/sql.ts';
import { labelBit } from '../../../src/fhir/labels.ts';
import { visibility } from '../../../src/access/predicate/predicate.ts';
import { givenDatabase } from '../../given.ts';
import {
  classes,
  consents,
  custodian,
  givenPrincipal,
  givenRow,
  givenSelf,
  idsSeenBy,
  permitTo,
  purposes,
  recipient,
  seenBy,
  type GivenRow,
  type PrincipalOverrides,
} from '../world.ts';

const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const loinc = 'http://loinc.org';
const psy = { system: act, code: 'PSY' };
const hiv = { system: act, code: 'HIV' };
const confidentiality = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const normal = { system: confidentiality, code: 'N' };
const restricted = { system: confidentiality, code: 'R' };
const veryRestricted = { system: confidentiality, code: 'V' };
const lab = 'http://terminology.hl7.org/CodeSystem/observation-category';

/** The world every row of the matrix looks at: p1 and p2, two hospitals, ordinary and sensitive rows. */
const rows: readonly GivenRow[] = [
  { id: 'p1', type: 'Patient', patient: 'p1' },
  { id: 'p2', type: 'Patient', patient: 'p2' },
  {
    id: 'glucose',
    from: '2024-03-01T00:00:00Z',
    to: '2024-03-02T00:00:00Z',
    tokens: [
      ['code', loinc, '2345-7'],
      ['category', lab, 'laboratory'],
    ],
  },
  {
    id: 'pulse',
    from: '2019-03-01T00:00:00Z',
    tokens: [
      ['code', loinc, '8867-4'],
      ['category', lab, 'vital-signs'],
    ],
  },
  {
    id: 'panel',
    tokens: [
      ['code', loinc, '85354-9'],
      ['component-code', loinc, '8480-6'],
      ['contained:code', 'urn:drugs', 'D1'],
    ],
  },
  { id: 'undated' },
  { id: 'other-hospital', owner: 'Organization/clinic', from: '2024-05-01T00:00:00Z' },
  { id: 'mood', labels: labelBit(psy) },
  { id: 'mood-hiv', labels: labelBit(psy) | labelBit(hiv) },
  { id: 'kept', labels: labelBit(restricted) },
  { id: 'kept-mood', labels: labelBit(restricted) | labelBit(psy) },
  { id: 'kept-well', labels: labelBit(veryRestricted) },
  { id: 'summary', type: 'DocumentReference', tokens: [['type', loinc, '18842-5']] },
  { id: 'cover', type: 'Coverage' },
  { id: 'stay', type: 'Encounter', from: '2023-12-31T00:00:00Z', to: '2024-01-02T00:00:00Z' },
  { id: 'agreement', type: 'Consent', owner: 'Patient/p1' },
  { id: 'trail', type: 'AuditEvent' },
  { id: 'origin', type: 'Provenance' },
  { id: 'folder', type: 'List' },
  { id: 'scan', type: 'Binary' },
  { id: 'stranger', patient: 'p2' },
  { id: 'twin', otherPatients: ['p2'] },
  { id: 'aspirin', type: 'Medication', patient: null },
];

const ordinary = ['cover', 'glucose', 'other-hospital', 'p1', 'panel', 'pulse', 'stay', 'summary', 'undated'];

interface Case {
  readonly title: string;
  /** Provision of p1's Consent; none: nobody consented. */
  readonly given?: object;
  readonly consent?: object;
  readonly when?: PrincipalOverrides;
  readonly sees: readonly string[];
}

const cases: readonly Case[] = [
  { title: 'no Consent -> nothing', sees: [] },
  {
    title: 'a permit -> ordinary rows of that patient, neither labelled nor shared ones',
    given: permitTo(),
    sees: ordinary,
  },
  { title: 'a permit under a root deny -> the same', given: { type: 'deny', provision: [permitTo()] }, sees: ordinary },
  { title: 'a permit under a root without type -> the same', given: { provision: [permitTo()] }, sees: ordinary },
  { title: 'inactive -> nothing', given: permitTo(), consent: { status: 'inactive' }, sees: [] },
  { title: 'draft -> nothing', given: permitTo(), consent: { status: 'draft' }, sees: [] },
  { title: 'entered in error -> nothing', given: permitTo(), consent: { status: 'entered-in-error' }, sees: [] },

  // recipient: exact
  {
    title: 'another organization -> nothing',
    given: permitTo(),
    when: { organization: 'Organization/other' },
    sees: [],
  },
  {
    title: 'an organization whose id begins alike -> nothing',
    given: permitTo(),
    when: { organization: 'Organization/ai2' },
    sees: [],
  },
  {
    title: 'an organization whose id is a beginning -> nothing',
    given: permitTo(),
    when: { organization: 'Organization/a' },
    sees: [],
  },
  { title: 'the client as Device -> seen', given: permitTo({ actor: [recipient('Device/ai')] }), sees: ordinary },
  { title: 'another client as Device -> nothing', given: permitTo({ actor: [recipient('Device/ai9')] }), sees: [] },
  {
    title: 'two recipients -> each',
    given: permitTo({ actor: [recipient('Organization/x'), recipient()] }),
    sees: ordinary,
  },

  // purpose: exact, all of them
  { title: 'another purpose -> nothing', given: permitTo(), when: { purpose: ['HRESCH'] }, sees: [] },
  { title: 'ETREAT is not TREAT', given: permitTo(), when: { purpose: ['ETREAT'] }, sees: [] },
  { title: 'no purpose -> nothing', given: permitTo(), when: { purpose: [] }, sees: [] },
  {
    title: 'two purposes, one permitted -> nothing',
    given: permitTo(),
    when: { purpose: ['TREAT', 'HRESCH'] },
    sees: [],
  },
  {
    title: 'two purposes, both permitted -> seen',
    given: permitTo({ purpose: purposes('TREAT', 'HRESCH') }),
    when: { purpose: ['TREAT', 'HRESCH'] },
    sees: ordinary,
  },
  {
    title: 'two purposes, permitted by two rules -> what both cover',
    given: {
      type: 'deny',
      provision: [
        permitTo({ class: classes('Observation') }),
        permitTo({ purpose: purposes('HRESCH'), class: classes('Patient', 'Observation') }),
      ],
    },
    when: { purpose: ['TREAT', 'HRESCH'] },
    sees: ['glucose', 'other-hospital', 'panel', 'pulse', 'undated'],
  },

  // dimensions of a permit
  { title: 'class -> that type', given: permitTo({ class: classes('Encounter') }), sees: ['stay'] },
  {
    title: 'code -> what is about it, not what mentions it',
    given: permitTo({
      code: [{ coding: [{ system: loinc, code: '2345-7' }] }, { coding: [{ system: loinc, code: '8480-6' }] }],
    }),
    sees: ['glucose'],
  },
  {
    title: 'the code in another system -> nothing',
    given: permitTo({ code: [{ coding: [{ system: 'urn:x', code: '2345-7' }] }] }),
    sees: [],
  },
  { title: 'label -> rows with that label and no other', given: permitTo({ securityLabel: [psy] }), sees: ['mood'] },
  {
    title: 'two labels -> rows with any of them and no other, none without',
    given: permitTo({ securityLabel: [psy, hiv] }),
    sees: ['mood', 'mood-hiv'],
  },
  {
    title: 'confidentiality N -> ordinary rows; beside a label, those with the label too',
    given: permitTo({ securityLabel: [normal, psy] }),
    sees: [...ordinary, 'mood'].toSorted(),
  },
  {
    title: 'confidentiality R is a high water mark -> R and below, nothing sensitive, nothing above',
    given: permitTo({ securityLabel: [restricted] }),
    sees: [...ordinary, 'kept'].toSorted(),
  },
  {
    title: 'confidentiality V and a label -> all that has no other label',
    given: permitTo({ securityLabel: [veryRestricted, psy] }),
    sees: [...ordinary, 'kept', 'kept-mood', 'kept-well', 'mood'].toSorted(),
  },
  {
    title: 'a deny of R closes R and above, alone and beside a label',
    given: {
      type: 'deny',
      provision: [permitTo({ securityLabel: [veryRestricted, psy] }), { type: 'deny', securityLabel: [restricted] }],
    },
    sees: [...ordinary, 'mood'].toSorted(),
  },
  {
    title: 'a deny inside a permit for ordinary and labelled rows closes both',
    given: permitTo({
      securityLabel: [normal, psy],
      class: classes('Observation', 'Encounter'),
      provision: [{ type: 'deny', class: classes('Observation') }],
    }),
    sees: ['stay'],
  },
  {
    title: 'a class of documents -> documents of that class',
    given: permitTo({ class: [{ system: loinc, code: '18842-5' }] }),
    sees: ['summary'],
  },
  {
    title: 'a class of documents and a type -> either',
    given: permitTo({ class: [...classes('Encounter'), { system: loinc, code: '18842-5' }] }),
    sees: ['stay', 'summary'],
  },
  {
    title: 'a denied class of documents -> the others',
    given: permitTo({ provision: [{ type: 'deny', class: [{ system: loinc, code: '18842-5' }] }] }),
    sees: ordinary.filter((id) => id !== 'summary'),
  },
  {
    title: 'a practitioner -> with a token that names them',
    given: permitTo({ actor: [recipient('Practitioner/x')] }),
    when: { fhirUser: 'Practitioner/x' },
    sees: ordinary,
  },
  {
    title: 'a practitioner -> not another one, nor one of their organization',
    given: permitTo({ actor: [recipient('Practitioner/x')] }),
    when: { fhirUser: 'Practitioner/y' },
    sees: [],
  },
  {
    title: 'permit > deny > permit -> the deny without its exception',
    given: permitTo({
      actor: [recipient(), recipient('Organization/other')],
      provision: [{ type: 'deny', class: classes('Encounter'), provision: [{ type: 'permit', actor: [recipient()] }] }],
    }),
    sees: ordinary,
  },
  {
    title: 'permit > deny > permit -> for the others it holds',
    given: permitTo({
      actor: [recipient(), recipient('Organization/other')],
      provision: [{ type: 'deny', class: classes('Encounter'), provision: [{ type: 'permit', actor: [recipient()] }] }],
    }),
    when: { organization: 'Organization/other' },
    sees: ordinary.filter((id) => id !== 'stay'),
  },
  {
    title: 'source -> what that hospital wrote',
    given: permitTo({ actor: [recipient(), custodian('Organization/clinic')] }),
    sees: ['other-hospital'],
  },
  {
    title: 'data period -> rows wholly inside, undated ones outside',
    given: permitTo({ dataPeriod: { start: '2024-01-01' } }),
    sees: ['glucose', 'other-hospital'],
  },
  {
    title: 'data period with an end -> rows before it',
    given: permitTo({ dataPeriod: { end: '2023-06' } }),
    sees: ['pulse'],
  },
  {
    title: 'instance -> that one',
    given: permitTo({ data: [{ meaning: 'instance', reference: { reference: 'Observation/glucose' } }] }),
    sees: ['glucose'],
  },
  {
    title: 'an instance of the same id and another type -> nothing',
    given: permitTo({ data: [{ meaning: 'instance', reference: { reference: 'Condition/glucose' } }] }),
    sees: [],
  },
  { title: 'not yet valid -> nothing', given: permitTo({ period: { start: '2999-01-01' } }), sees: [] },
  { title: 'LEAKS 29: ended by the clock -> nothing', given: permitTo({ period: { end: '2020-01-01' } }), sees: [] },
  {
    title: 'the period of the base ends its permits',
    given: { type: 'deny', period: { end: '2020' }, provision: [permitTo()] },
    sees: [],
  },
  {
    title: 'LEAKS 30: elements of two rules are never combined',
    given: {
      type: 'deny',
      provision: [permitTo({ class: classes('Encounter') }), permitTo({ purpose: purposes('HRESCH') })],
    },
    sees: ['stay'],
  },

  // denies
  {
    title: 'a nested deny of a class -> all but that',
    given: permitTo({ provision: [{ type: 'deny', class: classes('Observation') }] }),
    sees: ['cover', 'p1', 'stay', 'summary'],
  },
  {
    title: 'a nested deny of a code -> also where it is only mentioned',
    given: permitTo({ provision: [{ type: 'deny', code: [{ coding: [{ code: '8480-6' }] }] }] }),
    sees: ordinary.filter((id) => id !== 'panel'),
  },
  {
    title: 'a nested deny of a code -> also where something contained has it',
    given: permitTo({ provision: [{ type: 'deny', code: [{ coding: [{ code: 'D1' }] }] }] }),
    sees: ordinary.filter((id) => id !== 'panel'),
  },
  {
    title: 'a permit of a code -> not what only contains it',
    given: permitTo({ code: [{ coding: [{ system: 'urn:drugs', code: 'D1' }] }] }),
    sees: [],
  },
  {
    title: 'a nested deny of a data period -> rows that touch it',
    given: permitTo({ provision: [{ type: 'deny', dataPeriod: { start: '2024-01-01', end: '2024-03-31' } }] }),
    sees: ordinary.filter((id) => id !== 'stay' && id !== 'glucose'),
  },
  {
    title: 'a nested deny of a source -> all but theirs',
    given: permitTo({ provision: [{ type: 'deny', actor: [custodian('Organization/clinic')] }] }),
    sees: ordinary.filter((id) => id !== 'other-hospital'),
  },
  {
    title: 'a nested deny for another recipient -> does not touch this one',
    given: permitTo({ provision: [{ type: 'deny', actor: [recipient('Organization/other')] }] }),
    sees: ordinary,
  },
  {
    title: 'a deny of a label closes a row that has it among others',
    given: {
      type: 'deny',
      provision: [
        permitTo({ securityLabel: [psy, hiv] }),
        permitTo({ securityLabel: [psy] }),
        { type: 'deny', securityLabel: [hiv] },
      ],
    },
    sees: ['mood'],
  },

  // scope
  {
    title: 'LEAKS 52: a scope of one type -> that type',
    given: permitTo(),
    when: { scope: 'system/Coverage.rs' },
    sees: ['cover'],
  },
  { title: 'a scope without search -> nothing', given: permitTo(), when: { scope: 'system/*.r' }, sees: [] },
  {
    title: 'LEAKS 52: a granular scope -> rows with that token',
    given: permitTo(),
    when: { scope: `system/Observation.rs?category=${lab}|laboratory` },
    sees: ['glucose'],
  },
  {
    title: 'a granular scope with two parameters -> both',
    given: permitTo(),
    when: { scope: `system/Observation.rs?category=laboratory&code=8867-4,2345-7` },
    sees: ['glucose'],
  },
  {
    title: 'a granular scope that cannot be evaluated -> nothing',
    given: permitTo(),
    when: { scope: 'system/Observation.rs?code:in=http://vs' },
    sees: [],
  },
  {
    title: 'a granular scope with an unknown parameter -> nothing',
    given: permitTo(),
    when: { scope: 'system/Observation.rs?colour=red' },
    sees: [],
  },
  {
    title: 'a granular scope beside a whole one -> the union',
    given: permitTo(),
    when: { scope: 'system/Observation.rs?category=laboratory system/Patient.rs' },
    sees: ['glucose', 'p1'],
  },
  {
    title: 'a patient scope without a patient in context -> nothing',
    given: permitTo(),
    when: { scope: 'patient/*.rs' },
    sees: [],
  },
  { title: 'a user scope without a user -> nothing', given: permitTo(), when: { scope: 'user/*.rs' }, sees: [] },
  {
    title: 'LEAKS 51: the launch context of another patient -> nothing',
    given: permitTo(),
    when: { patient: 'p2' },
    sees: [],
  },
  {
    title: 'the launch context of the patient -> seen',
    given: permitTo(),
    when: { scope: 'patient/*.rs', patient: 'p1' },
    sees: ordinary,
  },

  // source
  {
    title: 'the source reads what it wrote, of every patient and of none, for treatment',
    when: { organization: 'Organization/hospital' },
    sees: rows
      .filter((row) => row.owner === undefined)
      .map((row) => row.id)
      .toSorted(),
  },
  {
    title: 'the source for payment -> nothing',
    when: { organization: 'Organization/hospital', purpose: ['HPAYMT'] },
    sees: [],
  },
  {
    title: 'the source for treatment and research -> nothing',
    when: { organization: 'Organization/hospital', purpose: ['TREAT', 'HRESCH'] },
    sees: [],
  },
  {
    title: 'the source without a purpose -> nothing',
    when: { organization: 'Organization/hospital', purpose: [] },
    sees: [],
  },

  // payment
  {
    title: 'payment -> financial rows and the Patient, whatever the Consent opens',
    given: permitTo({ purpose: purposes('HPAYMT') }),
    when: { purpose: ['HPAYMT'] },
    sees: ['cover', 'p1'],
  },
  {
    title: 'payment beside treatment -> still the minimum',
    given: permitTo({ purpose: purposes('HPAYMT', 'TREAT') }),
    when: { purpose: ['HPAYMT', 'TREAT'] },
    sees: ['cover', 'p1'],
  },

  // no key anybody may cut
  {
    title: 'LEAKS 32: PATRQT of an organization is no self access',
    when: { purpose: ['PATRQT'], fhirUser: 'Patient/p1' },
    sees: [],
  },
];

describe('visibility: who sees which row', () => {
  let database: Database;
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    given = await givenDatabase();
    database = given.database;
    for (const row of rows) await givenRow(database, row);
  });
  after(() => given.close());
  beforeEach(() => database.query(sql`truncate consent_rule, person_member, revoked_token`));

  for (const { title, given: provision, consent, when, sees } of cases) {
    it(title, async () => {
      if (provision !== undefined) await database.inTransaction((tx) => consents(tx, provision, { ...consent }));
      const principal = givenPrincipal(when);
      assert.deepEqual(await idsSeenBy(database, principal), sees.toSorted());
      // The same when the patients are known beforehand and their Consents are read once a statement.
      const known = await seenBy(database, principal, { interaction: 's', patients: ['p1', 'p2'] });
      assert.deepEqual(known, await seenBy(database, principal));
    });
  }

  it('names what decided: the Consent and its version, source, self', async () => {
    await database.inTransaction((tx) =>
      consents(tx, permitTo({ class: classes('Coverage') }), { id: 'c7', version: 3 }),
    );
    assert.deepEqual(await seenBy(database, givenPrincipal()), { cover: 'consent:c7/3' });
    const clinic = givenPrincipal({ organization: 'Organization/clinic' });
    assert.deepEqual(await seenBy(database, clinic), { 'other-hospital': 'source' });
    assert.equal((await seenBy(database, givenSelf('p1')))['glucose'], 'self');
  });

  it('self: everything of their own, labels and denies notwithstanding, nothing of others', async () => {
    await database.inTransaction((tx) => consents(tx, { type: 'deny' }));
    const own = rows.filter((row) => row.patient === undefined || row.patient === 'p1').map((row) => row.id);
    assert.deepEqual(await idsSeenBy(database, givenSelf('p1')), own.filter((id) => id !== 'twin').toSorted());
  });

  it('LEAKS 20: a third party with a permit of everything reads no Consent, AuditEvent, Provenance', async () => {
    const everything = permitTo({ class: classes('Consent', 'AuditEvent', 'Provenance', 'List', 'Binary') });
    await database.inTransaction((tx) => consents(tx, everything));
    assert.deepEqual(await idsSeenBy(database, givenPrincipal()), []);
  });

  it('LEAKS 14: a row about two patients needs both; one alone does not open it', async () => {
    const ai = givenPrincipal({ scope: 'system/Observation.rs' });
    await database.inTransaction((tx) => consents(tx, permitTo()));
    assert.ok(!(await idsSeenBy(database, ai)).includes('twin'));
    await database.inTransaction((tx) => consents(tx, permitTo(), { id: 'c2', patient: { reference: 'Patient/p2' } }));
    assert.ok((await idsSeenBy(database, ai)).includes('twin'));
    await database.inTransaction((tx) =>
      consents(tx, { type: 'deny' }, { id: 'c3', patient: { reference: 'Patient/p2' } }),
    );
    assert.ok(!(await idsSeenBy(database, ai)).includes('twin'));
  });

  it('a deny overrides permits of other Consents, written before or after it', async () => {
    const ai = givenPrincipal();
    await database.inTransaction((tx) => consents(tx, { type: 'deny', actor: [recipient()] }, { id: 'c2' }));
    await database.inTransaction((tx) => consents(tx, permitTo(), { id: 'c1' }));
    assert.deepEqual(await idsSeenBy(database, ai), []);
    await database.inTransaction((tx) => consents(tx, { type: 'deny' }, { id: 'c2', version: 2, status: 'inactive' }));
    assert.deepEqual(await idsSeenBy(database, ai), ordinary);
  });

  it('LEAKS 21: a deleted row is there for its source and the patient alone', async () => {
    await database.inTransaction((tx) => consents(tx, permitTo({ class: classes('Encounter') })));
    await database.query(sql`update resource set is_deleted = true where id = 'stay'`);
    assert.deepEqual(await idsSeenBy(database, givenPrincipal()), []);
    assert.ok((await idsSeenBy(database, givenSelf('p1'))).includes('stay'));
    assert.ok((await idsSeenBy(database, givenPrincipal({ organization: 'Organization/hospital' }))).includes('stay'));
    await database.query(sql`update resource set is_deleted = false where id = 'stay'`);
  });

  it('LEAKS 6: revoking ends a grant with the next statement', async () => {
    const ai = givenPrincipal();
    await database.inTransaction((tx) => consents(tx, permitTo()));
    assert.deepEqual(await idsSeenBy(database, ai), ordinary);
    await database.inTransaction((tx) => consents(tx, permitTo(), { version: 2, status: 'inactive' }));
    assert.deepEqual(await idsSeenBy(database, ai), []);
  });

  it('a new version replaces the rules of the one before', async () => {
    await database.inTransaction((tx) => consents(tx, permitTo()));
    await database.inTransaction((tx) => consents(tx, permitTo({ class: classes('Coverage') }), { version: 2 }));
    assert.deepEqual(await seenBy(database, givenPrincipal()), { cover: 'consent:c1/2' });
  });

  it('LEAKS 33: linked records: self and launch context cover them, an older permit does not, a new one does', async () => {
    await database.inTransaction((tx) => consents(tx, permitTo()));
    await database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now() from unnest(array['p1', 'p2']) as patient`);
    const observations = { scope: 'system/Observation.rs' };
    assert.ok((await idsSeenBy(database, givenSelf('p1'))).includes('stranger'));
    assert.ok((await idsSeenBy(database, givenSelf('p2'))).includes('twin'));
    assert.ok(!(await idsSeenBy(database, givenPrincipal(observations))).includes('stranger'));
    await database.inTransaction((tx) => consents(tx, permitTo(), { version: 2 }));
    assert.ok((await idsSeenBy(database, givenPrincipal(observations))).includes('stranger'));
    assert.ok((await idsSeenBy(database, givenPrincipal({ ...observations, patient: 'p2' }))).includes('glucose'));
  });

  it('a revoked token sees nothing from the next statement', async () => {
    await database.query(sql`
      insert into revoked_token (jti, issuer, expires_at) values ('jti-1', 'https://hub.test', now() + interval '1 hour')`);
    assert.deepEqual(await idsSeenBy(database, givenSelf('p1')), []);
    assert.notDeepEqual(await idsSeenBy(database, givenSelf('p1', { jti: 'jti-2' })), []);
  });

  it('LEAKS 54: one text for every principal of a kind, whatever they may see', () => {
    const text = (principal: PrincipalOverrides): string =>
      render(visibility(givenPrincipal(principal), { interaction: 's' }).where('r')).text;
    assert.equal(text({}), text({ organization: 'Organization/unknown', clientId: 'x', jti: 'y' }));
    assert.equal(text({ scope: 'system/Patient.rs' }), text({ scope: 'system/Patient.rs system/Encounter.rs' }));
  });

  it('rows of patients the statement does not ask for are not opened by Consent', async () => {
    await database.inTransaction((tx) => consents(tx, permitTo()));
    assert.deepEqual(await idsSeenBy(database, givenPrincipal(), { interaction: 's', patients: ['p2'] }), []);
  });

  it('an operator sees no clinical row', async () => {
    const operator = givenPrincipal({ scope: 'hub/ops', isOperator: true, purpose: [], organization: undefined });
    assert.deepEqual(await idsSeenBy(database, operator), []);
  });
});
