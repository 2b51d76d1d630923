/** Random worlds, by name only: what the ids are is decided when a world is written to a hub (write.ts). */
import fc from 'fast-check';

export const recipients = [
  'A',
  'B',
  'P',
  'h1',
  'ER',
  'Device/cA',
  'Device/cB',
  'Practitioner/d',
  'RelatedPerson/rp',
] as const;
export const types = [
  'Patient',
  'Observation',
  'Condition',
  'Encounter',
  'Coverage',
  'DocumentReference',
  'DiagnosticReport',
] as const;
export const documentClass = '34133-9';
const sensitivities = ['PSY', 'HIV', 'SDV', 'GDIS'];
const purposes = ['TREAT', 'ETREAT', 'HRESCH', 'CLINTRCH', 'HPAYMT', 'COVAUTH', 'HOPERAT'];
/** Emergencies are for registered hospitals (docs/authorization.md); the first most of all. */
const asked = ['TREAT', 'TREAT', 'TREAT', 'HRESCH', 'CLINTRCH', 'HPAYMT', 'COVAUTH', 'HOPERAT'];
const codes = ['x', 'y'];
const dates = ['2023', '2024-01', '2024-02', '2024-01-31', '2024-02-01T00:30:00+08:00', '2024-03-15T10:00:00Z'];
const current = { start: '2020-01-01', end: '2100-12-31' };
const over = { end: '2020-12-31' };
const later = { start: '2100-01-01' };

export interface RandomRecord {
  readonly type: string;
  readonly patient: number;
  /** Another patient it names. */
  readonly other?: number | undefined;
  readonly labels: readonly string[];
  readonly code?: string | undefined;
  readonly diagnosis?: string | undefined;
  readonly category?: string | undefined;
  readonly mention?: string | undefined;
  readonly contains?:
    | { readonly type: string; readonly code?: string | undefined; readonly patient?: number | undefined }
    | undefined;
  readonly date?: string | undefined;
  readonly until?: string | undefined;
  /** Later versions: what is different from then on. */
  readonly edits: readonly Partial<Omit<RandomRecord, 'edits' | 'type' | 'patient'>>[];
  readonly isDeleted: boolean;
}
export interface RandomProvision {
  readonly type: 'permit' | 'deny';
  readonly recipients?: readonly string[] | undefined;
  readonly purposes?: readonly string[] | undefined;
  readonly classes?: readonly string[] | undefined;
  readonly codes?: readonly { readonly system?: string | undefined; readonly code: string }[] | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly data?: { readonly start?: string | undefined; readonly end?: string | undefined } | undefined;
  readonly valid?: { readonly start?: string; readonly end?: string } | undefined;
  readonly source?: number | undefined;
  readonly instance?: number | undefined;
  readonly nested: readonly RandomProvision[];
}
export interface RandomConsent {
  readonly patient: number;
  readonly provision: RandomProvision;
  /** What becomes of it after everything else was written. */
  readonly fate: 'stays' | 'ends' | 'is written again';
}
export interface RandomToken {
  readonly kind: 'service' | 'hospital' | 'self' | 'proxy' | 'emergency';
  readonly organization: string;
  readonly client: string;
  readonly hasUser: boolean;
  readonly purposes: readonly string[];
  readonly scopes: readonly string[];
  readonly patient: number;
  readonly isLaunched: boolean;
  /** Of an emergency: whether a window was opened, and for which labels. */
  readonly hasWindow: boolean;
  readonly labels: readonly string[];
}
export interface RandomWorld {
  readonly ages: readonly (number | undefined)[];
  /** When which patient's record is linked to the first's: before the Consents are written, or after. */
  readonly link: 'never' | 'before' | 'after';
  readonly linked: 1 | 2;
  readonly relation: { readonly patient: number; readonly code: string; readonly isOver: boolean };
  readonly records: readonly RandomRecord[];
  readonly consents: readonly RandomConsent[];
  readonly tokens: readonly RandomToken[];
}

const one = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const some = <T>(values: readonly T[], maxLength = values.length): fc.Arbitrary<T[]> =>
  fc.subarray([...values], { minLength: 1, maxLength });
const rarely = <T>(value: fc.Arbitrary<T>, weight = 3): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const labels = fc.oneof(
  { weight: 3, arbitrary: fc.constant<string[]>([]) },
  { weight: 1, arbitrary: some([...sensitivities, 'R', 'V'], 2) },
);
/** The first patient most of all, so that rules and records meet. */
const patient = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: one([1, 2]) });

const record: fc.Arbitrary<RandomRecord> = fc.record({
  type: one([...types.slice(1), 'Observation', 'Observation', 'Condition', 'Binary', 'List', 'Practitioner']),
  patient,
  other: rarely(one([0, 1, 2]), 7),
  labels,
  code: rarely(one(codes), 1),
  diagnosis: rarely(one(['B20', 'F20.0', 'E84.0', 'J45']), 4),
  category: rarely(one(['laboratory', 'vital-signs']), 1),
  mention: rarely(one(codes), 4),
  contains: rarely(
    fc.record({
      type: one(['Observation', 'Condition', 'Coverage']),
      code: rarely(one(codes), 1),
      patient: rarely(one([0, 1, 2]), 5),
    }),
    5,
  ),
  date: rarely(one(dates), 1),
  until: rarely(one(['2024-03-20', '2024-04'])),
  edits: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc.array(
        fc.oneof(
          labels.map((changed) => ({ labels: changed })),
          rarely(one(codes), 1).map((code) => ({ code })),
          rarely(one(['laboratory', 'vital-signs']), 1).map((category) => ({ category })),
          fc.constant({ contains: undefined }),
          fc.constant({ diagnosis: undefined }),
          fc.constant({ other: undefined }),
        ),
        { minLength: 1, maxLength: 2 },
      ),
    },
  ),
  isDeleted: fc.integer({ min: 0, max: 11 }).map((n) => n === 11),
});

const valid = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 2, arbitrary: fc.constant(current) },
  { weight: 1, arbitrary: one([over, later]) },
);
const about = {
  classes: rarely(
    fc.oneof(
      { weight: 4, arbitrary: some(types) },
      { weight: 1, arbitrary: some(['DocumentReference', 'Observation', documentClass]) },
    ),
    2,
  ),
  data: rarely(
    fc.oneof(
      fc.record({ start: one(['2023-06-01', '2024', '2024-02-01']) }),
      fc.record({ end: one(['2023-12-31', '2024-02', '2024-03-31']) }),
      fc.record({ start: one(['2023', '2024-01-15']), end: one(['2024-02-15', '2024']) }),
    ),
    4,
  ),
  source: rarely(one([0, 1]), 5),
  instance: rarely(fc.integer({ min: 0, max: 8 }), 8),
  valid,
};
const permitted = fc.record({
  ...about,
  recipients: some(recipients),
  purposes: fc.oneof(
    { weight: 2, arbitrary: fc.constant(['TREAT', 'HPAYMT', 'ETREAT', 'PATRQT']) },
    { weight: 3, arbitrary: some([...purposes, 'PATRQT']) },
  ),
  codes: rarely(
    some(codes).map((all) => all.map((code) => ({ system: 'urn:codes', code }))),
    4,
  ),
  labels: rarely(some([...sensitivities, 'N', 'R', 'V'], 3), 1),
});
const denied = fc.record({
  ...about,
  recipients: rarely(
    some(
      recipients.filter((name) => name !== 'Practitioner/d'),
      3,
    ),
    1,
  ),
  purposes: rarely(some([...purposes, 'PATRQT'], 2), 1),
  codes: rarely(
    some(codes).chain((all) =>
      fc.boolean().map((has) => all.map((code) => ({ system: has ? 'urn:codes' : undefined, code }))),
    ),
    3,
  ),
  labels: rarely(some([...sensitivities, 'R', 'V'], 2), 3),
});

/** A rule of documents is a code already, and may have no other. */
const valued = <P extends Partial<RandomProvision>>(provision: P): P =>
  provision.classes?.includes(documentClass) ? { ...provision, codes: undefined } : provision;

/** A deny inside a permit, and perhaps a permit inside that: of one list that the deny has, a part that the permit covers. */
const exception = (permit: Partial<RandomProvision>): fc.Arbitrary<RandomProvision> =>
  fc
    .tuple(denied, rarely(one(['recipients', 'purposes', 'classes', 'codes', 'labels'] as const), 1))
    .map(([stated, listed]): RandomProvision => {
      const deny: RandomProvision = { ...stated, type: 'deny', nested: [] };
      const from = {
        classes: ['Observation', 'Condition'],
        codes: codes.map((code) => ({ system: 'urn:codes', code })),
      };
      const all = listed && (permit[listed] ?? (listed === 'classes' || listed === 'codes' ? from[listed] : undefined));
      const isMark = all?.some(
        (item) => typeof item === 'string' && (['N', 'R', 'V'].includes(item) || item === documentClass),
      );
      if (listed === undefined || all === undefined || all.length < 2 || isMark) return deny;
      const inner = { type: 'permit' as const, [listed]: all.slice(0, 1), nested: [] };
      return { ...deny, [listed]: all, nested: [inner] };
    })
    // What it takes over must go together with what it states.
    .map((deny) => {
      const classes = deny.classes ?? permit.classes;
      const hasDocuments = classes?.includes(documentClass) === true;
      return hasDocuments && (deny.codes ?? permit.codes) !== undefined
        ? { ...deny, classes: ['Observation'], nested: deny.nested.filter((inner) => inner.classes === undefined) }
        : deny;
    });

/** Who acts for the patient asks for nothing but what the patient does. */
const forProxies = <P extends Partial<RandomProvision>>(provision: P): P =>
  provision.recipients?.includes('RelatedPerson/rp') === true && provision.purposes?.includes('PATRQT') === false
    ? { ...provision, purposes: [...provision.purposes, 'PATRQT'] }
    : provision;

const permit: fc.Arbitrary<RandomProvision> = permitted
  .map(valued)
  .map(forProxies)
  .chain((stated) =>
    fc
      .oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(exception(stated), { minLength: 1, maxLength: 2 }) },
      )
      .map((nested): RandomProvision => ({ ...stated, type: 'permit', nested })),
  );
const deny: fc.Arbitrary<RandomProvision> = denied.map((stated) => ({
  ...valued(stated),
  type: 'deny' as const,
  nested: [],
}));
/** Provisions nest two levels below the root. */
const shallow = (outer: RandomProvision): RandomProvision => ({
  ...outer,
  nested: outer.nested.map((inner) => ({ ...inner, nested: [] })),
});
const framed: fc.Arbitrary<RandomProvision> = fc
  .record({
    valid,
    permits: fc.array(permit.map(shallow), { minLength: 1, maxLength: 2 }),
    denies: fc.array(deny, { maxLength: 1 }),
  })
  .map(({ valid: during, permits, denies }) => ({ type: 'deny', valid: during, nested: [...permits, ...denies] }));

const consent: fc.Arbitrary<RandomConsent> = fc.record({
  patient,
  provision: fc.oneof(
    { weight: 5, arbitrary: permit },
    { weight: 2, arbitrary: deny },
    { weight: 2, arbitrary: framed },
  ),
  fate: fc.oneof(
    { weight: 6, arbitrary: fc.constant('stays' as const) },
    { weight: 1, arbitrary: one(['ends', 'is written again'] as const) },
  ),
});

const token: fc.Arbitrary<RandomToken> = fc.record({
  kind: one(['service', 'service', 'service', 'hospital', 'self', 'proxy', 'emergency'] as const),
  organization: one(['A', 'B', 'P']),
  client: one(['cA', 'cB']),
  hasUser: fc.boolean(),
  purposes: fc.oneof(
    { weight: 4, arbitrary: one(asked).map((purpose) => [purpose]) },
    { weight: 1, arbitrary: some([...new Set(asked)], 2) },
  ),
  scopes: fc.oneof(
    { weight: 4, arbitrary: fc.constant(['*.rs']) },
    {
      weight: 1,
      arbitrary: some(
        [
          'Patient.rs',
          'Observation.rs',
          'Condition.rs',
          'DocumentReference.rs',
          'Binary.rs',
          'Coverage.rs',
          'Observation.r',
          'Condition.s',
          'Observation.rs?category=laboratory',
        ],
        4,
      ),
    },
  ),
  patient,
  isLaunched: fc.integer({ min: 0, max: 4 }).map((n) => n === 4),
  hasWindow: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  labels: fc.oneof(fc.constant([]), some(sensitivities, 2)),
});

export const randomWorld: fc.Arbitrary<RandomWorld> = fc.record({
  ages: fc.tuple(...[0, 1, 2].map(() => rarely(one([5, 15, 40]), 0))),
  link: one(['never', 'before', 'after'] as const),
  linked: one([1, 2] as const),
  relation: fc.record({
    patient,
    code: one(['MTH', 'POWATT', 'AUNT', 'MTH']),
    isOver: fc.integer({ min: 0, max: 5 }).map((n) => n === 5),
  }),
  records: fc.array(record, { minLength: 4, maxLength: 9 }),
  consents: fc.array(consent, { minLength: 1, maxLength: 4 }),
  tokens: fc.array(token, { minLength: 2, maxLength: 4 }),
});
