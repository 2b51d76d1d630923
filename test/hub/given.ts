/** Messages through the real conversion into a real store, for tests of what the two make of each other. */
import { parseJson } from '../../src/fhir/json.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { applyMessages } from '../../src/hub/apply.ts';
import { openConversion } from '../../src/hub/conversion.ts';
import type { Endpoint } from '../../src/ingest/contract.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { readRow } from '../../src/store/read.ts';
import type { Row } from '../../src/store/row.ts';
import { everything } from '../../src/store/visibility.ts';
import { givenDatabase } from '../given.ts';

const convert = openConversion();
let controlIds = 0;

export const hospital = { name: 'hosp', organization: 'Organization/hosp' } as Endpoint;

/** A message of these segments, from HOSP. */
export function message(event: string, segments: readonly string[], controlId = `C${++controlIds}`): string {
  return [`MSH|^~\\&|ADT|HOSP|HUB|HUB|20260301080000+0800||ADT^${event}|${controlId}|P|2.5.1`, ...segments].join('\r');
}

export function mapped(text: string, endpoint = hospital): MappedMessage {
  return convert(Buffer.from(text), endpoint);
}

/** The id that the n-th draft of a type has. */
export function idOf(text: string, type: string, index = 0): string {
  const drafts = mapped(text).drafts.filter(({ resource }) => resource.resourceType === type);
  const id = drafts[index]?.resource.id;
  if (id === undefined) throw new Error(`no ${type} in the message`);
  return id;
}

export type World = Awaited<ReturnType<typeof givenWorld>>;

export async function givenWorld() {
  const given = await givenDatabase();
  const { database } = given;
  const at = new Date('2026-03-01T00:00:00Z');
  const stored = (type: string, id: string): Promise<Row | undefined> =>
    readRow(database, everything('test'), type, id);
  return {
    database,
    close: () => given.close(),
    at,
    stored,
    /** Applies the messages in one transaction. */
    apply: (texts: readonly string[], endpoint = hospital, receivedAt = at): Promise<void> =>
      database.inTransaction((tx) =>
        applyMessages(
          tx,
          texts.map((text, index) => ({
            messageId: index,
            endpoint,
            receivedAt,
            mapped: mapped(text, endpoint),
          })),
          at,
        ),
      ),
    /** The current content; undefined when it is not there or deleted. */
    read: async (type: string, id: string): Promise<AnyResource | undefined> => {
      const row = await stored(type, id);
      return row === undefined || row.isDeleted ? undefined : (parseJson(row.body) as AnyResource);
    },
  };
}
