-- Replays in the background: which messages run again is planned lane by lane, and a lane goes back into the queue whole, in one transaction,
-- so that its order holds however slowly the rest follows (src/ingest/replay/).
create table replay (
  id bigint generated always as identity primary key,
  -- As it was asked for, by the names of /ops/messages.
  filter jsonb not null,
  -- Messages a second, at most.
  rate int not null check (rate between 1 and 5000),
  asked_by text not null,
  asked_at timestamptz(3) not null,
  -- planning: its messages are looked for; running: they go back into the queue; stopped: by a person; failed: see reason.
  state text not null default 'planning' check (state in ('planning', 'running', 'done', 'stopped', 'failed')),
  reason text,
  -- Who does it, until when nobody else may: one at a time.
  worker text,
  expires_at timestamptz(3),
  -- The last id that was looked at.
  scanned_to bigint not null default 0,
  matched bigint not null default 0,
  -- Those, and what came after them in their lanes.
  planned bigint not null default 0,
  queued bigint not null default 0,
  lanes bigint not null default 0,
  ended_at timestamptz(3)
);
create index replay_active on replay (id) where state in ('planning', 'running');

create table replay_lane (
  replay_id bigint not null references replay (id) on delete cascade,
  lane_key bigint not null,
  first_id bigint not null,
  -- 0 planned, 1 back in the queue, 2 done.
  state smallint not null default 0,
  queued_at timestamptz(3),
  -- What had run meanwhile in the other order ran again: once.
  is_repaired boolean not null default false,
  primary key (replay_id, lane_key)
);
create index replay_lane_next on replay_lane (replay_id, state, first_id);

create table replay_message (
  replay_id bigint not null references replay (id) on delete cascade,
  lane_key bigint not null,
  message_id bigint not null,
  primary key (replay_id, lane_key, message_id)
);
create index replay_message_of on replay_message (message_id);
