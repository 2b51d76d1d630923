/**
 * A patient takes their Consent back while 32 clients read, search, page, take everything, download an export and are told, on
 * two hub processes with several threads each. The moment the answer to the revocation has arrived is t0: whatever is asked from
 * then on shows nothing, and nobody is told anything. An answer that was decided before the revocation and is read after t0 is
 * counted, with how late it was: a record is decided by its statement, and is not called back from there.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { loadIssuerKeys } from '../../src/access/token/keys.ts';
import { issueToken, presetClaims, type Claims, type Preset } from '../../src/access/token/issue.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { given, givenDatabase } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { manifestOf } from '../given-export.ts';
import { until } from '../until.ts';
import { givenDataDir, givenHubProcess, type HubProcess } from '../hub-process.ts';
import { givenSink, type Sink } from '../feeds/subscription/sink.ts';
import { givenSubscription } from '../api/subscription/given.ts';
import { givenWebsocket, type WebsocketClient } from '../api/subscription/client.ts';

const canary = 'CANARY-of-the-patient';
const patient = 'p';
const publicUrl = 'http://127.0.0.1:8080';
/** How long clients go on asking after t0. */
const afterMs = 60;
const turnsMax = 10;

export interface Outcome {
  readonly rounds: number;
  /** Answers and notifications that showed the record while it was permitted. */
  readonly shown: number;
  /** Asked after t0, and shown all the same; told after t0. */
  readonly leaked: readonly string[];
  /** Asked before t0, read after it: how many, and how many milliseconds after t0 the last of them was whole. */
  readonly late: number;
  readonly lateMsMax: number;
  readonly asked: number;
}

type Ask = (hub: HubProcess) => Promise<string>;

export async function revokeRounds(
  rounds: number,
  report: (round: number) => void = () => undefined,
): Promise<Outcome> {
  const [database, dataDir, sink] = await Promise.all([givenDatabase(), givenDataDir(), givenSink()]);
  const env = {
    DATABASE_URL: database.url,
    HUB_DATA_DIR: dataDir.path,
    HUB_PUBLIC_URL: publicUrl,
    HUB_WORKERS: '4',
    HUB_LOG_LEVEL: 'info',
    HUB_SUBSCRIPTION_ALLOW: sink.url,
  };
  const hubs: HubProcess[] = [await givenHubProcess({ env })];
  hubs.push(await givenHubProcess({ env }));
  const sockets: WebsocketClient[] = [];
  try {
    return await new World(hubs, await tokensOf(dataDir.path), sink, sockets).run(rounds, report);
  } finally {
    await Promise.all(sockets.map((one) => one.close()));
    for (const hub of hubs) hub.signal('SIGTERM');
    await Promise.all(hubs.map((hub) => hub.ended));
    await sink.close();
    await Promise.all([database.close(), dataDir.close()]);
  }
}

type Tokens = Record<'hospital' | 'service' | 'self', string>;

async function tokensOf(dataDir: string): Promise<Tokens> {
  const keys = await loadIssuerKeys(dataDir);
  const token = (preset: Preset, claims: Partial<Claims> = {}): Promise<string> =>
    issueToken(
      keys,
      { ...presetClaims(preset), ...claims },
      {
        issuer: publicUrl,
        audience: `${publicUrl}/fhir/R4`,
        jti: randomUUID(),
        now: Math.trunc(Date.now() / 1000),
        expiresInSeconds: 3_600,
      },
    );
  return {
    hospital: await token('hospital'),
    service: await token('ai', { scope: 'system/*.rs system/Subscription.cruds' }),
    self: await token('patient', { patient, fhirUser: `Patient/${patient}` }),
  };
}

class World {
  readonly #hubs: readonly HubProcess[];
  readonly #tokens: Tokens;
  readonly #sink: Sink;
  readonly #sockets: WebsocketClient[];
  #asked = 0;
  #shown = 0;
  #late = 0;
  #lateMsMax = 0;
  #toldSoFar = 0;
  #toldAt = 0;
  readonly #looked: number[] = [];
  readonly #leaked: string[] = [];

  constructor(hubs: readonly HubProcess[], tokens: Tokens, sink: Sink, sockets: WebsocketClient[]) {
    this.#hubs = hubs;
    this.#tokens = tokens;
    this.#sink = sink;
    this.#sockets = sockets;
  }

  async run(rounds: number, report: (round: number) => void): Promise<Outcome> {
    const [first] = this.#hubs as [HubProcess];
    const record: AnyResource[] = [
      given.patient({ id: patient, family: canary }),
      ...Array.from({ length: 8 }, (_, n) => this.#observation(n)),
    ];
    for (const resource of record) await this.#put(first, resource, this.#tokens.hospital);
    await this.#consent(first, 'active');
    const clients = this.#clients(await this.#exported(first));
    await this.#subscribe(first);
    for (let round = 0; round < rounds; round++) {
      await this.#round(round, clients);
      report(round + 1);
    }
    return {
      rounds,
      asked: this.#asked,
      shown: this.#shown,
      leaked: this.#leaked,
      late: this.#late,
      lateMsMax: this.#lateMsMax,
    };
  }

  async #round(round: number, clients: readonly Ask[]): Promise<void> {
    const revoking = this.#hubs[round % 2] as HubProcess;
    await this.#consent(revoking, 'active');
    const before = this.#shown;
    const told = this.#told();
    const stop = new AbortController();
    let t0 = Number.POSITIVE_INFINITY;
    const running = clients.map(async (ask, index) => {
      const hub = this.#hubs[index % 2] as HubProcess;
      while (!stop.signal.aborted) {
        const sent = performance.now();
        const text = await ask(hub);
        const read = performance.now();
        this.#asked++;
        if (!text.includes(canary)) continue;
        this.#shown++;
        if (sent > t0) this.#leaked.push(`round ${round}, client ${index}: asked ${Math.round(sent - t0)} ms after`);
        else if (read > t0) {
          this.#late++;
          this.#lateMsMax = Math.max(this.#lateMsMax, read - t0);
        }
      }
    });
    // Each client is in the middle of something, at another place in each round; something is told meanwhile.
    await this.#put(revoking, this.#observation(round % 8, round + 1), this.#tokens.hospital);
    await this.#until(() => this.#shown >= before + clients.length && this.#told() > told);
    const writing = this.#put(revoking, this.#observation((round + 1) % 8, round + 1), this.#tokens.hospital);
    await sleep((round * 7) % 40);
    await this.#consent(revoking, 'inactive');
    t0 = performance.now();
    // What had left before is in our own sockets: so many turns of the event loop accept a connection and read it to its end.
    for (let turns = 0; turns < turnsMax; turns++) await turn();
    const toldThen = this.#told();
    await writing;
    await sleep(afterMs);
    stop.abort();
    await Promise.all(running);
    const more = this.#told() - toldThen;
    if (more > 0) this.#leaked.push(`round ${round}: ${more} told, the last ${Math.round(this.#toldAt - t0)} ms after`);
  }

  /** Bundles with the record, over both channels. Each is looked at once: what is told later must not wait for this. */
  #told(): number {
    const received = [this.#sink.received, ...this.#sockets.map(({ told }) => told)];
    for (const [channel, bundles] of received.entries()) {
      const from = this.#looked[channel] ?? 0;
      this.#looked[channel] = bundles.length;
      for (const { json, at } of bundles.slice(from)) {
        if (!JSON.stringify(json).includes(canary)) continue;
        this.#toldSoFar++;
        this.#toldAt = Math.max(this.#toldAt, at);
      }
    }
    return this.#toldSoFar;
  }

  /** 28 that ask, and four that are told. */
  #clients(files: readonly string[]): Ask[] {
    const get =
      (path: string): Ask =>
      async (hub) =>
        (await this.#send(hub, 'GET', path, this.#tokens.service)).text;
    const pages: Ask = async (hub) => {
      const first = await this.#send(hub, 'GET', `Observation?patient=${patient}&_count=3`, this.#tokens.service);
      const next = /"relation":\s*"next",\s*"url":\s*"([^"]+)"/.exec(first.text)?.[1];
      if (next === undefined) return first.text;
      // The first page was looked at by its own request: what counts is what the next one shows.
      return (await this.#send(hub, 'GET', next.slice(`${publicUrl}/fhir/R4/`.length), this.#tokens.service)).text;
    };
    const kinds: [number, (n: number) => Ask][] = [
      [8, (n) => get(`Observation/o-${n % 8}`)],
      [8, (n) => get(n % 2 === 0 ? `Observation?patient=${patient}` : 'Observation?_count=50')],
      [4, () => pages],
      [4, () => get(`Patient/${patient}/$everything`)],
      [4, (n) => get(files[n % files.length] ?? assert.fail('no file was exported'))],
    ];
    return kinds.flatMap(([count, make]) => Array.from({ length: count }, (_, n) => make(n)));
  }

  async #exported(hub: HubProcess): Promise<string[]> {
    const begun = await this.#send(hub, 'GET', 'Patient/$export?_type=Observation,Patient', this.#tokens.service, {
      prefer: 'respond-async',
    });
    const job = (begun.headers.get('content-location') ?? assert.fail(begun.text)).slice(
      `${publicUrl}/fhir/R4/`.length,
    );
    const manifest = await manifestOf(() => this.#send(hub, 'GET', job, this.#tokens.service));
    const { output } = JSON.parse(manifest.text) as { output: { url: string }[] };
    return output.map(({ url }) => url.slice(`${publicUrl}/fhir/R4/`.length));
  }

  /** Two by each channel. */
  async #subscribe(hub: HubProcess): Promise<void> {
    for (const n of [1, 2, 3, 4]) {
      const endpoint = n % 2 === 0 ? { endpoint: `${this.#sink.url}/${n}` } : {};
      const body = givenSubscription({
        ...endpoint,
        filters: [`Observation?patient=${patient}`],
        content: 'full-resource',
      });
      const made = await this.#send(hub, 'POST', 'Subscription', this.#tokens.service, {}, body);
      assert.equal(made.status, 201, made.text);
      if (n % 2 === 0) continue;
      const { id } = JSON.parse(made.text) as { id: string };
      const { text } = await this.#send(hub, 'GET', `Subscription/${id}/$get-ws-binding-token`, this.#tokens.service);
      const { parameter } = JSON.parse(text) as { parameter: { valueString: string }[] };
      const socket = await givenWebsocket(`${hub.url.replace('http', 'ws')}/fhir/R4/_ws`);
      socket.send(`bind-with-token ${parameter[0]?.valueString}`);
      this.#sockets.push(socket);
    }
    await this.#until(() => this.#sink.received.length >= 2 && this.#sockets.every(({ told }) => told.length > 0));
  }

  #observation(n: number, round = 0): AnyResource {
    return { ...given.observation({ id: `o-${n}`, patient }), note: [{ text: `${canary} ${round}` }] };
  }

  async #consent(hub: HubProcess, status: string): Promise<void> {
    const resource = { ...givenConsent(patient, 'Organization/ai-health-manager'), id: 'c', status };
    await this.#put(hub, resource, this.#tokens.self);
  }

  async #put(hub: HubProcess, resource: AnyResource, token: string): Promise<void> {
    const { status, text } = await this.#send(
      hub,
      'PUT',
      `${resource.resourceType}/${resource.id}`,
      token,
      {},
      resource,
    );
    assert.ok(status === 200 || status === 201, text);
  }

  async #send(
    hub: HubProcess,
    method: string,
    path: string,
    token: string,
    headers: Record<string, string> = {},
    body?: object,
  ): Promise<{ status: number; headers: Headers; text: string }> {
    const response = await fetch(`${hub.url}/fhir/R4/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  #until(isTrue: () => boolean): Promise<void> {
    return until('every client could see it', isTrue, () => `${this.#shown} answers, ${this.#told()} notifications`);
  }
}
