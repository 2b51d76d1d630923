-- People who sign in to the hub itself: accounts, sessions, and what slows down whoever guesses.

create table account (
  id text primary key,
  -- `Patient/x`, `RelatedPerson/x`, `Practitioner/y`. Null: an operator of the hub.
  fhir_user text collate "C",
  -- As src/access/login/account.ts folds it. Null: the person has not chosen one yet.
  login text collate "C" unique,
  -- argon2id in the PHC format. Null: there is none to sign in with.
  password text,
  -- The key of the second factor, sealed (src/access/login/seal.ts), and the last time step whose code was taken: each is good
  -- once (RFC 6238 section 5.2).
  totp_key text,
  totp_step bigint not null default 0,
  -- SHA-256 of recovery codes that were not used.
  recovery_codes text[] not null default '{}',
  -- Who vouches for the person instead: `iss` and `sub` of an external OpenID provider.
  issuer text,
  subject text,
  -- SHA-256 of the code with which the person sets up, or sets anew, how they sign in; until when it is good; and the key that
  -- is shown to them while they do, sealed.
  code text unique,
  code_expires_at timestamptz,
  code_totp_key text,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  unique (issuer, subject),
  check ((issuer is null) = (subject is null))
);
create unique index account_fhir_user on account (fhir_user) where fhir_user is not null;

create table account_session (
  -- Public: it names the session in the trail and in its owner's list. The cookie holds a secret.
  id text primary key,
  -- SHA-256 of the cookie's secret.
  secret text not null unique,
  account text not null references account (id) on delete cascade,
  -- RFC 8176.
  methods text[] not null,
  authenticated_at timestamptz not null,
  last_seen_at timestamptz not null,
  -- What the browser called itself, cut: so that its owner tells one session from another.
  agent text not null
);
create index account_session_account on account_session (account);
create index account_session_last_seen on account_session (last_seen_at);

-- Access tokens that a session has, so that they end with it.
create table account_token (
  jti text primary key,
  session text not null references account_session (id) on delete cascade,
  expires_at timestamptz not null
);
create index account_token_session on account_token (session);

-- Attempts by whom or on what, as a keyed hash: what people type into a field of names is at times a password.
create table login_attempt (
  key text primary key,
  failures int not null,
  blocked_until timestamptz not null,
  updated_at timestamptz not null
);
create index login_attempt_updated on login_attempt (updated_at);
