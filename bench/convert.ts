/**
 * Conversion HL7v2 -> Bundle on one core: parse, map, Bundle as an object; no database, no socket.
 * `node bench/convert.ts [--seconds N]` prints JSON and a table; `npm run bench -- convert` runs it among the others.
 *
 * The figure is the median of several rounds, by processor time: others on a shared machine take wall time, not ours.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseMessage } from '../adapters/hl7v2/message.ts';
import { toBundle } from '../src/mapping/bundle.ts';
import type { CompiledMap } from '../src/mapping/compile.ts';
import { openMaps } from '../src/mapping/maps.ts';
import { mapMessage } from '../src/mapping/run.ts';

interface Case {
  readonly work: string;
  readonly target?: number;
  /** The message number `n` of an endless, repeatable stream. */
  readonly message: (n: number) => string;
}

/**
 * As one hospital sends: patients, visits, orders, times and values are new in every message; codes, staff and beds come
 * again. The mapping keeps what those became (src/mapping/message/source.ts), so in every twentieth message the doctor is new.
 */
const doctor = (n: number): string =>
  n % newDoctorEvery === 0 ? `N${n}^Zhou^New${n}^^^^^^HOSPA` : `${1000 + (n % 97)}^Chen^Hao${n % 97}^^^^^^HOSPA`;
const newDoctorEvery = 20;

const two = (n: number): string => String(n).padStart(2, '0');
const time = (n: number): string => `20240506${two(n % 24)}${two(n % 60)}`;

const visit = (n: number): string[] => [
  `PID|1||P${n}^^^HOSPA^MR||Lin${n % 331}^Mei${n % 211}||19${30 + (n % 70)}0101|${n % 2 ? 'F' : 'M'}|||${n} Lake Road^^Hangzhou^^310000||0571${5_550_100 + n}`,
  `PV1|1|I|W${n % 13}^R${n % 20}^B${n % 40}^HOSPA||||${doctor(n)}||||||||||||V${n}^^^HOSPA^VN`,
];

const cases: readonly Case[] = [
  {
    work: 'conversion of ORU^R01 of 10 segments, one core',
    target: 10_000,
    message: (n) =>
      [
        `MSH|^~\\&|LIS|HOSPA|HUB|HUB|${time(n)}15+0800||ORU^R01^ORU_R01|R${n}|P|2.5.1`,
        ...visit(n),
        `OBR|1|PL${n}|FL${n}|24323-8^Metabolic panel^LN|||${time(n)}00|||||||||${doctor(n)}||||||${time(n)}30||LAB|F`,
        ...Array.from(
          { length: 6 },
          (_, index) =>
            `OBX|${index + 1}|NM|${2000 + ((n + index) % 60)}-3^Analyte ${(n + index) % 60}^LN||${(n % 90) + index}.50|mmol/L|3.5-5.0|N|||F|||${time(n)}00||${5000 + (n % 11)}^He^Jun^^^^^^HOSPA`,
        ),
      ].join('\r'),
  },
  {
    work: 'conversion of ADT^A01 of 7 segments, one core',
    message: (n) =>
      [
        `MSH|^~\\&|HIS|HOSPA|HUB|HUB|20240506103015+0800||ADT^A01^ADT_A01|A${n}|P|2.5.1`,
        'EVN|A01|20240506103010+0800',
        ...visit(n),
        'NK1|1|Zhang^Wei|SPO^Spouse^HL70063||05715550102',
        'AL1|1|DA|PEN^Penicillin^L|SV|Rash|20190412',
        'DG1|1||I20.0^Unstable angina^I10||20240506|A',
      ].join('\r'),
  },
  {
    work: 'conversion of ADT^A01 of 12 segments, one core',
    target: 8_000,
    message: (n) => {
      const [patient, admission] = visit(n) as [string, string];
      return [
        `MSH|^~\\&|HIS|HOSPA|HUB|HUB|${time(n)}15+0800||ADT^A01^ADT_A01|A${n}|P|2.5.1`,
        `EVN|A01|${time(n)}10+0800`,
        patient,
        `PD1|||Clinic ${n % 7}^^${n % 7}^^^HOSPA^XX|${doctor(n + 1)}`,
        `NK1|1|Zhang^Wei${n % 83}|SPO^Spouse^HL70063||0571${5_650_100 + n}`,
        `NK1|2|Lin^Bo${n % 89}|CHD^Child^HL70063|${n} Lake Road^^Hangzhou^^310000|0571${5_750_100 + n}`,
        `${admission}|||||||||||||||||||||||||${time(n)}00`,
        `PV2|||${n % 50}^Reason ${n % 50}^L|||||20240510`,
        `AL1|1|DA|PEN${n % 40}^Penicillin ${n % 40}^L|SV|Rash|20190412`,
        `AL1|2|FA|NUT${n % 20}^Nut ${n % 20}^L|MO|Hives|2015`,
        `DG1|1||I20.${n % 10}^Angina ${n % 10}^I10||${time(n)}|A`,
        `IN1|1|PLAN${n % 5}^Plan ${n % 5}|C${n % 9}|Insurer ${n % 9}||||||||20240101|20241231|||Lin^Mei|SEL|19800101||||||||||||||||||M${n}`,
      ].join('\r');
    },
  },
];

// Short rounds: on a shared machine the median of many is steadier than that of a few.
const messagesPerRound = 200;
const roundsMin = 70;
/** These rounds run before the code is compiled. */
const roundsCold = 40;

/** Messages a second of processor time in one round. */
function round(texts: readonly string[], map: CompiledMap): number {
  const context = { endpoint: 'bench', owner: 'Organization/bench', zone: 'Asia/Shanghai' };
  const before = process.cpuUsage();
  let entries = 0;
  for (const text of texts) {
    entries += (toBundle(mapMessage(map, parseMessage(text), context))['entry'] as unknown[]).length;
  }
  const { user, system } = process.cpuUsage(before);
  if (entries < texts.length) throw new Error('a Bundle without entries');
  return (texts.length * 1_000_000) / (user + system);
}

export interface Measured {
  readonly work: string;
  readonly figure: number;
  readonly unit: string;
  readonly target?: number;
  readonly note: string;
}

export async function measure({ seconds }: { readonly seconds: number }): Promise<Measured[]> {
  const map = openMaps(join(import.meta.dirname, '..', 'mappings')).forEndpoint('bench');
  return cases.map(({ work, target, message }) => {
    const rates: number[] = [];
    const endsAt = performance.now() + (seconds * 1000) / cases.length;
    for (let at = 0; performance.now() < endsAt || rates.length < roundsMin; at += messagesPerRound) {
      rates.push(
        round(
          Array.from({ length: messagesPerRound }, (_, index) => message(at + index)),
          map,
        ),
      );
    }
    const warm = rates.slice(roundsCold).toSorted((one, other) => one - other);
    const figure = Math.round(warm[Math.floor(warm.length / 2)] as number);
    return {
      work,
      figure,
      unit: 'messages/s',
      target,
      note: `median of ${warm.length} rounds of ${messagesPerRound}, processor time; best ${Math.round(warm.at(-1) as number)}`,
    };
  });
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } });
  const results = await measure({ seconds: Number(values.seconds) });
  console.log(JSON.stringify(results));
  for (const { work, figure, unit, target } of results) {
    console.log(
      `${work.padEnd(48)} ${String(figure).padStart(8)} ${unit}${target === undefined ? '' : ` (target ${target})`}`,
    );
  }
}
