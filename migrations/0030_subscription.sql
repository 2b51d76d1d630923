-- Subscriptions: whom the hub tells that something has changed. The Subscription itself is a resource; here is what the hub works
-- by: under whose rights, how far it is, who sends. Ordinary tables, like the outbox cursor.

create table subscription (
  -- Of the resource.
  id text collate "C" primary key,
  -- Who made it, and alone may see and end it (src/access/creator.ts).
  creator text not null,
  -- Under whose rights each notification is decided when it is sent. Scopes and claims, no token.
  principal jsonb not null,
  -- The end of the token that made it, of a person or of a client that is not registered here; null: the registration says how
  -- long.
  bound_until timestamptz(3),
  status text not null check (status in ('requested', 'active', 'error', 'off')),
  -- As src/fhir/subscription/request.ts reads it, without header values.
  request jsonb not null,
  -- Header lines of a rest-hook: AES-256-GCM, bound to the id.
  headers bytea,
  channel text not null check (channel in ('rest-hook', 'websocket')),
  -- What was committed when it began is not told.
  started pg_snapshot not null default pg_current_snapshot(),
  ends_at timestamptz(3),
  -- Numbered events since the start. Only what its creator may see gets a number.
  events bigint not null default 0,
  -- Changes that wait, visible or not.
  pending integer not null default 0,
  -- Whether the receiver has answered the handshake.
  is_greeted boolean not null default false,
  attempts smallint not null default 0,
  sent_at timestamptz(3) not null default now(),
  -- When there is something to do; not before `retry_at`.
  due_at timestamptz(3) not null default now(),
  retry_at timestamptz(3) not null default '-infinity',
  -- Of a websocket: the connection that is bound, and until when.
  binding uuid,
  binding_until timestamptz(3),
  -- Who sends has the fence of its claim; a later claim has a larger one.
  fence bigint not null default 0,
  lease_until timestamptz(3),
  -- What went wrong last, without anything of a patient.
  error text
);
create index subscription_due on subscription (due_at) where status <> 'off';
create index subscription_creator on subscription (creator);

-- Which changes may be of interest: one row for each type and patient, 0 and -1 for any. A first sieve, no decision.
create table subscription_interest (
  type smallint not null,
  bucket integer not null,
  subscription text collate "C" not null references subscription (id) on delete cascade,
  primary key (type, bucket, subscription)
);
create index subscription_interest_subscription on subscription_interest (subscription);

-- Changes on their way, and those that were told. `number` is given when it is told, to what may be seen then.
create table subscription_event (
  subscription text collate "C" not null references subscription (id) on delete cascade,
  place bigint generated always as identity,
  committed_at timestamptz(3) not null,
  bucket integer not null,
  type smallint not null,
  id text collate "C" not null,
  version integer not null,
  number bigint,
  told_at timestamptz(3),
  primary key (subscription, place)
);
create unique index subscription_event_number on subscription_event (subscription, number) where number is not null;

-- How far the outbox has been looked through for all of them.
create table subscription_feed (
  is_only boolean primary key default true check (is_only),
  transaction_id xid8 not null default '0',
  sequence bigint not null default 0
);
insert into subscription_feed default values;

-- What a client shows on a websocket: SHA-256 of a token that is good once.
create table subscription_token (
  hash bytea primary key,
  creator text not null,
  subscriptions text[] collate "C" not null,
  expires_at timestamptz(3) not null
);
create index subscription_token_expires on subscription_token (expires_at);
