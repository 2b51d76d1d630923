/** Texts as NTE. */
import { one, segment, type Segment } from './segment.ts';

export interface Note {
  readonly text?: string | undefined;
  /** HL70364. */
  readonly type?: string;
}

export function notes(list: readonly Note[]): Segment[] {
  return list
    .filter(({ text }) => text !== undefined && text !== '')
    .map(({ text, type }, index) =>
      segment('NTE', { 1: String(index + 1), 3: text, 4: type === undefined ? undefined : one([type, '', 'HL70364']) }),
    );
}
