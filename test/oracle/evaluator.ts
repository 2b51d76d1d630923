/**
 * The decision model as a page of plain code: who may see a record, one rule after the other, each with the sentence it comes
 * from (docs/consent.md, proxies.md, break-glass.md, sensitive-data.md, http.md; DESIGN.md, "Access"). It reads the Consents and
 * records themselves, in all their versions, and knows nothing of rules as rows, of bits or of SQL. Slow and obvious on purpose:
 * whatever the hub answers is held against it.
 */
import { containedIn, codesAbout, codesMentioned, labelsOf, patientsIn, subjectOf, timeOf } from './reading.ts';
import {
  elements,
  personOf,
  type Asking,
  type Element,
  type Shown,
  type World,
  type WrittenConsent,
  type WrittenRecord,
} from './model.ts';
import { reaches, rulesIn, type Span, type StatedRule } from './provisions.ts';
import { standingOf } from './standing.ts';

/** "AuditEvent, Consent, Provenance, Group, List, Binary and the like are never opened to third parties." */
const neverOpened = ['Consent', 'Provenance', 'Group', 'List', 'Binary'];
/** "Payment (HPAYMT) gets financial resources and a minimal Patient, whatever a Consent opens." */
const financial = ['Account', 'ChargeItem', 'Claim', 'Coverage', 'ExplanationOfBenefit', 'Invoice'];
/** "Purposes follow the hierarchy of v3-PurposeOfUse where it closes, never where it opens." */
const kindsOf: Readonly<Record<string, readonly string[]>> = {
  TREAT: ['ETREAT'],
  HRESCH: ['CLINTRCH'],
  HPAYMT: ['COVAUTH'],
  PATRQT: ['FAMRQT'],
};
const withKinds = (purposes: readonly string[]): string[] =>
  purposes.flatMap((purpose) => [purpose, ...(kindsOf[purpose] ?? [])]);

export type Verdict = 'seen' | 'gone' | 'hidden';

/**
 * What a read answers: "hidden and unknown are the same 404; deleted is 410 to its owner and the patient".
 * @param version of the past, counted from 0; absent: the record as it is
 */
export function judge(asking: Asking, record: WrittenRecord, world: World, version?: number): Verdict {
  if (!sees(asking, shownOf(record, version), world)) return 'hidden';
  return record.isDeleted && version === undefined ? 'gone' : 'seen';
}

/** What a search finds: what a read shows, where the scope lets search. */
export function finds(asking: Asking, record: WrittenRecord, world: World): boolean {
  return !record.isDeleted && sees(asking, shownOf(record), world, 's');
}

function shownOf(record: WrittenRecord, version = record.versions.length - 1): Shown {
  const isPast = version < record.versions.length - 1 || record.isDeleted;
  return { ...record, shown: record.versions[version] as Shown['shown'], isPast };
}

/** "allow = token valid AND scope covers AND (self OR source OR break-glass OR consent); default deny." */
function sees(asking: Asking, record: Shown, world: World, interaction: 'r' | 's' = 'r'): boolean {
  if (record.shown.resourceType === 'Binary') return interaction === 'r' && seesBinary(asking, record, world);
  return covers(asking, record, interaction) && inContext(asking, record, world) && may(asking, record, world);
}

function may(asking: Asking, record: Shown, world: World): boolean {
  const self = selfOf(asking);
  if (self !== undefined) return isOwn(self, record, world) && asProxy(asking, record, world);
  if (isSource(asking, record)) return true;
  // "A row of no patient is its source's alone", and a deleted one is of "its owner and the patient".
  if (record.isDeleted || patientsOf(record).length === 0) return false;
  return isGrantable(asking, record) && (breaksGlass(asking, record, world) || consented(asking, record, world));
}

// Scope

/** "Scopes SMART v2 with granular queries"; by codes only the current version is seen. */
function covers({ scopes }: Asking, { shown, isPast }: Shown, interaction: 'r' | 's'): boolean {
  return scopes.some((scope) => {
    const [, type, letters = '', query] = /^\w+\/(\*|\w+)\.(\w+)(?:\?(.*))?$/.exec(scope) ?? [];
    if ((type !== '*' && type !== shown.resourceType) || !letters.includes(interaction)) return false;
    if (query === undefined) return true;
    const [param = '', value] = query.split('=');
    const codings = elements(shown, param).flatMap((concept) => elements(concept, 'coding'));
    return !isPast && codings.some(({ code }) => code === value);
  });
}

/** "`patient` (launch context)": that patient's records, and those linked to them. */
function inContext({ patient }: Asking, record: Shown, world: World): boolean {
  return patient === undefined || personOf(world, patient).includes(subjectOf(record) ?? '');
}

// Self, and who acts for the patient

/** "Self: purpose PATRQT, no organization, fhirUser = the patient"; a proxy's is "fhirUser the RelatedPerson, patient the patient". */
function selfOf({ organization, purposes, user = '', patient }: Asking): string | undefined {
  if (organization !== undefined || purposes.join() !== 'PATRQT') return undefined;
  const [type, id] = user.split('/');
  return type === 'Patient' ? id : type === 'RelatedPerson' ? patient : undefined;
}

/** "Sees everything of their own, denies never lock them out"; of a record about several, all must be them. */
function isOwn(self: string, record: Shown, world: World): boolean {
  const own = personOf(world, self);
  const named = patientsOf(record);
  return named.length > 0 && named.every((patient) => own.includes(patient));
}

/** "It acts as the patient's own would, in that one record." Everybody else is not limited by this. */
function asProxy(asking: Asking, record: Shown, world: World): boolean {
  const { user = '', patient = '' } = asking;
  if (!user.startsWith('RelatedPerson/')) return true;
  const standing = standingOf(world, user, patient);
  if (standing === 'none') return false;
  const rules = world.consents.flatMap((consent) => rulesFor(consent, record, world));
  const named = rules.filter(
    ({ recipients, purposes }) =>
      recipients?.includes(user) &&
      (purposes === undefined || purposes.some((one) => ['PATRQT', 'FAMRQT'].includes(one))),
  );
  // "Any patient may deny a proxy by name. A deny to everybody is none to proxies."
  if (named.some((rule) => rule.isDeny && isDenied(rule, record, world))) return false;
  if (standing === 'whole') return true;
  // From 14: "see what is not private; neither Consents nor the access log".
  if (record.shown.resourceType === 'Consent') return false;
  // "Private is what bears any sensitive label but GDIS, SCA, COGN and DVD."
  if (labelsOf(record, world).every((label) => ['GDIS', 'SCA', 'COGN', 'DVD'].includes(label))) return true;
  // "A minor opens some of it by a Consent that names the RelatedPerson as recipient, for FAMRQT or PATRQT, with the securityLabel."
  return named.some((rule) => !rule.isDeny && isPermitted(rule, record, world));
}

// Source

/** "The organization that wrote a record reads it for TREAT and HOPERAT"; each purpose of the token must be covered. */
function isSource({ organization, purposes }: Asking, { owner }: WrittenRecord): boolean {
  return organization === owner && purposes.length > 0 && purposes.every((one) => one === 'TREAT' || one === 'HOPERAT');
}

/** "A Binary should be considered to have the same access" as the document that is its security context (R4 binary.html#security). */
function seesBinary(asking: Asking, binary: Shown, world: World): boolean {
  if (!covers(asking, binary, 'r')) return false;
  if (isSource(asking, binary) && asking.patient === undefined) return true;
  const context = (binary.shown['securityContext'] as Element | undefined)?.['reference'];
  const document = world.records.find(
    ({ key, owner, isDeleted }) => key === context && owner === binary.owner && !isDeleted,
  );
  return document !== undefined && sees(asking, shownOf(document), world);
}

// What no Consent opens

function isGrantable({ purposes }: Asking, record: Shown): boolean {
  const type = record.shown.resourceType;
  const inside = containedIn(record);
  if (neverOpened.includes(type)) return false;
  if (!withKinds(['HPAYMT']).some((one) => purposes.includes(one))) return true;
  // "For payment what is inside must be financial too."
  return [type === 'Patient' ? 'Coverage' : type, ...inside].every((one) => financial.includes(one));
}

// Break-glass

/** "The record as consent could open it, of that person, without sensitive records. Those open by their labels, asked for by name." */
function breaksGlass(asking: Asking, record: Shown, world: World): boolean {
  const { window, purposes } = asking;
  if (window === undefined || purposes.join() !== 'ETREAT') return false;
  const person = personOf(world, window.patient);
  if (!patientsOf(record).every((patient) => person.includes(patient))) return false;
  if (!labelsOf(record, world).every((label) => window.labels.includes(label))) return false;
  // "A deny for ETREAT, in a rule that does not name TREAT, says that they want none in an emergency either, and holds."
  return !deniesOf(asking, record, world).some(
    (rule) => rule.purposes?.includes('TREAT') === false && isDenied(rule, record, world),
  );
}

// Consent

/** "All patients of a row must permit"; "several purposes in a token: all must be covered"; "deny overrides whatever its date". */
function consented(asking: Asking, record: Shown, world: World): boolean {
  const { purposes } = asking;
  if (purposes.length === 0) return false;
  if (deniesOf(asking, record, world).some((rule) => isDenied(rule, record, world))) return false;
  return patientsOf(record).every((patient) =>
    purposes.every((purpose) =>
      world.consents
        // "A record linked later is covered by the permits once the Consent is written again."
        .filter(({ coveredThen }) => coveredThen.includes(patient))
        .flatMap((consent) => rulesIn(consent.resource, world.now))
        .some(
          (rule) =>
            !rule.isDeny &&
            // "A permit names its recipient and its purpose, exactly."
            rule.recipients?.some((one) => namesOf(asking).includes(one)) &&
            rule.purposes?.includes(purpose) &&
            isPermitted(rule, record, world),
        ),
    ),
  );
}

/** Denies that speak of this caller: "to the actors it names, or to everybody"; of any purpose of the token, kinds included. */
function deniesOf(asking: Asking, record: Shown, world: World): StatedRule[] {
  return world.consents
    .flatMap((consent) => rulesFor(consent, record, world))
    .filter(
      ({ isDeny, recipients, purposes }) =>
        isDeny &&
        (recipients === undefined || recipients.some((one) => namesOf(asking).includes(one))) &&
        (purposes === undefined || purposes.some((one) => asking.purposes.includes(one))),
    );
}

/** "`Organization/x`, `Practitioner/y`, or `Device/` and the client id." */
function namesOf({ organization, client, user = '' }: Asking): string[] {
  return [
    `Device/${client}`,
    ...(organization === undefined ? [] : [organization]),
    ...(user.startsWith('Practitioner/') ? [user] : []),
  ];
}

/** Those of a Consent that is about one of the record's patients. "A record linked later is covered by the denies." */
function rulesFor(consent: WrittenConsent, record: Shown, world: World): StatedRule[] {
  const [, patient = ''] = String((consent.resource['patient'] as Element)['reference']).split('/');
  const person = personOf(world, patient);
  return rulesIn(consent.resource, world.now, withKinds).filter(({ isDeny }) =>
    patientsOf(record).some((one) => (isDeny ? person : consent.coveredThen).includes(one)),
  );
}

/** "Each element of provision narrows; a record must meet all of one rule, never parts of two." */
function isPermitted(rule: StatedRule, record: Shown, world: World): boolean {
  const { classes, codes, labels, data } = rule;
  const marks = labelsOf(record, world);
  const isMarked =
    marks.length === 0
      ? // "Sensitive records are closed unless a permit names their labels. A permit with labels opens no ordinary record",
        // but "N is the ordinary records, R what is marked R and everything below, V all three".
        labels === undefined || labels.includes('N')
      : // "... opens records with any of them and with no other."
        marks.every((mark) => labels?.includes(mark));
  return (
    isMarked &&
    // "A class that is permitted opens it only with the classes inside."
    (classes === undefined ||
      (isOfClass(record, classes, false) && containedIn(record).every((one) => classes.includes(one)))) &&
    // "What the record is about"; its codes are those of the current version, and it "is seen as it is, not as it was".
    (codes === undefined || (!record.isPast && codesAbout(record).some((code) => codes.includes(code)))) &&
    // "Clinical date wholly inside; undated records (a Patient, for one) are outside."
    (data === undefined || isWithin(timeOf(record), data)) &&
    isNamed(rule, record)
  );
}

/** A deny is as wide as a permit is narrow, less what the exception inside of it opens. */
function isDenied(rule: StatedRule, record: Shown, world: World): boolean {
  const { classes, codes, labels, data } = rule;
  const marks = labelsOf(record, world);
  return (
    // "In a deny: any of them"; one that takes over the ordinary records takes over all.
    (labels === undefined || labels.includes('N') || marks.some((mark) => labels.includes(mark))) &&
    // "A class that is denied hides" what contains it.
    // "Of a deleted record nobody knows any more what it was about."
    (classes === undefined ||
      record.isDeleted ||
      isOfClass(record, classes, true) ||
      containedIn(record).some((one) => classes.includes(one))) &&
    // "In a deny, also where it is only mentioned"; "where some code is denied, it is seen as it is, not as it was".
    (codes === undefined ||
      record.isDeleted ||
      record.isPast ||
      codesMentioned(record).some((code) => codes.includes(code))) &&
    // "In a deny: any overlap."
    (data === undefined || reaches(timeOf(record), data)) &&
    isNamed(rule, record)
  );
}

/** "Resource types, and classes of documents by LOINC code (`DocumentReference` and `Composition` with that type or category)." */
function isOfClass(record: Shown, classes: readonly string[], isDeny: boolean): boolean {
  const { resourceType } = record.shown;
  if (classes.includes(resourceType)) return true;
  if (resourceType !== 'DocumentReference') return false;
  const documents = classes.filter((one) => one.includes('-'));
  // Its class is a code: of the current version.
  return record.isPast
    ? isDeny && documents.length > 0
    : codesAbout(record).some((code) => documents.includes(code.replace('http://loinc.org|', '')));
}

/** "Single records", and "who wrote: CST". */
function isNamed({ instances, sources }: StatedRule, { key, owner }: WrittenRecord): boolean {
  return (instances?.includes(key) ?? true) && (sources?.includes(owner) ?? true);
}

const isWithin = (time: Span | undefined, data: Span): boolean =>
  time !== undefined && data.from <= time.from && time.to <= data.to;

/** "Labels, patients and dates of a record are those of all its versions." */
const patientsOf = (record: Shown): string[] => patientsIn(record.versions);
