/**
 * When an endpoint usually sends, and how long it may then be silent. Time is cut into slots of five minutes, in which something came or
 * did not: a batch of a thousand messages is one busy slot, so bursts weigh what they should. For each hour of the week the share of busy
 * slots in the last six weeks gives the rate `-ln(1 - share)`, and a silence is measured in it: an hour of a night in which nothing comes
 * weighs nothing, an hour at noon much. By the time-rescaling theorem the weights of a source that sends at random are exponential with
 * mean 1 whatever its rates, so what is unusual can be told by one number; what sends by the clock, or in bursts, has its own longest
 * silence of each week, which is learned.
 *
 * The state is a fixed number of bytes an endpoint: 1,008 hours and six weeks.
 *
 * @see Brown, Barbieri, Ventura, Kass, Frank 2002, The time-rescaling theorem and its application, Neural Computation 14:325-346
 */

export const slotMs = 300_000;
export const slotsPerHour = 12;
export const hoursPerWeek = 168;
/** Long enough for a fortnightly habit to be seen three times, short enough to forget how it was last season. */
export const weeksKept = 6;
export const hoursKept = hoursPerWeek * weeksKept;

/** Of an hour or week that nobody saw: the hub was away, or the endpoint not live. */
export const unseen = -1;

export interface Rhythm {
  /** Busy slots of each hour, 0 to 12 or {@link unseen}; the place of an hour is its number since 1970 modulo {@link hoursKept}. */
  readonly hours: Int8Array;
  /** The heaviest silence of each week that has ended, or {@link unseen}; by the number of the week modulo {@link weeksKept}. */
  readonly gaps: Float64Array;
  /** The heaviest of the week that runs. */
  gap: number;
}

export function newRhythm(): Rhythm {
  return { hours: new Int8Array(hoursKept).fill(unseen), gaps: new Float64Array(weeksKept).fill(unseen), gap: 0 };
}

export const hourOf = (ms: number): number => Math.floor(ms / (slotMs * slotsPerHour));
export const slotOf = (ms: number): number => Math.floor(ms / slotMs);

/** An hour has ended. */
export function recordHour(rhythm: Rhythm, hour: number, busySlots: number): void {
  const known = learn(rhythm);
  const place = hour % hoursKept;
  count(known, rhythm.hours[place] ?? unseen, -1);
  count(known, busySlots, 1);
  rhythm.hours[place] = busySlots;
  // The same hour of other days may be asked in its place.
  for (let one = hour % 24; one < hoursPerWeek; one += 24) known.rates[one] = NaN;
}

/** A silence has ended that was none to worry about. @returns it was the heaviest of its week so far */
export function recordGap(rhythm: Rhythm, weight: number): boolean {
  if (weight <= rhythm.gap) return false;
  rhythm.gap = weight;
  return true;
}

/** The week before `week` has ended. @param isSeen it was watched to the end */
export function endWeek(rhythm: Rhythm, week: number, isSeen: boolean): void {
  rhythm.gaps[(week - 1) % weeksKept] = isSeen ? rhythm.gap : unseen;
  rhythm.gap = 0;
}

/** A slot that is always busy is as if it were missed once in twenty: nothing is certain. */
const shareMax = 0.95;
/** Fewer weeks of an hour say too little of it: the same hour of other days is asked instead. */
const weeksForHour = 3;

interface Learned {
  /** Rates a slot, for the hours of a week (the hour's number modulo 168); NaN: not asked for since it changed. */
  readonly rates: Float64Array;
  seenHours: number;
  busySlots: number;
}

/** What follows from the hours, kept up to date as they are added: a million messages of an archive are an hour each. */
const learned = new WeakMap<Rhythm, Learned>();

function learn(rhythm: Rhythm): Learned {
  let known = learned.get(rhythm);
  if (known === undefined) {
    known = { rates: new Float64Array(hoursPerWeek).fill(NaN), seenHours: 0, busySlots: 0 };
    for (const value of rhythm.hours) count(known, value, 1);
    learned.set(rhythm, known);
  }
  return known;
}

function count(known: Learned, value: number, sign: 1 | -1): void {
  if (value === unseen) return;
  known.seenHours += sign;
  known.busySlots += sign * value;
}

function rateIn(rhythm: Rhythm, { rates }: Learned, hour: number): number {
  const hourOfWeek = hour % hoursPerWeek;
  let rate = rates[hourOfWeek] ?? NaN;
  if (Number.isNaN(rate)) rate = rates[hourOfWeek] = rateOf(rhythm, hourOfWeek);
  return rate;
}

function rateOf({ hours }: Rhythm, hourOfWeek: number): number {
  const same = seen(hours, hourOfWeek, hoursPerWeek);
  const values = same.length >= weeksForHour ? same : seen(hours, hourOfWeek % 24, 24);
  return -Math.log(1 - Math.min(trimmedMean(values) / slotsPerHour, shareMax));
}

function seen(hours: Int8Array, from: number, step: number): number[] {
  const values: number[] = [];
  for (let place = from; place < hoursKept; place += step) {
    const value = hours[place] ?? unseen;
    if (value !== unseen) values.push(value);
  }
  return values;
}

/** Without the largest, where there are enough: one week of catching up is not the rule. Never the median: of a source that sends now and then it is 0. */
function trimmedMean(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sum = values.reduce((total, value) => total + value, 0);
  if (values.length <= weeksForHour) return sum / values.length;
  return (sum - Math.max(...values)) / (values.length - 1);
}

/** The longest silence that is weighed; a longer one weighs no more. */
const weighedSlotsMax = 3 * hoursPerWeek * slotsPerHour;

/** What the slots from `from` up to, not including, `to` weigh together. */
export function weigh(rhythm: Rhythm, from: number, to: number): number {
  const known = learn(rhythm);
  let weight = 0;
  for (let slot = from; slot < Math.min(to, from + weighedSlotsMax);) {
    const hour = Math.floor(slot / slotsPerHour);
    const next = Math.min((hour + 1) * slotsPerHour, to);
    weight += (next - slot) * rateIn(rhythm, known, hour);
    slot = next;
  }
  return weight;
}

/** The slot in which a silence that began at `from` weighs as much as `limit`; undefined when it does not within three weeks. */
export function slotAtWeight(rhythm: Rhythm, from: number, limit: number): number | undefined {
  const known = learn(rhythm);
  let weight = 0;
  for (let slot = from; slot < from + weighedSlotsMax;) {
    const hour = Math.floor(slot / slotsPerHour);
    const next = (hour + 1) * slotsPerHour;
    const rate = rateIn(rhythm, known, hour);
    if (rate > 0 && weight + (next - slot) * rate > limit) return slot + Math.floor((limit - weight) / rate);
    weight += (next - slot) * rate;
    slot = next;
  }
  return undefined;
}

/** So that each hour of the week was seen twice, and a silence over its border once. */
const weeksToLearn = 2;
/** Busier than a test message or two. */
const busySlotsToLearn = 5;

/**
 * The weight beyond which a silence is unusual for this endpoint; undefined while that is being learned.
 *
 * Above the heaviest of the weeks by what they differ, so that what sends by the clock is missed soon, and what sends at random is given
 * the room that its own luck has shown; the fewer weeks there are, the more of it. test/watch/rhythm.test.ts has what comes of it.
 */
export function limitOf(rhythm: Rhythm): number | undefined {
  const { seenHours, busySlots } = learn(rhythm);
  const weeks = [...rhythm.gaps].filter((gap) => gap !== unseen);
  const isNew = seenHours < weeksToLearn * hoursPerWeek || busySlots < busySlotsToLearn || weeks.length < weeksToLearn;
  if (isNew) return undefined;
  const highest = Math.max(...weeks, rhythm.gap);
  const spread = highest - Math.min(...weeks);
  return highest * (1 + spareShare) + spread * (1 + weeksKept / weeks.length) + spare;
}
const spareShare = 0.25;
const spare = 0.5;
