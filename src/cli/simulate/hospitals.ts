/** Invented hospitals and the habits that make interfaces hard: charset, zone, codes, acknowledgment mode. */

export interface Hospital {
  /** MSH-4, and the assigning authority of its record numbers. */
  readonly facility: string;
  readonly name: string;
  /** The organization that owns what the hospital sends. */
  readonly organization: `Organization/${string}`;
  /** MSH-3. */
  readonly application: string;
  readonly charset: 'GB18030' | 'UTF-8' | 'ISO-8859-1';
  /** MSH-18 as this hospital fills it (HL70211). */
  readonly declaredCharset: string;
  readonly tongue: 'zh' | 'de';
  readonly version: '2.4' | '2.5.1' | '2.6';
  /** Local time is this far from UTC. */
  readonly offset: '+0800' | '+0100';
  /** False: times go out without the zone, and the hub must know the endpoint's. */
  readonly sendsZone: boolean;
  readonly zone: string;
  /** OBX-3: LOINC, a local code, or the local code with LOINC as its alternate. */
  readonly codes: 'loinc' | 'local' | 'both';
  /** Where the resident identity number stands: a repetition of PID-3, or PID-19 as older systems have it. */
  readonly nationalIdIn: 'PID-3' | 'PID-19';
  /** False: the whole name stands in PID-5.1, family name first. */
  readonly splitsNames: boolean;
  /** Enhanced mode asks for CA/CE in MSH-15, original mode for AA/AE. */
  readonly isEnhancedMode: boolean;
  /** How far its clock is ahead of the right time (negative: behind): shows in MSH-7, EVN-2 and when results were reported. */
  readonly clockMs?: number;
}

type Habit = Omit<Hospital, 'facility' | 'name' | 'organization'>;

const habits: readonly [Habit, Habit, Habit] = [
  {
    application: 'HIS',
    charset: 'GB18030',
    declaredCharset: 'GB 18030-2000',
    tongue: 'zh',
    version: '2.4',
    offset: '+0800',
    sendsZone: false,
    zone: 'Asia/Shanghai',
    codes: 'both',
    nationalIdIn: 'PID-3',
    splitsNames: true,
    isEnhancedMode: false,
  },
  {
    application: 'ESB',
    charset: 'UTF-8',
    declaredCharset: 'UNICODE UTF-8',
    tongue: 'zh',
    version: '2.5.1',
    offset: '+0800',
    sendsZone: true,
    zone: 'Asia/Shanghai',
    codes: 'loinc',
    nationalIdIn: 'PID-3',
    splitsNames: true,
    isEnhancedMode: true,
  },
  {
    application: 'KIS',
    charset: 'ISO-8859-1',
    declaredCharset: '8859/1',
    tongue: 'de',
    version: '2.6',
    offset: '+0100',
    sendsZone: true,
    zone: 'Europe/Berlin',
    codes: 'local',
    nationalIdIn: 'PID-3',
    splitsNames: true,
    isEnhancedMode: false,
  },
];

const names = {
  zh: ['云栖市第一人民医院', '青禾市中心医院', '望川市中医院', '临澜市妇幼保健院'],
  de: ['Klinikum Sonnfeld', 'St. Birgitta Altenbrück', 'Krankenhaus Grünhöhe'],
};

/** The three hospitals of the demo: one that writes GB18030, one UTF-8, one ISO 8859-1. */
export const demoHospitals: readonly [Hospital, Hospital, Hospital] = [
  { facility: 'HOSPA', name: '云栖市第一人民医院', organization: 'Organization/hospital-a', ...habits[0] },
  { facility: 'HOSPB', name: '青禾市中心医院', organization: 'Organization/hospital-b', ...habits[1] },
  { facility: 'HOSPC', name: 'Klinikum Sonnfeld', organization: 'Organization/hospital-c', ...habits[2] },
];

/** Hospital number `index` of a simulation; every fourth of the Chinese ones keeps to older habits. */
export function hospitalAt(index: number): Hospital {
  const habit = habits[index % habits.length] as Habit;
  const pool = names[habit.tongue];
  const isOld = habit.tongue === 'zh' && index % 4 === 3;
  const number = String(index + 1).padStart(4, '0');
  return {
    facility: `SIM${number}`,
    name: `${pool[index % pool.length]} ${number}`,
    organization: `Organization/sim-${number}`,
    ...habit,
    ...(isOld ? { nationalIdIn: 'PID-19', codes: 'local', splitsNames: false } : {}),
  };
}
