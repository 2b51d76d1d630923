-- The watch: how each source is doing, when it usually sends, what is wrong, and who is told. All of it is bounded by the number of
-- sources, but for alerts, of which a year is kept.

-- What is known of a source now. Written when something changes, so rows have room to be updated in place.
create table feed (
  endpoint_id int primary key references endpoint (id),
  -- Of its last message.
  last_at timestamptz(3),
  -- Since when it is live and somebody watches: a silence before it is none.
  watched_from timestamptz(3),
  -- The hour that runs, as its number since 1970, and its busy slots of five minutes, a bit each.
  hour int not null,
  busy int not null default 0,
  -- Messages of the last hour, by the minute (its number modulo 60); up to which minute they are.
  minute int not null,
  received int[] not null,
  -- Seconds between the time in a message (MSH-7) and its receipt, of the latest samples.
  delays real[] not null default '{}',
  -- Of the evaluation before: messages of a quarter of an hour and those among them that were quarantined, what waits and since when,
  -- what is held and quarantined, from receipt to commit at worst.
  received_lately int not null default 0,
  failed_lately int not null default 0,
  waiting int not null default 0,
  waiting_since timestamptz(3),
  held int not null default 0,
  quarantined int not null default 0,
  lag_seconds real not null default 0,
  -- Seconds of silence that a person allows; 0: any; null: as it is learned.
  silence_seconds int check (silence_seconds >= 0)
) with (fillfactor = 60);

-- When it usually sends (src/watch/rhythm.ts). Apart, as it changes once an hour.
create table feed_rhythm (
  endpoint_id int primary key references endpoint (id),
  hours smallint[] not null,
  gaps double precision[] not null,
  gap double precision not null
);

-- How far messages have been looked at, and since when somebody watches without a break.
create table watch_progress (
  is_only boolean primary key default true check (is_only),
  -- The last message looked at; the newest id a moment ago, and when that was.
  message_id bigint not null default 0,
  horizon_id bigint not null default 0,
  horizon_at timestamptz(3) not null default '-infinity',
  -- The newest id by minute (its number modulo 60), so that what came lately is found by its id.
  marks bigint[] not null default '{}',
  evaluated_at timestamptz(3),
  watched_from timestamptz(3)
);
insert into watch_progress default values;

-- One process watches at a time, under a lease with a fence, as with lanes.
create table watch_slot (
  slot smallint primary key,
  worker text,
  fence bigint not null default 0,
  expires_at timestamptz(3)
);
insert into watch_slot (slot) values (0);
create table watch_worker (
  worker text primary key,
  expires_at timestamptz(3) not null
);

-- What is wrong, from its start to its end. `subject` is an endpoint's name, a destination's, a network's, or what the kind says.
create table alert (
  id bigint generated always as identity primary key,
  kind text not null,
  subject text not null,
  severity text not null check (severity in ('warning', 'critical')),
  -- In the words of an operator; names, numbers and times, never content.
  summary text not null,
  detail jsonb not null default '{}',
  started_at timestamptz(3) not null,
  ended_at timestamptz(3),
  -- Whoever is told of many at once is not told of each.
  group_id bigint references alert (id),
  -- When its start was told; null: not yet, or it ended before it was.
  told_at timestamptz(3),
  acknowledged_at timestamptz(3),
  acknowledged_by text,
  note text,
  -- A person said that this silence is as it should be: it is learned.
  is_expected boolean not null default false
);
create unique index alert_open on alert (kind, subject) where ended_at is null;
create index alert_started on alert (started_at);
create index alert_group on alert (group_id) where group_id is not null;

-- Who is to be told of a start or an end. The target's name is a hash: where it is, and its secrets, are the environment's.
create table alert_delivery (
  id bigint generated always as identity primary key,
  alert_id bigint not null references alert (id) on delete cascade,
  event text not null check (event in ('started', 'ended')),
  target text not null,
  attempts int not null default 0,
  due_at timestamptz(3) not null,
  delivered_at timestamptz(3),
  given_up_at timestamptz(3),
  -- Why it failed last; a status or a code, never an address.
  error text
);
create index alert_delivery_due on alert_delivery (due_at) where delivered_at is null and given_up_at is null;
create index alert_delivery_alert on alert_delivery (alert_id);

-- Certificates as they were last seen, of the hub's own listeners, of senders, and of servers that the hub calls.
create table certificate (
  -- What it is of: `listener`, `sender <fingerprint>`, `server host:port`.
  subject text primary key,
  ends_at timestamptz(3) not null,
  seen_at timestamptz(3) not null
);
