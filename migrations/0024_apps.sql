-- Apps of patients: who they are, what a person allowed one of them, and what is good once.

alter table client
  drop constraint client_kind_check,
  add constraint client_kind_check check (kind in ('ai', 'payment', 'hospital', 'app', 'portal', 'operator', 'other')),
  -- As a person reads it on the page where they allow it.
  add column name text,
  -- Where a person is sent back to: compared as a whole, never in part.
  add column redirect_uris text[] not null default '{}',
  -- It gets tokens bound to a key of its own only (RFC 9449 section 5.2).
  add column is_dpop_bound boolean not null default false;

-- With one of these a developer registers one app (RFC 7591): the operator says beforehand what it may be allowed at most.
create table client_ticket (
  issuer text not null,
  -- SHA-256 of the ticket, base64url.
  hash text primary key,
  scopes text[] not null,
  made_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- The app that was registered with it. Null: it was not used.
  client text
);
create index client_ticket_expires on client_ticket (expires_at);

-- What one person allowed one app for one patient: a row from the moment they said yes until nothing of it is left. Its code and
-- its refresh token are columns, so that each is used up by one update of one row: of any number sent at once one succeeds.
create table app_grant (
  id uuid primary key,
  issuer text not null,
  client text not null,
  -- Who said yes: the account, the session, and the reference of the person.
  account text not null,
  session text not null,
  person text collate "C" not null,
  authenticated_at timestamptz not null,
  methods text[] not null,
  -- For whom: the patient, and as whom of theirs the person acts (`Patient/x`, `RelatedPerson/y`).
  patient text collate "C",
  fhir_user text collate "C" not null,
  scopes text[] not null,
  nonce text,
  -- SHA-256 of the code, base64url; what its redemption must come with.
  code_hash text not null unique,
  code_challenge text not null,
  redirect_uri text not null,
  code_used_at timestamptz,
  -- The key that tokens are bound to (RFC 9449): SHA-256 thumbprint. Null: bearer tokens.
  jkt text,
  -- SHA-256 of the refresh token that is good now; an earlier one names the grant and is not this one. Null: there is none.
  refresh_hash text,
  granted_at timestamptz not null default now(),
  -- Until when its code, and later its refresh token, is good: each refresh puts it off, up to `ends_at`.
  expires_at timestamptz not null,
  ends_at timestamptz not null,
  ended_at timestamptz
);
create index app_grant_account on app_grant (account, granted_at);
create index app_grant_expires on app_grant (expires_at);

-- Access tokens of a grant, so that they end with it.
create table app_token (
  jti text primary key,
  grant_id uuid not null references app_grant (id) on delete cascade,
  expires_at timestamptz not null
);
create index app_token_grant on app_token (grant_id);
create index app_token_expires on app_token (expires_at);

-- Proofs of possession that were used (RFC 9449 section 11.1): each is good for one request.
create table dpop_proof (
  jkt text not null,
  -- SHA-256 of its `jti`, base64url.
  jti text not null,
  expires_at timestamptz not null,
  primary key (jkt, jti)
);
create index dpop_proof_expires on dpop_proof (expires_at);
