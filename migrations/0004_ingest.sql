-- What arrives: registered sources, the archive of messages with their fate, and the leases under which they are
-- processed. Ordinary tables on the coordinator, not distributed: a message is found by its source and time, and what it
-- becomes is distributed instead.

-- Sources. What comes from an endpoint is owned by its organization, whatever the message says.
create sequence endpoint_revision as bigint;
create table endpoint (
  id int generated always as identity primary key,
  name text not null unique check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  kind text not null check (kind in ('hl7v2-mllp', 'hl7v2-http')),
  organization text not null check (organization ~ '^Organization/[A-Za-z0-9.-]{1,64}$'),
  facilities text[] not null check (cardinality(facilities) between 1 and 1000),
  port int check (port between 1 and 65535),
  charset text,
  zone text,
  ack_mode text not null default 'auto' check (ack_mode in ('auto', 'original', 'enhanced')),
  poison_policy text not null default 'continue' check (poison_policy in ('continue', 'hold')),
  -- SHA-256 of the client certificate, hex.
  certificate text check (certificate ~ '^[0-9a-f]{64}$'),
  addresses text[] not null default '{}',
  is_enabled boolean not null default true,
  created_at timestamptz(3) not null default now(),
  -- Grows with every change: a running hub reads the registry again when the sum has changed.
  revision bigint not null default nextval('endpoint_revision')
);
alter sequence endpoint_revision owned by endpoint.revision;

-- Every accepted message, for ever, as it came. `slot` is the part of the work a lane (source and patient) belongs to;
-- one worker has a slot at a time, so messages of a lane are processed in the order of their ids.
-- No foreign key to endpoint: checking it for each row would lock one hot row per source; endpoints are never deleted.
create table message (
  -- Without a cache: the order of ids is the order in which processes wrote.
  id bigint generated always as identity primary key,
  lane_key bigint not null,
  endpoint_id int not null,
  slot smallint not null,
  -- 0 waiting, 1 processed, 2 quarantined, 3 held behind a quarantined one.
  status smallint not null default 0,
  attempts smallint not null default 0,
  received_at timestamptz(3) not null,
  processed_at timestamptz(3),
  control_id text collate "C" not null,
  type text collate "C" not null,
  facility text not null,
  step text,
  reason text,
  -- Where in the message, as printed: OBX-11.
  position text,
  map_version text,
  -- SHA-256 of raw.
  digest bytea not null,
  raw bytea not null
);
-- Compressing each message on arrival costs more time than writing it.
alter table message alter column raw set storage external;
-- A re-sent message is one row: same source, same MSH-10, same bytes.
create unique index message_once on message (endpoint_id, control_id, digest);
-- The queue.
create index message_waiting on message (slot, id) where status = 0;
-- What waits for a person.
create index message_stuck on message (status, id) where status in (2, 3);
-- Messages come in the order of time: a summary per few blocks finds a day among billions.
create index message_by_time on message using brin (received_at) with (pages_per_range = 32);
-- No index by lane: only a replay asks for it, every accepted message would pay for it.

-- Lanes that do not move: until a time (a passing failure is tried again) or, with null, until a person decides.
create table lane_hold (
  lane_key bigint primary key,
  slot smallint not null,
  message_id bigint not null,
  until timestamptz(3)
);

-- Who processes a slot. `fence` grows with each new holder; a commit under an old fence is refused.
create table lane_slot (
  slot smallint primary key,
  worker text,
  fence bigint not null default 0,
  expires_at timestamptz(3)
);
insert into lane_slot (slot) select generate_series(0, 255);

-- Workers alive, so that each takes its share of the slots and no more.
create table lane_worker (
  worker text primary key,
  expires_at timestamptz(3) not null
);

-- What no mapping rule took, counted: the work list of whoever maintains an endpoint's mapping.
create table unmapped (
  endpoint_id int not null references endpoint (id),
  kind text not null,
  position text not null,
  code text not null,
  count bigint not null,
  last_seen_at timestamptz(3) not null,
  primary key (endpoint_id, kind, position, code)
);
