/** A random world becomes real: written through the API by hospitals and patients, and told to the evaluator as it was written. */
import assert from 'node:assert/strict';
import { nationalIdCheckCharacter, nationalIdSystem } from '../../src/fhir/identifiers.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { GivenHub } from '../given-hub.ts';
import { givenConsent } from '../given-consent.ts';
import type { RandomConsent, RandomProvision, RandomRecord, RandomToken, RandomWorld } from './generate.ts';
import type { Asking, World, WrittenConsent } from './model.ts';
import { icd10 } from './reading.ts';

export interface Caller {
  readonly asking: Asking;
  readonly token: string;
}
export interface Written {
  readonly world: World;
  readonly callers: readonly Caller[];
}

const actCode = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const confidentiality = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const reason = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';
const loinc = 'http://loinc.org';

/** Places for emergency departments, whose clients are registered before (hub.ts). */
export const emergencyOf = (slot: number): { client: string; organization: string } => ({
  client: `er-${slot}`,
  organization: `Organization/er-${slot}`,
});

/** @param slot makes every name its own: patients, hospitals, recipients and clients */
export async function writeWorld(hub: GivenHub, random: RandomWorld, slot: number): Promise<Written> {
  const names = namesOf(slot);
  const writing = new Writing(hub, names, random);
  await writing.patients();
  await writing.records();
  for (const [index, consent] of random.consents.entries()) await writing.consent(consent, index);
  await writing.changes();
  const callers = await Promise.all(random.tokens.map((token, index) => callerOf(hub, names, token, index)));
  return { world: writing.world(), callers };
}

/** That patient, where the hospital knows them; else whom the record is about. */
const known = (which: number, about: number): number => (hospitalOf(which) === hospitalOf(about) ? which : about);

/** A source refers to patients of its own: the first and the third are of one hospital, the second of another. */
const hospitalOf = (patient: number): 0 | 1 => (patient === 1 ? 1 : 0);

interface Names {
  readonly slot: number;
  readonly patient: (index: number) => string;
  readonly hospital: (index: number) => string;
  /** Of a recipient in generate.ts. */
  readonly actor: (name: string) => string;
  readonly id: (name: string) => string;
}

function namesOf(slot: number): Names {
  const id = (name: string): string => `s${slot}-${name}`;
  return {
    slot,
    id,
    patient: (index) => id(`p${index}`),
    hospital: (index) => `Organization/${id(`h${index}`)}`,
    actor: (name) => {
      if (name === 'ER') return emergencyOf(slot).organization;
      const [type, own] = name.split('/');
      return own === undefined ? `Organization/${id(name)}` : `${type}/${id(own)}`;
    },
  };
}

interface Versions {
  key: string;
  readonly owner: string;
  readonly versions: AnyResource[];
  isDeleted: boolean;
}

class Writing {
  readonly #hub: GivenHub;
  readonly #names: Names;
  readonly #random: RandomWorld;
  readonly #records: Versions[] = [];
  readonly #consents: { resource: AnyResource; coveredThen: readonly string[] }[] = [];
  /** By index of the random records. */
  #keys: string[] = [];
  #persons: string[][];

  constructor(hub: GivenHub, names: Names, random: RandomWorld) {
    this.#hub = hub;
    this.#names = names;
    this.#random = random;
    this.#persons = random.link === 'before' ? this.#linked() : [0, 1, 2].map((index) => [names.patient(index)]);
  }

  #linked(): string[][] {
    const { linked } = this.#random;
    return [[0, linked], [3 - linked]].map((person) => person.map(this.#names.patient));
  }

  world(): World {
    const consents: readonly WrittenConsent[] = this.#consents;
    return { records: this.#records, consents, persons: this.#persons, now: Date.now() };
  }

  async patients(): Promise<void> {
    const { patient, id } = this.#names;
    const { ages, link, linked, relation } = this.#random;
    const patients = ages.map((age, index) => ({
      resourceType: 'Patient',
      id: patient(index),
      name: [{ family: `Family-${index}` }],
      ...(age === undefined ? {} : { birthDate: `${new Date().getUTCFullYear() - age}-01-01` }),
      ...(index === 0 || (link === 'before' && index === linked) ? { identifier: [this.#nationalId()] } : {}),
    }));
    await Promise.all(
      [0, 1].map((owner) =>
        this.#put(
          owner,
          patients.filter((_, index) => hospitalOf(index) === owner),
        ),
      ),
    );
    const related = {
      resourceType: 'RelatedPerson',
      id: id('rp'),
      patient: { reference: `Patient/${patient(relation.patient)}` },
      relationship: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: relation.code }] },
      ],
      ...(relation.isOver ? { period: { start: '2010-01-01', end: '2020-12-31' } } : {}),
    };
    await this.#put(hospitalOf(relation.patient), [related]);
  }

  async records(): Promise<void> {
    const { records } = this.#random;
    this.#keys = records.map(({ type }, index) => `${type}/${this.#names.id(`r${index}`)}`);
    for (const owner of [0, 1]) {
      const own = records.flatMap((record, index) => (hospitalOf(record.patient) === owner ? [{ record, index }] : []));
      // Content lies beside its document where the hub chooses the ids.
      const documents = own.filter(({ record: { type } }) => type === 'Binary');
      for (const { record, index } of documents) await this.#document(record, index);
      const others = own.filter((each) => !documents.includes(each));
      // A result before its report.
      await this.#put(
        owner,
        others.map(({ record, index }) => this.#resource(record, index)),
      );
    }
  }

  async consent({ patient, provision }: RandomConsent, index: number): Promise<void> {
    const resource = {
      ...givenConsent(this.#names.patient(patient), 'Organization/none'),
      provision: this.#provision(provision),
    } as AnyResource;
    await this.#writeConsent(patient, { ...resource, id: this.#names.id(`c${index}`) }, true);
  }

  /** What comes after the Consents: links, further versions, deletions, ends. */
  async changes(): Promise<void> {
    const { records, consents, link, linked } = this.#random;
    if (link === 'after') {
      const [own] = this.#of(`Patient/${this.#names.patient(linked)}`).versions;
      await this.#put(hospitalOf(linked), [{ ...(own as AnyResource), identifier: [this.#nationalId()] }]);
      this.#persons = this.#linked();
    }
    for (const turn of [0, 1]) {
      for (const owner of [0, 1]) {
        const edited = records.flatMap((record, index) => {
          const edits = record.edits.slice(0, turn + 1);
          if (hospitalOf(record.patient) !== owner || edits.length <= turn || record.type === 'Binary') return [];
          return [
            this.#resource(
              edits.reduce<RandomRecord>((now, edit) => ({ ...now, ...edit }), record),
              index,
            ),
          ];
        });
        await this.#put(owner, edited);
      }
    }
    for (const [index, record] of records.entries()) {
      if (!record.isDeleted || record.type === 'Binary') continue;
      const key = this.#keys[index] as string;
      const { status, text } = await this.#hub.send('DELETE', key, await this.#hospital(hospitalOf(record.patient)));
      assert.ok(status === 204 || status === 200, text);
      this.#of(key).isDeleted = true;
    }
    for (const [index, { fate, patient }] of consents.entries()) {
      if (fate === 'stays') continue;
      const { resource } = this.#consents[index] as WrittenConsent;
      const status = fate === 'ends' ? 'inactive' : 'active';
      await this.#writeConsent(patient, { ...resource, status }, false, index);
    }
  }

  #of(key: string): Versions {
    return this.#records.find((one) => one.key === key) ?? assert.fail(key);
  }

  async #writeConsent(patient: number, resource: AnyResource, isNew: boolean, index = 0): Promise<void> {
    const id = this.#names.patient(patient);
    const token = await this.#hub.token('patient', {
      client_id: this.#names.id('app'),
      patient: id,
      fhirUser: `Patient/${id}`,
    });
    const { id: _named, ...posted } = resource;
    const answer = isNew
      ? await this.#hub.send('POST', 'Consent', token, { body: posted })
      : await this.#hub.send('PUT', `Consent/${resource.id}`, token, { body: resource });
    assert.ok(answer.status < 300, `${answer.text}\n${JSON.stringify(resource, null, 1)}`);
    const stored = answer.json as unknown as AnyResource;
    const coveredThen = this.#persons.find((person) => person.includes(id)) ?? [id];
    if (isNew) {
      this.#consents.push({ resource: stored, coveredThen });
      this.#records.push({ key: `Consent/${stored.id}`, owner: `Patient/${id}`, versions: [stored], isDeleted: false });
    } else {
      this.#consents[index] = { resource: stored, coveredThen };
      // What was written again unchanged is no version.
      const { versions } = this.#of(`Consent/${stored.id}`);
      if (stored.meta?.versionId !== versions.at(-1)?.meta?.versionId) versions.push(stored);
    }
  }

  #hospital(owner: number): Promise<string> {
    return this.#hub.token('hospital', {
      client_id: this.#names.id(`c-h${owner}`),
      organization: this.#names.hospital(owner),
    });
  }

  /** In one transaction; each becomes a record or a version of one. */
  async #put(owner: number, resources: readonly object[]): Promise<void> {
    if (resources.length === 0) return;
    const written = resources as readonly AnyResource[];
    const entry = written.map((resource) => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    }));
    const { status, text, json } = await this.#hub.send('POST', '', await this.#hospital(owner), {
      body: { resourceType: 'Bundle', type: 'transaction', entry },
    });
    assert.equal(status, 200, text);
    const results = json['entry'] as { response: { etag: string } }[];
    for (const [index, resource] of written.entries()) {
      const key = `${resource.resourceType}/${resource.id}`;
      const version = Number(/\d+/.exec(results[index]?.response.etag ?? '')?.[0]);
      const known = this.#records.find((one) => one.key === key);
      if (known === undefined) {
        this.#records.push({ key, owner: this.#names.hospital(owner), versions: [resource], isDeleted: false });
      } else if (version > known.versions.length) known.versions.push(resource);
    }
  }

  /** A DocumentReference with the labels and dates of the record, and a Binary that is its content. */
  async #document(record: RandomRecord, index: number): Promise<void> {
    const token = await this.#hospital(hospitalOf(record.patient));
    const owner = this.#names.hospital(hospitalOf(record.patient));
    const post = async (resource: AnyResource): Promise<AnyResource> => {
      const answer = await this.#hub.send('POST', resource.resourceType, token, { body: resource });
      assert.equal(answer.status, 201, answer.text);
      const stored = answer.json as unknown as AnyResource;
      this.#records.push({ key: `${stored.resourceType}/${stored.id}`, owner, versions: [stored], isDeleted: false });
      return stored;
    };
    const { id: _own, ...document } = this.#resource({ ...record, type: 'DocumentReference' }, index);
    const context = await post(document);
    const binary = await post({
      resourceType: 'Binary',
      contentType: 'text/plain',
      securityContext: { reference: `DocumentReference/${context.id}` },
      data: Buffer.from('content').toString('base64'),
    });
    this.#keys[index] = `Binary/${binary.id}`;
  }

  #nationalId(): { system: string; value: string } {
    const digits = `11010119900101${String(this.#names.slot % 1000).padStart(3, '0')}`;
    return { system: nationalIdSystem, value: `${digits}${nationalIdCheckCharacter(digits)}` };
  }

  #resource(record: RandomRecord, index: number): AnyResource {
    const { id, patient } = this.#names;
    const resource = { resourceType: record.type, id: id(`r${index}`) };
    if (record.type === 'Practitioner') return { ...resource, name: [{ family: 'Nobody' }] };
    const about = (which: number): object => ({ reference: `Patient/${patient(known(which, record.patient))}` });
    const coding = (code: string): object => ({ coding: [{ system: 'urn:codes', code }] });
    const codes = [
      ...(record.code === undefined ? [] : [{ system: 'urn:codes', code: record.code }]),
      ...(record.diagnosis === undefined ? [] : [{ system: icd10, code: record.diagnosis }]),
    ];
    const coded = { coding: codes.length === 0 ? [{ system: 'urn:codes', code: 'z' }] : codes };
    const category =
      record.category === undefined
        ? {}
        : {
            category: [
              {
                coding: [
                  { system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: record.category },
                ],
              },
            ],
          };
    const period =
      record.date === undefined
        ? undefined
        : { start: record.date, ...(record.until === undefined ? {} : { end: record.until }) };
    const { contains } = record;
    const links = [
      ...(record.other === undefined ? [] : [about(record.other)]),
      ...(contains === undefined ? [] : [{ reference: '#inner' }]),
    ];
    const common = {
      ...resource,
      ...(record.labels.length === 0 ? {} : { meta: { security: record.labels.map(labelOf) } }),
      ...(contains === undefined ? {} : { contained: [this.#contained(contains, record.patient)] }),
      ...(links.length === 0
        ? {}
        : { extension: links.map((valueReference) => ({ url: 'urn:linked', valueReference })) }),
    };
    const subject = { subject: about(record.patient) };
    const mentions = record.mention === undefined ? undefined : coding(record.mention);
    switch (record.type) {
      case 'Observation':
        return {
          ...common,
          ...subject,
          ...category,
          status: 'final',
          code: coded,
          ...(mentions === undefined ? {} : { component: [{ code: mentions, valueBoolean: true }] }),
          ...(period?.end === undefined ? period && { effectiveDateTime: record.date } : { effectivePeriod: period }),
        };
      case 'Condition':
        return {
          ...common,
          ...subject,
          code: coded,
          ...(mentions === undefined ? {} : { evidence: [{ code: [mentions] }] }),
          ...(period && { onsetDateTime: record.date }),
        };
      case 'Encounter':
        return {
          ...common,
          ...subject,
          status: 'finished',
          class: { system: actCode, code: 'AMB' },
          type: [coded],
          ...(period && { period }),
        };
      case 'Coverage':
        return {
          ...common,
          status: 'active',
          beneficiary: about(record.patient),
          payor: [{ display: 'insurer' }],
          type: coded,
          ...(period && { period }),
        };
      case 'DiagnosticReport': {
        const at = this.#random.records.findIndex(({ type }) => type === 'Observation');
        return {
          ...common,
          ...subject,
          status: 'final',
          code: coded,
          ...(at < 0 ? {} : { result: [{ reference: this.#keys[at] }] }),
          ...(period && { effectiveDateTime: record.date }),
        };
      }
      case 'DocumentReference':
        return {
          ...common,
          ...subject,
          status: 'current',
          type: record.code === 'x' ? { coding: [{ system: loinc, code: '34133-9' }] } : coded,
          content: [{ attachment: { title: 'a document' } }],
          ...(record.date?.includes('T') ? { date: record.date } : {}),
        };
      default:
        return { ...common, ...subject, status: 'current', mode: 'working', code: coded };
    }
  }

  #contained({ type, code = 'z', patient }: NonNullable<RandomRecord['contains']>, owner: number): object {
    const whose = { reference: `Patient/${this.#names.patient(known(patient ?? owner, owner))}` };
    const coded = { coding: [{ system: 'urn:codes', code }] };
    const inner = { resourceType: type, id: 'inner' };
    if (type === 'Coverage')
      return { ...inner, status: 'active', beneficiary: whose, payor: [{ display: 'insurer' }], type: coded };
    return { ...inner, ...(type === 'Observation' ? { status: 'final' } : {}), subject: whose, code: coded };
  }

  #provision(random: RandomProvision): object {
    const { hospital, actor } = this.#names;
    const role = (code: string): object => ({
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code }],
    });
    const actors = (random.recipients ?? []).map((name) => ({
      role: role('IRCP'),
      reference: { reference: actor(name) },
    }));
    if (random.source !== undefined)
      actors.push({ role: role('CST'), reference: { reference: hospital(random.source) } });
    const instance = random.instance === undefined ? undefined : this.#keys[random.instance % this.#keys.length];
    const provision = {
      type: random.type,
      period: random.valid,
      actor: actors.length === 0 ? undefined : actors,
      securityLabel: random.labels?.map(labelOf),
      purpose: random.purposes?.map((code) => ({ system: reason, code })),
      class: random.classes?.map((code) => ({
        system: code.includes('-') ? loinc : 'http://hl7.org/fhir/resource-types',
        code,
      })),
      code: random.codes?.map((coding) => ({ coding: [coding] })),
      dataPeriod: random.data,
      data: instance === undefined ? undefined : [{ meaning: 'instance', reference: { reference: instance } }],
      provision: random.nested.length === 0 ? undefined : random.nested.map((inner) => this.#provision(inner)),
    };
    return JSON.parse(JSON.stringify(provision)) as object;
  }
}

function labelOf(code: string): { system: string; code: string } {
  return { system: ['N', 'R', 'V'].includes(code) ? confidentiality : actCode, code };
}

async function callerOf(hub: GivenHub, names: Names, random: RandomToken, index: number): Promise<Caller> {
  const asking = await askingOf(hub, names, random, index);
  const token = await hub.token(undefined, claimsOf(asking, index));
  return { asking, token };
}

function claimsOf(asking: Asking, index: number): Parameters<GivenHub['token']>[1] {
  const { client, organization, user, patient, purposes, scopes } = asking;
  return {
    client_id: client,
    sub: `user-${client}-${index}`,
    scope: scopes.join(' '),
    purpose_of_use: purposes,
    ...(organization === undefined ? {} : { organization }),
    ...(user === undefined ? {} : { fhirUser: user }),
    ...(patient === undefined ? {} : { patient }),
  };
}

async function askingOf(hub: GivenHub, names: Names, random: RandomToken, index: number): Promise<Asking> {
  const { kind, patient, isLaunched } = random;
  const own = names.patient(patient);
  const prefix = kind === 'self' || kind === 'proxy' ? 'patient' : 'system';
  const scopes = random.scopes.map((scope) => `${prefix}/${scope}`);
  const person = { client: names.id('portal'), purposes: ['PATRQT'], scopes, patient: own };
  if (kind === 'self') return { ...person, user: `Patient/${own}` };
  if (kind === 'proxy') return { ...person, user: names.actor('RelatedPerson/rp') };
  if (kind === 'emergency') {
    const asking = { ...emergencyOf(names.slot), purposes: ['ETREAT'], scopes };
    if (!random.hasWindow) return asking;
    const opener = { ...asking, scopes: ['system/*.rs'] };
    const opened = await hub.send(
      'POST',
      `Patient/${own}/$break-glass`,
      await hub.token(undefined, claimsOf(opener, index)),
      {
        body: {
          resourceType: 'Parameters',
          parameter: [
            { name: 'reason-code', valueCode: 'unconscious' },
            { name: 'reason', valueString: 'brought in unconscious by ambulance' },
            ...random.labels.map((valueCode) => ({ name: 'security-label', valueCode })),
          ],
        },
      },
    );
    assert.equal(opened.status, 200, opened.text);
    return { ...asking, window: { patient: own, labels: random.labels } };
  }
  const isHospital = kind === 'hospital';
  return {
    client: names.id(isHospital ? `c-${random.client}` : random.client),
    organization: isHospital ? names.hospital(random.client === 'cA' ? 0 : 1) : names.actor(random.organization),
    ...(random.hasUser ? { user: names.actor('Practitioner/d') } : {}),
    ...(isLaunched ? { patient: own } : {}),
    purposes: random.purposes,
    scopes,
  };
}
