/** Asks a hub in every way that shows records, and compares each answer with what the evaluator says: sets of ids, and totals. */
import { untilExported } from '../given-export.ts';
import type { GivenHub, HubResponse } from '../given-hub.ts';
import { finds, judge, type Verdict } from './evaluator.ts';
import { elements, personOf, type Element, type World, type WrittenRecord } from './model.ts';
import { subjectOf, patientsIn } from './reading.ts';
import type { Caller } from './write.ts';

const statusOf: Readonly<Record<Verdict, number>> = { seen: 200, gone: 410, hidden: 404 };
/** Types without a patient of their own, or that are not searched here. */
const beside = ['Practitioner', 'Binary'];
const typeOf = (key: string): string => key.slice(0, key.indexOf('/'));

/** Lines that say where hub and evaluator differ; none: they agree. `count` says how many answers were compared. */
export class Questions {
  readonly differences: string[] = [];
  count = 0;
  /** Answers that showed something: a world where nothing is ever seen compares nothing. */
  shown = 0;
  readonly #hub: GivenHub;
  readonly #world: World;
  readonly #caller: Caller;

  constructor(hub: GivenHub, world: World, caller: Caller) {
    this.#hub = hub;
    this.#world = world;
    this.#caller = caller;
  }

  async askAll(): Promise<void> {
    // It takes a while to be collected.
    const exported = this.#exports();
    await Promise.all([...this.#reads(), ...this.#searches(), ...this.#everythings()]);
    await exported;
  }

  #get(path: string, headers: Record<string, string> = {}): Promise<HubResponse> {
    return this.#hub.send('GET', path, this.#caller.token, { headers });
  }

  #found(): WrittenRecord[] {
    return this.#world.records.filter((record) => finds(this.#caller.asking, record, this.#world));
  }

  #compare(question: string, actual: unknown, expected: unknown): void {
    this.count++;
    const [one, other] = [actual, expected].map((value) =>
      JSON.stringify(Array.isArray(value) ? value.map(String).toSorted((a, b) => (a < b ? -1 : 1)) : value),
    );
    if (one !== other) this.differences.push(`${question}: the hub says ${one}, the model ${other}`);
    else if (!['[]', '0', '404'].includes(one as string)) this.shown++;
  }

  #reads(): Promise<void>[] {
    const { asking } = this.#caller;
    return this.#world.records.flatMap((record) => {
      const read = async (path: string, version?: number): Promise<void> => {
        const { status } = await this.#get(path);
        // A scope that does not cover the type is a 403 before anything is asked.
        this.#compare(path, status === 403 ? 404 : status, statusOf[judge(asking, record, this.#world, version)]);
      };
      const versions = record.versions.slice(0, record.isDeleted ? undefined : -1);
      return [read(record.key), ...versions.map((_, index) => read(`${record.key}/_history/${index + 1}`, index))];
    });
  }

  #searches(): Promise<void>[] {
    const found = this.#found();
    const keysOf = (type: string, patient?: string): string[] =>
      found
        .filter(({ key }) => typeOf(key) === type)
        .filter((record) => patient === undefined || personOf(this.#world, patient).includes(subjectOf(record) ?? ''))
        .map(({ key }) => key);
    const types = [...new Set(this.#world.records.map(({ key }) => typeOf(key)))].filter(
      (type) => !beside.includes(type),
    );
    const patients = this.#world.persons.flat();
    const ofPatient = types.filter((type) => type !== 'Patient');
    const all = patients.map((patient) => `Patient/${patient}`).join(',');
    const ofAll = found.filter((record) => subjectOf(record) !== undefined);
    return [
      ...types.flatMap((type) => [
        this.#search(`${type}?_count=3`, keysOf(type)),
        this.#total(`${type}?_summary=count`, keysOf(type)),
      ]),
      ...ofPatient.flatMap((type) => [
        // Pages of several patients (LEAKS 13).
        this.#search(
          `${type}?patient=${all}&_count=2`,
          ofAll.map(({ key }) => key).filter((key) => typeOf(key) === type),
        ),
        ...patients.flatMap((patient) => [
          this.#search(`${type}?patient=Patient/${patient}`, keysOf(type, patient)),
          this.#total(`${type}?patient=Patient/${patient}&_total=accurate&_count=1`, keysOf(type, patient)),
        ]),
      ]),
      this.#search(
        `?_type=${types.join(',')}&_count=5`,
        types.flatMap((type) => keysOf(type)),
      ),
    ];
  }

  /** All pages. */
  async #search(path: string, expected: readonly string[]): Promise<void> {
    const found: string[] = [];
    let next: string | undefined = path;
    while (next !== undefined) {
      const answer: HubResponse = await this.#get(next);
      if (answer.status === 403) break;
      if (answer.status !== 200) found.push(`${answer.status}`);
      found.push(...keysIn(answer.json));
      const url = elements(answer.json, 'link').find(({ relation }) => relation === 'next')?.['url'];
      next = typeof url === 'string' ? url.slice(this.#hub.fhir.length).replace(/^\//, '') : undefined;
    }
    this.#compare(path, found, expected);
  }

  async #total(path: string, expected: readonly string[]): Promise<void> {
    const { status, json } = await this.#get(path);
    this.#compare(`${path} (total)`, status === 403 ? 0 : json['total'], expected.length);
  }

  /** The record of the person, rows of others' records that name them, and content and staff these refer to. */
  #everythings(): Promise<void>[] {
    const { asking } = this.#caller;
    // It is about a Patient, whose type the scope must cover.
    const isAsked = asking.scopes.some((scope) => /\/(\*|Patient)\.r/.test(scope));
    if (!isAsked || !asking.scopes.every((scope) => scope.endsWith('.rs'))) return [];
    return this.#world.persons.flat().map(async (patient) => {
      const person = personOf(this.#world, patient);
      // Whom it named once counts for who may see it, not for whose it is.
      const isOfPerson = (record: WrittenRecord): boolean =>
        patientsIn(record.versions.slice(-1)).some((one) => person.includes(one));
      const expected = this.#found()
        .filter(isOfPerson)
        .map(({ key }) => key);
      const { status, json } = await this.#get(`Patient/${patient}/$everything`);
      const found = status === 200 ? keysIn(json).filter((key) => !beside.includes(typeOf(key))) : [];
      this.#compare(`Patient/${patient}/$everything`, found, expected);
    });
  }

  async #exports(): Promise<void> {
    const { asking } = this.#caller;
    // An emergency is one patient's: an export collects from those who permit (docs/bulk.md).
    const isService = asking.organization !== undefined && asking.patient === undefined && asking.window === undefined;
    const isAsked = isService && asking.scopes.every((scope) => scope.endsWith('.rs'));
    if (!isAsked) return;
    const expected = this.#found().filter(
      (record) => subjectOf(record) !== undefined && !beside.includes(typeOf(record.key)),
    );
    const begun = await this.#get('Patient/$export', { prefer: 'respond-async', accept: 'application/fhir+json' });
    if (begun.status !== 202) {
      this.#compare(
        'Patient/$export',
        begun.status === 403 ? [] : begun.text,
        expected.map(({ key }) => key),
      );
      return;
    }
    const job = begun.headers.get('content-location')?.slice(this.#hub.fhir.length + 1) ?? '';
    const manifest = await untilExported(() => this.#get(job));
    const outputs = manifest.status === 200 ? elements(manifest.json, 'output') : [];
    const files = await Promise.all(outputs.map(({ url }) => this.#get(String(url).slice(this.#hub.fhir.length + 1))));
    const lines = files.flatMap(({ text }) => text.split('\n').filter((line) => line !== ''));
    const keys = lines.map((line) => keyOf(JSON.parse(line) as Element)).filter((key) => !beside.includes(typeOf(key)));
    this.#compare(
      `Patient/$export (${manifest.status})`,
      keys,
      expected.map(({ key }) => key),
    );
  }
}

const keyOf = ({ resourceType, id }: Element): string => `${String(resourceType)}/${String(id)}`;

function keysIn(bundle: Element): string[] {
  return elements(bundle, 'entry').flatMap(({ resource }) => {
    const one = resource as Element;
    return one['resourceType'] === 'OperationOutcome' ? [] : [keyOf(one)];
  });
}
