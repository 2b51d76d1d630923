/** What the handlers of the pages share. */
import type { Login, SignedIn } from '../../access/login/login.ts';
import type { Reply, Visit } from './visit.ts';

export interface Desk {
  readonly login: Login;
  /** From now on this browser has that session. A new secret each time; what the browser had before ends. */
  readonly enter: (visit: Visit, signedIn: SignedIn) => Promise<void>;
  /** Host of the external provider, when there is one. */
  readonly external: string | undefined;
  readonly loginPath: string;
}

/** A problem of the kinds that a person can do something about becomes a page (router.ts). */
export type Handler = (visit: Visit) => Promise<Reply>;
