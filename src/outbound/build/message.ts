/** The messages the hub can send: for each, what it is built from, and the header all of them open with. */
import { Problem } from '../../fhir/problem.ts';
import { buildOrm } from './order.ts';
import { buildOru } from './report.ts';
import { buildSiu, buildSrm, siuTriggers, srmTriggers } from './schedule.ts';
import { one, segment, type Segment } from './segment.ts';
import type { Source } from './source.ts';

/** Names of MSH-3 to MSH-6. */
export interface Party {
  readonly application: string;
  readonly facility: string;
}

export interface Outgoing {
  readonly sender: Party;
  readonly receiver: Party;
  /** MSH-12, as `2.5.1`. */
  readonly version: string;
  /** MSH-18, as HL70211 names it. */
  readonly charset: string;
  /** `enhanced`: asks for an accept acknowledgment (MSH-15 AL) and none of the application (MSH-16 NE). */
  readonly ackMode: 'original' | 'enhanced';
  readonly controlId: string;
  /** The event, as `S12`. */
  readonly trigger: string;
  /** MSH-7. */
  readonly at: Date;
}

type Builder = (source: Source, outgoing: Outgoing) => Segment[];

interface Kind {
  readonly triggers: readonly string[];
  readonly build: Builder;
  /** MSH-9.3 by trigger event. @see HL70354 */
  readonly structure: (trigger: string) => string;
}

const kinds: Readonly<Record<string, Kind>> = {
  SIU: { triggers: siuTriggers, build: buildSiu, structure: () => 'SIU_S12' },
  SRM: { triggers: srmTriggers, build: buildSrm, structure: () => 'SRM_S01' },
  ORM: { triggers: ['O01'], build: buildOrm, structure: () => 'ORM_O01' },
  ORU: { triggers: ['R01'], build: buildOru, structure: () => 'ORU_R01' },
};

/** `SIU^S12` and the like. */
export const messageTypes: readonly string[] = Object.entries(kinds).flatMap(([code, { triggers }]) =>
  triggers.map((trigger) => `${code}^${trigger}`),
);

/** Of those. */
export const messageStructures: readonly string[] = [
  ...new Set(Object.values(kinds).flatMap(({ triggers, structure }) => triggers.map(structure))),
];

export interface MessageType {
  readonly code: string;
  readonly trigger: string;
  readonly structure: string;
}

/** @param text `SIU^S12`, or `SIU_S12` where a shell or an address makes `^` awkward */
export function parseMessageType(text: string): MessageType {
  const [code = '', trigger = ''] = text.split(/[\^_]/);
  const kind = kinds[code];
  if (kind === undefined || !kind.triggers.includes(trigger)) {
    throw new Problem('not-supported', 'the hub does not send this message', {
      hint: `It sends ${messageTypes.join(', ')}.`,
    });
  }
  return { code, trigger, structure: kind.structure(trigger) };
}

/** @throws Problem required for resources that the message needs and the source lacks */
export function buildMessage(type: MessageType, source: Source, outgoing: Outgoing): Segment[] {
  const { build } = kinds[type.code] as Kind;
  return [header(type, outgoing), ...build(source, outgoing)];
}

function header(type: MessageType, { sender, receiver, ...outgoing }: Outgoing): Segment {
  const isEnhanced = outgoing.ackMode === 'enhanced';
  return segment('MSH', {
    3: sender.application,
    4: sender.facility,
    5: receiver.application,
    6: receiver.facility,
    7: `${outgoing.at.toISOString().slice(0, 19).replace(/[-:T]/g, '')}+0000`,
    9: one([type.code, type.trigger, type.structure]),
    10: outgoing.controlId,
    11: 'P',
    12: outgoing.version,
    15: isEnhanced ? 'AL' : undefined,
    16: isEnhanced ? 'NE' : undefined,
    18: outgoing.charset,
  });
}
