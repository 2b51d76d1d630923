/** How a RelatedPerson stands to a patient at this moment. docs/proxies.md. */
import { elements, personOf, type Element, type World } from './model.ts';
import { dateOf, spanOf } from './provisions.ts';

/** "Ends when the child is of age (18)"; the others "with the period". */
const parents = ['PRN', 'MTH', 'FTH'];
const caregivers = ['POWATT', 'HPOWATT'];

/** Of a child "below 14: see everything; from 14, below 18: see what is not private; from 18: nothing". */
export function standingOf(world: World, user: string, patient: string): 'whole' | 'ordinary' | 'none' {
  const related = currentOf(world, user);
  if (related === undefined) return 'none';
  const ofPatient = String((related['patient'] as Element)['reference']).slice('Patient/'.length);
  // "In that one record (and the records linked to it)."
  if (!personOf(world, patient).includes(ofPatient)) return 'none';
  const period = spanOf(related['period']);
  // "In force while `active` is not false and `period` holds."
  if (related['active'] === false) return 'none';
  if (period !== undefined && (world.now < period.from || world.now >= period.to)) return 'none';
  const codes = elements(related, 'relationship')
    .flatMap((one) => elements(one, 'coding'))
    .map(({ code }) => String(code));
  if (codes.some((code) => caregivers.includes(code))) return 'whole';
  if (!codes.some((code) => parents.includes(code))) return 'none';
  const age = ageOf(currentOf(world, `Patient/${ofPatient}`)?.['birthDate'], world.now);
  return age === undefined || age >= 18 ? 'none' : age < 14 ? 'whole' : 'ordinary';
}

function currentOf({ records }: World, key: string): Element | undefined {
  const record = records.find((one) => one.key === key);
  return record === undefined || record.isDeleted ? undefined : record.versions.at(-1);
}

/** "A birth date known by month or year counts from its first day; one that is not known is none of a child." */
function ageOf(birthDate: unknown, now: number): number | undefined {
  if (birthDate === undefined) return undefined;
  const born = new Date(dateOf(birthDate as string).from);
  const at = new Date(now);
  const hadBirthday =
    at.getUTCMonth() > born.getUTCMonth() ||
    (at.getUTCMonth() === born.getUTCMonth() && at.getUTCDate() >= born.getUTCDate());
  return at.getUTCFullYear() - born.getUTCFullYear() - (hadBirthday ? 0 : 1);
}
