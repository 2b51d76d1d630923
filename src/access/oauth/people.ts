/**
 * Who is signed in, and for whom they may act: what the authorization server asks of those who know (login/, proxy/). It knows
 * no passwords and keeps no sessions.
 */
import type { IncomingMessage } from 'node:http';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { Session, Sessions } from '../login/session.ts';
import { actsFor, type ActsFor } from '../proxy/acts-for.ts';
import type { MinorAges } from '../proxy/minor.ts';

export type SignedIn = Session;
export type { ActsFor };

export interface People {
  sessionOf(request: IncomingMessage): Promise<SignedIn | undefined>;
  /** False when the session has ended, or its account may not sign in any more. */
  isSessionLive(account: string, session: string): Promise<boolean>;
  isAccountActive(account: string): Promise<boolean>;
  /** @param now epoch milliseconds */
  actsFor(fhirUser: string, now: number): Promise<readonly ActsFor[]>;
}

export interface PeopleOptions {
  readonly db: Tx;
  readonly signIn: {
    sessionOf(request: IncomingMessage): Promise<SignedIn | undefined>;
    readonly sessions: Pick<Sessions, 'list'>;
  };
  readonly minorAges?: MinorAges | undefined;
}

export function openPeople({ db, signIn, minorAges }: PeopleOptions): People {
  const isAccountActive = async (account: string): Promise<boolean> => {
    const rows = await db.query(sql`select id from account where id = ${account} and is_active`);
    return rows.length === 1;
  };
  return {
    sessionOf: (request) => signIn.sessionOf(request),
    isAccountActive,
    isSessionLive: async (account, session) =>
      (await signIn.sessions.list(account)).some(({ id }) => id === session) && (await isAccountActive(account)),
    actsFor: (fhirUser, now) => actsFor(db, fhirUser, new Date(now), minorAges),
  };
}
