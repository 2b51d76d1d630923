/**
 * An attempt, and what it is counted on: the browser, when this person signed in there before; else the name that was typed, and
 * the address it came from. Why so is throttle.ts.
 */
import { Problem } from '../../fhir/problem.ts';
import type { LoginContext, Origin } from './login.ts';
import type { Sealer } from '../secrets/seal.ts';
import { addressKey, countAttempt, forgetAttempts, paces, takeBackAttempt, type Pace } from './throttle.ts';

export class TooManyAttempts extends Problem {
  /** How long to wait. */
  readonly seconds: number;
  constructor(seconds: number) {
    super('throttled', 'too many attempts', { hint: `Wait ${seconds} s.` });
    this.seconds = seconds;
  }
}

const deviceUse = 'device';

/** What a browser keeps, so that it is known to be this person's. @param before what it has now */
export function deviceCookie(sealer: Sealer, login: string, before: string | undefined): string {
  if (before !== undefined && deviceOf(sealer, login, before) !== undefined) return before;
  return sealer.seal(JSON.stringify([login, crypto.randomUUID()]), deviceUse);
}

/** Its number, when it is a browser in which this person signed in before. */
function deviceOf(sealer: Sealer, login: string, cookie: string | undefined): string | undefined {
  const text = cookie === undefined ? undefined : sealer.open(cookie, deviceUse);
  const [whose, number] = text === undefined ? [] : (JSON.parse(text) as [string, string]);
  return whose === login ? number : undefined;
}

/** Counts an attempt on a name. @throws TooManyAttempts */
export async function beginAttempt(
  context: LoginContext,
  login: string,
  { address, device }: Origin,
): Promise<{ succeeded(): Promise<void> }> {
  const { db, sealer, now } = context;
  const known = deviceOf(sealer, login, device);
  if (known !== undefined) {
    const key = sealer.mark(`device ${known}`);
    await pass(context, key, paces.device);
    return { succeeded: () => forgetAttempts(db, key) };
  }
  const addressed = await beginFrom(context, address);
  const key = sealer.mark(`name ${login}`);
  await pass(context, key, paces.name);
  return {
    succeeded: async () => {
      await forgetAttempts(db, key);
      await takeBackAttempt(db, addressed, now());
    },
  };
}

/** Counts an attempt from an address. @returns its key @throws TooManyAttempts */
export async function beginFrom(context: LoginContext, address: string): Promise<string> {
  const key = context.sealer.mark(`address ${addressKey(address)}`);
  await pass(context, key, paces.address);
  return key;
}

async function pass({ db, now }: LoginContext, key: string, pace: Pace): Promise<void> {
  const seconds = await countAttempt(db, key, pace, now());
  if (seconds !== undefined) throw new TooManyAttempts(seconds);
}
