/** What a person has allowed: the list they read, and the end they may put to each of it at any time. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { OAuthProblem } from './oauth.ts';
import { findGrant } from './app-grant.ts';
import { end, recordOf, type AppTokens } from './app-tokens.ts';
import type { SignedIn } from './people.ts';
import { seal, unseal, type Sealing } from './sealed.ts';

export interface OwnGrant {
  readonly id: string;
  /** Of the app. */
  readonly name: string;
  readonly patient: string | null;
  readonly fhirUser: string;
  readonly scopes: readonly string[];
  readonly grantedAt: Date;
  /** Goes back with the form that ends it. */
  readonly sealed: string;
}

/** Nobody reads a longer list; the oldest go first when apps come and go. */
const listedMax = 200;
const kind = 'end-of-grant';

/** What an app can still use: by a refresh token, or an access token that lives. Newest first. */
export async function listOwnGrants(server: AppTokens & Sealing, session: SignedIn): Promise<readonly OwnGrant[]> {
  const rows = await selectLive(server.db, server.issuer, session.accountId);
  return Promise.all(
    rows.map(async (row) => ({ ...row, sealed: await seal(server, kind, { grant: row.id }, session) })),
  );
}

function selectLive(db: Tx, issuer: string, account: string): Promise<Omit<OwnGrant, 'sealed'>[]> {
  return db.query(sql`
    select app_grant.id, coalesce(client.name, app_grant.client) as name, app_grant.patient,
      app_grant.fhir_user as "fhirUser", app_grant.scopes, app_grant.granted_at as "grantedAt"
    from app_grant left join client on client.issuer = app_grant.issuer and client.id = app_grant.client
    where app_grant.account = ${account} and app_grant.issuer = ${issuer} and app_grant.ended_at is null
      and ((app_grant.refresh_hash is not null and app_grant.expires_at > now())
        or exists (select from app_token where app_token.grant_id = app_grant.id and app_token.expires_at > now()))
    order by app_grant.granted_at desc, app_grant.id limit ${listedMax}`);
}

/** Ends one of their own, from the next statement on. @throws OAuthProblem for the person: the page is too old, or not theirs */
export async function endOwnGrant(server: AppTokens & Sealing, sealed: string, session: SignedIn): Promise<void> {
  const content = await unseal<{ grant: string }>(server, kind, sealed, session);
  const grant = content && (await findGrant(server.db, content.grant));
  if (grant === undefined || grant.account !== session.accountId) {
    throw new OAuthProblem('invalid_request', 'the page was open for too long, or belongs to another session');
  }
  await end(server, grant);
  await recordOf(server, 'token-revoke', grant);
}

/** Apps that may still ask for these records, whoever allowed them. */
export async function readGrantsOn(
  db: Tx,
  patients: readonly string[],
): Promise<Pick<OwnGrant, 'name' | 'scopes' | 'grantedAt'>[]> {
  return db.query(sql`
    select coalesce(client.name, app_grant.client) as name, app_grant.scopes, app_grant.granted_at as "grantedAt"
    from app_grant left join client on client.issuer = app_grant.issuer and client.id = app_grant.client
    where app_grant.patient = any(${patients}::text[]) and app_grant.ended_at is null
      and ((app_grant.refresh_hash is not null and app_grant.expires_at > now())
        or exists (select from app_token where app_token.grant_id = app_grant.id and app_token.expires_at > now()))
    order by app_grant.granted_at desc, app_grant.id limit ${listedMax}`);
}
