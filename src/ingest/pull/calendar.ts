/**
 * When a source is asked. Slots lie an interval apart; where in the interval a source's slots lie follows from its number, so that some
 * thousands are spread evenly over it and each keeps its place. Pure.
 */

/** When it is due, and for which slot. Usually they are moments apart (jitter); a window or a wait makes it more. */
export interface Turn {
  readonly slotAt: Date;
  readonly dueAt: Date;
}

/** A time of day at which a source is not asked; `from` after `to` goes over midnight. */
export interface Window {
  /** Minutes after midnight. */
  readonly from: number;
  readonly to: number;
  readonly zone: string;
}

/** Knuth, The Art of Computer Programming 6.4: multiples of the golden ratio leave no two neighbours close, however many there are. */
const goldenRatio = 0.618_033_988_749_894_9;

const phaseOf = (endpointId: number, everyMs: number): number => Math.floor(((endpointId * goldenRatio) % 1) * everyMs);

/** The first slot after a time. */
export function slotAfter(endpointId: number, everyMs: number, after: Date): Date {
  const phase = phaseOf(endpointId, everyMs);
  return new Date((Math.floor((after.getTime() - phase) / everyMs) + 1) * everyMs + phase);
}

/** Of an interval, and in all: a remote side is not met by many hubs in the same millisecond, and neighbours stay apart. */
const jitterPart = 60;
const jitterMsMax = 1_000;

interface TurnOptions {
  readonly endpointId: number;
  readonly everyMs: number;
  readonly blackout: readonly Window[];
  /** Not before: now, the end of a wait, the source's Retry-After. */
  readonly after: Date;
}

/** The next slot. However many went by unused, it is one. */
export function nextTurn({ endpointId, everyMs, blackout, after }: TurnOptions): Turn {
  const slotAt = slotAfter(endpointId, everyMs, after);
  const jitterMs = spreadOf(endpointId, slotAt) * Math.min(everyMs / jitterPart, jitterMsMax);
  return { slotAt, dueAt: afterBlackout(blackout, new Date(slotAt.getTime() + jitterMs), endpointId) };
}

/** Beside the slots: the next try after a failure, the rest of a run that was too long. */
export function turnAfter(waitMs: number, { endpointId, blackout, after }: TurnOptions): Turn {
  // A tenth more for some: those that failed at one moment do not come back at one.
  const at = new Date(after.getTime() + waitMs * (1 + spreadOf(endpointId, after) / 10));
  const dueAt = afterBlackout(blackout, at, endpointId);
  return { slotAt: dueAt, dueAt };
}

/** From 0 to 1, the same for the same: a mixture of two numbers (the finalizer of MurmurHash3). */
function spreadOf(endpointId: number, at: Date): number {
  let hash = endpointId ^ Math.floor(at.getTime() / 1_000);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** Those that waited for the same end begin over some minutes. */
const afterBlackoutMs = 5 * 60_000;

function afterBlackout(windows: readonly Window[], at: Date, endpointId: number): Date {
  const end = blackoutEnd(windows, at);
  return end === undefined ? at : new Date(end.getTime() + spreadOf(endpointId, end) * afterBlackoutMs);
}

/** @returns when the windows around a time have ended; undefined when it lies in none, or in windows without end */
export function blackoutEnd(windows: readonly Window[], at: Date): Date | undefined {
  let end = at;
  // A window may end in another one.
  for (let step = 0; step <= windows.length; step++) {
    const inside = windows.find((window) => isInside(window, end));
    if (inside === undefined) return step === 0 ? undefined : end;
    end = new Date(end.getTime() + msUntil(inside.zone, inside.to, end));
  }
  // Windows that leave no time at all would silence the source for good; that is what pausing it is for.
  return undefined;
}

/** @returns when the next window begins, within a day; undefined without windows */
export function blackoutStart(windows: readonly Window[], at: Date): Date | undefined {
  const starts = windows.map(({ zone, from }) => at.getTime() + msUntil(zone, from, at));
  return starts.length === 0 ? undefined : new Date(Math.min(...starts));
}

function isInside({ from, to, zone }: Window, at: Date): boolean {
  const now = Math.floor(msOfDay(zone, at) / 60_000);
  return from < to ? now >= from && now < to : now >= from || now < to;
}

const dayMs = 86_400_000;

/** To the next time that clocks of the zone show this minute; on the day they are changed up to an hour wrong. */
function msUntil(zone: string, minute: number, at: Date): number {
  const ms = (minute * 60_000 - msOfDay(zone, at) + dayMs) % dayMs;
  return ms === 0 ? dayMs : ms;
}

function msOfDay(zone: string, at: Date): number {
  const parts = clockOf(zone).formatToParts(at);
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value ?? 0);
  return ((part('hour') * 60 + part('minute')) * 60 + part('second')) * 1_000 + at.getMilliseconds();
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone);
  if (clock === undefined) {
    const parts = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
    clocks.set(zone, (clock = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...parts })));
  }
  return clock;
}

/** `22:00-02:00 Asia/Shanghai`; without a zone, UTC. */
export function readWindow(text: string): Window | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)(?: (\S+))?$/.exec(text);
  if (match === null) return undefined;
  const [fromHour, fromMinute, toHour, toMinute] = match.slice(1, 5).map(Number) as [number, number, number, number];
  const [from, to, zone] = [fromHour * 60 + fromMinute, toHour * 60 + toMinute, match[5] ?? 'UTC'];
  return from !== to && isZone(zone) ? { from, to, zone } : undefined;
}

function isZone(zone: string): boolean {
  try {
    return clockOf(zone).resolvedOptions().timeZone !== undefined;
  } catch {
    return false;
  }
}
