/** Overlays of many hospitals in one process: how long they take to load, what they hold, how many programs they are. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import { type Maps, openMaps, type OverlayText } from '../../src/mapping/maps.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { type Result, round } from '../lib/result.ts';

const overlays = 200;
const endpoints = 3_600;
const shared = 20;

/** A hospital's own codes, a field that stands elsewhere, a rule of its own, and a Z segment: each hospital's differ. */
function overlay(hospital: number): OverlayText {
  const text = `partner: hospital-${hospital}
changes:
  - vocab: administrative-sex
    codes: { '1': male, '2': female, H${hospital}: unknown }
  - vocab: hospital-service
    codes: { W${hospital}: { code: SUR, display: Surgical Service } }
  - move: pid-patient/PID-12
    to: 'Patient.address[0].state'
  - replace: pid-patient/PID-5
    rule: { id: PID-5, from: PID-5, each: true, to: 'Patient.name[]', as: fullName }
  - add: pv1-encounter
    rule:
      id: ZPV-2
      from: ZPV-2
      to: 'Encounter.extension[].valueString'
      with: { url: 'https://hospital-${hospital}.example/bed-class' }
  - key: visit
    from: [[PV1-19 as identifier], [PV1-50 as identifier], [PID-18 as identifier]]
`;
  return { hash: createHash('sha256').update(text).digest('hex'), name: `hospital-${hospital}.yaml`, text };
}

const message = [
  'MSH|^~\\&|HIS|HOSPA|HUB|HUB|20240506103015+0800||ADT^A01^ADT_A01|A1|P|2.5.1',
  'PID|1||P1^^^HOSPA^MR||Lin Mei||19800101|1|||8 Lake Road^^Hangzhou^^310000',
  'PV1|1|I|W7^R2^B3^HOSPA||||7001^Song^Lan||||||||||||V1^^^HOSPA^VN',
  'ZPV|1|first',
].join('\r');

function assign(maps: Maps, names: number, texts: readonly OverlayText[]): void {
  const all = Array.from({ length: names }, (_, index) => [`endpoint-${index}`, texts[index % texts.length]] as const);
  maps.assign(new Map(all));
}

/** One message for each, so that code made on first use is counted too. */
function use(maps: Maps, names: number): void {
  for (let index = 0; index < names; index++) {
    const context = { endpoint: `endpoint-${index}`, owner: 'Organization/bench', zone: '+08:00' };
    mapMessage(maps.forEndpoint(context.endpoint), parseMessage(message), context);
  }
}

function heapMB(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

export async function measure(): Promise<Result[]> {
  const maps = openMaps(join(import.meta.dirname, '..', '..', 'mappings'));
  use(maps, 1);
  const texts = Array.from({ length: overlays }, (_, index) => overlay(index));
  const before = heapMB();
  const started = process.cpuUsage();
  assign(maps, overlays, texts);
  const { user, system } = process.cpuUsage(started);
  const loaded = heapMB();
  use(maps, overlays);
  const used = heapMB();

  const many = openMaps(join(import.meta.dirname, '..', '..', 'mappings'));
  assign(many, endpoints, texts.slice(0, shared));
  const programs = new Set(Array.from({ length: endpoints }, (_, index) => many.forEndpoint(`endpoint-${index}`)));
  return [
    {
      work: `loading ${overlays} overlays, processor time`,
      figure: round((user + system) / 1_000_000, 3),
      unit: 's',
      target: 1,
      isMaximum: true,
    },
    {
      work: `heap of ${overlays} overlays, each used`,
      figure: round(used - before, 1),
      unit: 'MB',
      target: 50,
      isMaximum: true,
      note: `${round(loaded - before, 1)} MB before their first message`,
    },
    {
      work: `programs of ${endpoints} endpoints that share ${shared} overlays`,
      figure: programs.size,
      unit: 'programs',
      target: shared,
      isMaximum: true,
    },
  ];
}
