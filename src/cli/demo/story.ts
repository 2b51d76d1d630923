/**
 * The story of the demo: three hospitals send, an AI service and a payment service ask, the patient decides. Everything
 * goes over MLLP and HTTP with real tokens, and each step is checked before its line is printed.
 */
import { presetClaims, type Claims } from '../../access/token/issue.ts';
import type { AnyResource } from '../../fhir/types.ts';
import type { MllpClient } from '../../hub/mllp-client.ts';
import { isAccepted } from '../simulate/send.ts';
import { simulate } from '../simulate/stream.ts';
import { type Cast, patientName } from './cast.ts';
import { openCaller, resourcesOf, type Answer, type Caller } from './client.ts';
import { consentOf, requestOf } from './consent.ts';
import { verify, type Teller } from './teller.ts';

export interface Stage {
  readonly teller: Teller;
  readonly cast: Cast;
  readonly fhirBase: string;
  readonly opsBase: string;
  readonly now: () => Date;
  readonly connect: () => MllpClient;
  readonly tokenFor: (claims: Claims) => Promise<string>;
}

/** What the reader can go on with when the story is told. */
export interface Ending {
  /** `Patient/x` */
  readonly patient: string;
  readonly tokens: {
    readonly patient: string;
    readonly ai: string;
    readonly payment: string;
    readonly operator: string;
  };
}

/** Other patients of the same hospitals, so that the hub holds more than the one who asks. */
const otherMessages = 64;
const processedMsMax = 120_000;
const pollMs = 100;
const dayMs = 86_400_000;
const hba1c = 'http://loinc.org|4548-4';
/** Whole categories of the portal, so that the patient can go on with them there. */
const personTypes = ['Patient', 'RelatedPerson'];
const resultTypes = ['Observation', 'DiagnosticReport', 'ServiceRequest', 'Specimen'];
const aiTypes = [...personTypes, ...resultTypes, 'Condition', 'Encounter'];
const billTypes = ['Coverage', 'Claim', 'ClaimResponse', 'ExplanationOfBenefit', 'ChargeItem', 'Invoice'];
const paymentTypes = [...personTypes, ...billTypes];

export async function tellStory(stage: Stage): Promise<Ending> {
  const { teller, cast, tokenFor } = stage;
  const fhir = (token: string): Caller => openCaller(stage.fhirBase, token);
  const hospital = async (index: 0 | 1 | 2): Promise<Caller> =>
    fhir(
      await tokenFor({
        ...presetClaims('hospital'),
        client_id: `hospital-${'abc'.charAt(index)}`,
        organization: cast.hospitals[index].organization,
      }),
    );
  const tokens = {
    ai: await tokenFor(presetClaims('ai')),
    // The widest scope there is: what holds the payment service back is the hub, not its token.
    payment: await tokenFor({ ...presetClaims('payment'), scope: 'system/*.rs' }),
    operator: await tokenFor(presetClaims('operator')),
  };
  const [ai, payment] = [fhir(tokens.ai), fhir(tokens.payment)];

  teller.chapter('Records come in');
  await teller.step(() => sendLetters(stage));
  await teller.step(() => untilProcessed(stage, tokens.operator));
  let patient = '';
  await teller.step(async () => {
    const [a, b] = [await hospital(0), await hospital(1)];
    const mine = await findPatient(a, cast.mrn.a);
    const other = await findPatient(b, cast.mrn.b);
    verify(mine.id !== other.id, 'each hospital keeps a record of its own', [mine.id, other.id]);
    for (const record of [mine, other]) verify(nameOf(record) === fullName, `the name is ${fullName}`, nameOf(record));
    patient = `Patient/${mine.id}`;
    return (
      `Two hospitals know ${fullName} under two numbers, and both have the name right\n` +
      '(in GB18030 it holds the bytes \\ and |, at which a hasty parser splits)'
    );
  });
  const self = await tokenFor({
    ...presetClaims('patient'),
    patient: patient.slice('Patient/'.length),
    fhirUser: patient,
  });
  const me = fhir(self);
  await teller.step(async () => {
    const records = resourcesOf(await ok(me.get('/Patient')));
    verify(records.length === 2, 'the patient sees both of their records and nobody else', records.length);
    const values = await countOf(me, `/Observation?patient=${patient}`);
    verify(values === cast.values.a + cast.values.b, `${cast.values.a} + ${cast.values.b} laboratory values`, values);
    return `One resident number makes them one person: the patient sees ${values} laboratory values from both`;
  });
  await teller.step(async () => {
    const a = await hospital(0);
    const own = await countOf(a, `/Observation?patient=${patient}`);
    verify(own === cast.values.a, `hospital A sees its own ${cast.values.a} values`, own);
    await verifyHidden(await hospital(2), patient);
    return `Hospital A sees the ${own} values it wrote, none of hospital B; hospital C sees nothing`;
  });

  teller.chapter('Before any consent');
  await teller.step(async () => {
    await verifyHidden(ai, patient);
    return 'The AI asks for the history and gets nothing: total 0, and 404 as for a patient who does not exist';
  });

  teller.chapter('The patient decides');
  let consent: AnyResource = { resourceType: 'Consent' };
  await teller.step(async () => {
    consent = await grant(stage, me, patient, {
      recipient: 'Organization/ai-health-manager',
      recipientName: 'AI health manager',
      purpose: 'TREAT',
      types: aiTypes,
    });
    return `The patient lets the AI see results, diagnoses and visits for 30 days:\nConsent/${consent.id}`;
  });
  await teller.step(async () => {
    const values = await countOf(ai, `/Observation?patient=${patient}`);
    verify(values === cast.values.a + cast.values.b, 'the AI sees the values of both hospitals', values);
    const [latest] = resourcesOf(
      await ok(ai.get(`/Observation?patient=${patient}&code=${hba1c}&_sort=-date&_count=1`)),
    );
    const value = String((latest?.['valueQuantity'] as { value?: unknown } | undefined)?.value);
    verify(value === cast.hba1c.corrected, `the corrected HbA1c, ${cast.hba1c.corrected} %`, value);
    verify(latest?.['status'] === 'corrected', 'the value is marked corrected', latest?.['status']);
    const known = (await ok(ai.get(`/${patient}`))).body;
    verify(nameOf(known) === fullName, `the name is ${fullName}`, nameOf(known));
    return `The AI asks again about ${fullName}: ${values} values from two hospitals, HbA1c ${value} % (corrected from ${cast.hba1c.first})`;
  });
  await teller.step(async () => {
    const found = [
      await countOf(ai, `/Coverage?patient=${patient}`),
      await countOf(ai, `/AllergyIntolerance?patient=${patient}`),
    ];
    verify(
      found.every((count) => count === 0),
      'the AI sees neither insurance nor allergies',
      found,
    );
    return 'What was not granted stays hidden: insurance 0, allergies 0';
  });
  await teller.step(async () => {
    await grant(stage, me, patient, {
      recipient: 'Organization/payment-service',
      recipientName: 'Insurance payment service',
      purpose: 'HPAYMT',
      types: paymentTypes,
    });
    const coverages = await countOf(payment, `/Coverage?patient=${patient}`);
    verify(coverages === 2, 'a Coverage from each hospital', coverages);
    const clinical = [
      await countOf(payment, `/Observation?patient=${patient}`),
      await countOf(payment, `/Condition?patient=${patient}`),
    ];
    verify(
      clinical.every((count) => count === 0),
      'payment sees no clinical record',
      clinical,
    );
    const minimal = (await ok(payment.get(`/${patient}`))).body;
    verify(
      minimal['telecom'] === undefined && minimal['address'] === undefined,
      'no contact details',
      Object.keys(minimal),
    );
    return `Payment gets coverage only: ${coverages} insurance records, 0 results, 0 diagnoses, no address`;
  });

  teller.chapter('The patient changes their mind');
  await teller.step(async () => {
    const answer = await me.put(`/Consent/${consent.id}`, { ...consent, status: 'inactive' });
    verify(answer.status === 200, 'the revocation is stored', answer.status);
    await verifyHidden(ai, patient);
    return 'The patient revokes; the very next request of the AI gets nothing again: total 0 and 404';
  });
  await teller.step(async () => {
    const coverages = await countOf(payment, `/Coverage?patient=${patient}`);
    verify(coverages === 2, 'the other permission still holds', coverages);
    return `The permission for payment is another one and still holds: ${coverages} insurance records`;
  });

  teller.chapter('Who looked');
  await teller.step(() => readLog(me, `Consent/${consent.id}`));

  teller.chapter('Somebody asks');
  await teller.step(() => askForConsent(stage, me, patient));
  return { patient, tokens: { ...tokens, patient: self } };
}

/** A service the patient never heard of: it gets nothing, and may ask. Answered in the portal. */
async function askForConsent({ tokenFor, fhirBase, now }: Stage, me: Caller, patient: string): Promise<string> {
  const organization = 'Organization/research-institute';
  const institute = openCaller(
    fhirBase,
    await tokenFor({
      ...presetClaims('ai'),
      client_id: 'research-institute',
      organization,
      purpose_of_use: 'HRESCH',
      scope: 'system/*.rs system/Consent.c system/Organization.cu',
    }),
  );
  const name = 'Research institute';
  await institute.put(`/${organization}`, { resourceType: 'Organization', id: organization.split('/')[1], name });
  const asked = await institute.post(
    '/Consent/$request',
    requestOf({
      patient,
      recipient: organization,
      recipientName: name,
      purpose: 'HRESCH',
      types: [...resultTypes, 'Condition'],
      from: now(),
      until: new Date(now().getTime() + 365 * dayMs),
    }),
  );
  verify(asked.status === 201, 'the request is stored', asked.body);
  await verifyHidden(institute, patient);
  const open = resourcesOf(await ok(me.get(`/${patient}/$consent-requests`)));
  verify(open.length === 1, 'the patient finds it', open.length);
  return 'A research institute asks for results and diagnoses. It sees nothing; the patient reads, narrows, grants or declines in the portal';
}

const fullName = patientName.family + patientName.given;

async function sendLetters({ cast, connect }: Stage): Promise<string> {
  const others = simulate({ seed: 20, hospitals: cast.hospitals });
  const letters = [...cast.letters, ...Array.from({ length: otherMessages }, (_, number) => others.messageAt(number))];
  const startedAt = performance.now();
  const counts = await Promise.all(
    cast.hospitals.map(async (hospital) => {
      const client = connect();
      let accepted = 0;
      for (const { bytes } of letters.filter((letter) => letter.hospital === hospital)) {
        const { code } = await client.send(bytes);
        verify(isAccepted(code), `${hospital.facility} gets an acceptance`, code);
        accepted++;
      }
      await client.close();
      return `${hospital.name} (${hospital.charset}) ${accepted}`;
    }),
  );
  const ms = Math.round(performance.now() - startedAt);
  return (
    `${letters.length} admissions and results arrive over MLLP, each acknowledged once it is on disk (${ms} ms in all)\n` +
    counts.join(', ')
  );
}

async function untilProcessed({ opsBase }: Stage, operator: string): Promise<string> {
  const ops = openCaller(opsBase, operator);
  let counts = new Map<string, number>();
  for (const until = Date.now() + processedMsMax; Date.now() < until;) {
    const answer = await ok(ops.get('/messages'));
    const lines = answer.text.split('\n').filter((line) => line !== '');
    counts = new Map(
      Map.groupBy(lines, (line) => (JSON.parse(line) as { status: string }).status)
        .entries()
        .map(([status, group]) => [status, group.length]),
    );
    const settled = (counts.get('processed') ?? 0) + (counts.get('quarantined') ?? 0);
    if (settled > 0 && settled === lines.length) break;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  const processed = counts.get('processed') ?? 0;
  verify(counts.size === 1 && processed > 0, 'every message is processed', Object.fromEntries(counts));
  return `All ${processed} became FHIR resources; nothing in quarantine`;
}

async function findPatient(hospital: Caller, mrn: string): Promise<AnyResource> {
  const found = resourcesOf(await ok(hospital.get(`/Patient?identifier=${encodeURIComponent(mrn)}`)));
  verify(found.length === 1, `one patient with the record number ${mrn}`, found.length);
  return found[0] as AnyResource;
}

/** Hidden and unknown must be one and the same to whoever asks. */
async function verifyHidden(caller: Caller, patient: string): Promise<void> {
  for (const type of ['Observation', 'Condition', 'Encounter']) {
    const total = await countOf(caller, `/${type}?patient=${patient}`);
    verify(total === 0, `a search for ${type} finds nothing`, total);
  }
  const hidden = await caller.get(`/${patient}`);
  const unknown = await caller.get(`/${unlike(patient)}`);
  verify(hidden.status === 404, 'reading the patient is 404', hidden.status);
  verify(hidden.text === unknown.text, 'the answer is that for an unknown patient', [hidden.body, unknown.body]);
}

/** An id of the same form that nobody has. */
function unlike(reference: string): string {
  return reference.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
}

async function grant(
  { now }: Stage,
  me: Caller,
  patient: string,
  to: { recipient: string; recipientName: string; purpose: string; types: readonly string[] },
): Promise<AnyResource> {
  const from = now();
  const answer = await me.post(
    '/Consent',
    consentOf({ ...to, patient, from, until: new Date(from.getTime() + 30 * dayMs) }),
  );
  verify(answer.status === 201, 'the Consent is stored', answer.body);
  return answer.body;
}

/** The AI's requests as the patient's log has them: at first nothing shown, then history by the consent, at last nothing. */
async function readLog(me: Caller, consent: string): Promise<string> {
  const events = resourcesOf(await ok(me.get('/AuditEvent?_count=500')));
  const ofAi = requestsOf(events, 'Organization/ai-health-manager');
  const shown = ofAi.filter((request) => request.some(isShown));
  verify(ofAi.length > 0 && !shown.includes(ofAi[0] as AnyResource[]), 'at first the AI was shown nothing', ofAi[0]);
  verify(!shown.includes(ofAi.at(-1) as AnyResource[]), 'at last the AI was shown nothing', ofAi.at(-1));
  verify(shown.length === 3, 'in between it was shown results twice and the patient once', shown.length);
  verify(
    shown
      .flat()
      .filter(isShown)
      .every(({ entity }) => JSON.stringify(entity).includes(`"${consent}/_history/1"`)),
    `every such entry names ${consent}`,
    shown.flat().map(({ entity }) => entity),
  );
  const payments = requestsOf(events, 'Organization/payment-service').length;
  return (
    `The patient's log has it all: the AI asked ${ofAi.length} times and was shown something ${shown.length} times,\n` +
    `each by ${consent}; payment asked ${payments} times`
  );
}

/** The log has an entry for each record of the patient; those of one request belong together. Oldest first. */
function requestsOf(events: readonly AnyResource[], organization: string): AnyResource[][] {
  const own = events.filter((event) => JSON.stringify(event['agent']).includes(`"${organization}"`)).toReversed();
  return [...Map.groupBy(own, requestIdOf).values()];
}

/** @see https://profiles.ihe.net/ITI/BALP/ entity X-Request-Id */
function requestIdOf(event: AnyResource): string {
  const entities = (event['entity'] ?? []) as {
    type?: { code?: string };
    what?: { identifier?: { value?: string } };
  }[];
  return entities.find(({ type }) => type?.code === 'XrequestId')?.what?.identifier?.value ?? String(event.id);
}

function isShown(event: AnyResource): boolean {
  return event['outcome'] === '0';
}

function nameOf(patient: AnyResource): string {
  const [name] = (patient['name'] ?? []) as { text?: string; family?: string; given?: string[] }[];
  return (name?.family ?? '') + (name?.given ?? []).join('');
}

async function countOf(caller: Caller, path: string): Promise<number> {
  const answer = await ok(caller.get(`${path}&_total=accurate&_count=100`));
  const matches = resourcesOf(answer).length;
  verify(answer.body['total'] === matches, 'the total is that of the entries', [answer.body['total'], matches]);
  return matches;
}

async function ok(answer: Promise<Answer>): Promise<Answer> {
  const { status, body, text } = await answer;
  verify(status === 200, 'the answer is 200', { status, issue: body['issue'] });
  return { status, body, text };
}
