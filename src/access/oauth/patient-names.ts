/** What people call the patients among whom somebody chooses. */
import type { Tx } from '../../db.ts';
import { readRows } from '../../store/read.ts';
import { everything } from '../../store/visibility.ts';
import type { ActsFor } from './people.ts';

interface HumanName {
  readonly use?: string;
  readonly text?: string;
  readonly family?: string;
  readonly given?: readonly string[];
}

const nameCharsMax = 80;

/**
 * By id; one without a name is missing. The person may act for each of them (they are what `actsFor` answered), and sees of them
 * what they choose by: name and birth date.
 */
export async function patientNames(db: Tx, patients: readonly ActsFor[]): Promise<ReadonlyMap<string, string>> {
  const keys = patients.map(({ patient: id }) => ({ type: 'Patient', id }));
  const rows = await readRows(db, everything('whom a person may act for, to choose among'), keys);
  const names = new Map<string, string>();
  for (const { id, body, isDeleted } of rows) {
    if (isDeleted) continue;
    const { name = [], birthDate } = JSON.parse(body) as { name?: readonly HumanName[]; birthDate?: string };
    const text = nameText(name.find(({ use }) => use === 'official') ?? name[0]);
    const shown = [text, birthDate].filter((part) => part !== undefined && part !== '').join(', ');
    if (shown !== '') names.set(id, shown.slice(0, nameCharsMax));
  }
  return names;
}

/** Chinese names are written without a space, family name first. */
function nameText(name: HumanName | undefined): string | undefined {
  if (name === undefined) return undefined;
  if (name.text !== undefined) return name.text;
  const [family = '', given = ''] = [name.family, name.given?.join(' ')];
  return /\p{Script=Han}/u.test(family + given) ? family + given.replaceAll(' ', '') : `${given} ${family}`.trim();
}
