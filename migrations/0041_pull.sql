-- Sources that the hub asks: when each is due, who is asking, how far it is, and what was taken of it.

-- A server and whose it is. Two ways to one server (REST and bulk) share it, and with it the memory of what was taken.
create table pull_source (
  id int generated always as identity primary key,
  organization text collate "C" not null,
  -- Its base URL, by which its ids are told from those of others.
  base text collate "C" not null,
  unique (organization, base)
);

create table pull (
  endpoint_id int primary key references endpoint (id),
  -- Not asked before this, unless a person asks for it.
  due_at timestamptz(3) not null,
  -- The slot that it is due for: `due_at` without jitter, wait or window.
  slot_at timestamptz(3) not null,
  -- When the two were decided: a clock that was set back since is noticed by it.
  decided_at timestamptz(3) not null,
  -- As the endpoint's settings say.
  every_ms bigint not null check (every_ms > 0),
  -- What shares a line: so many of it are asked at a time; null: without limit.
  network text collate "C",
  network_max int,
  -- Who asks, until when it may be silent, and the number that each new holder gets.
  worker text collate "C",
  fence bigint not null default 0,
  expires_at timestamptz(3),
  -- The adapter's own; null: nothing was ever taken.
  watermark jsonb,
  -- Runs that failed in a row. From the third on it is asked seldom (open), once each time (half open).
  failures int not null default 0,
  -- A person asks for it now.
  is_asked boolean not null default false,
  -- The last run ended before the source did.
  is_more boolean not null default false,
  last_success_at timestamptz(3),
  last_error_at timestamptz(3),
  -- `code: text`, without patient data.
  last_error text
);
create index pull_due on pull (due_at);
-- What a process holds, asked for by each heartbeat.
create index pull_worker on pull (worker) where worker is not null;

-- A slot is run once: a process that takes a killed one's work over goes on in the same row.
create table pull_run (
  endpoint_id int not null,
  slot_at timestamptz(3) not null,
  worker text collate "C" not null,
  fence bigint not null,
  started_at timestamptz(3) not null,
  ended_at timestamptz(3),
  -- done, more, failed, stopped; null: under way, or its process died.
  outcome text check (outcome in ('done', 'more', 'failed', 'stopped')),
  received int not null default 0,
  unchanged int not null default 0,
  -- Of a failure `code: text`; of others what the adapter noted. Without patient data.
  reason text,
  primary key (endpoint_id, slot_at)
);
create index pull_run_started on pull_run (started_at);

-- What was taken of a source: what comes again as it is, or older, is not received again.
create table source_resource (
  source int not null,
  -- As the source has it: older versions of FHIR have types that R4 does not know.
  type text collate "C" not null,
  id text collate "C" not null,
  version text collate "C",
  updated_at timestamptz(3),
  -- SHA-256 of the content, without what a server may make anew each time it is asked.
  digest bytea not null,
  is_deleted boolean not null,
  -- Of its messages, for good: a deletion may not say whose record it was in, and must not overtake what it deletes.
  lane_key bigint not null,
  -- How often it was received (0: gone before it was heard of): makes the control id of a state that has no version its own.
  received int not null,
  primary key (source, type, id)
);
