-- What the hub sends to hospitals over HL7v2: where to, the messages with their fate, and who sends to whom. Ordinary tables
-- on the coordinator, like those of what arrives.

-- Destinations. Their own table beside endpoint: a source is recognised, a destination is called.
create table destination (
  id int generated always as identity primary key,
  name text not null unique check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  -- Who receives: what is sent from the store passes the visibility of this organization.
  organization text not null check (organization ~ '^Organization/[A-Za-z0-9.-]{1,64}$'),
  host text not null,
  port int not null check (port between 1 and 65535),
  is_tls boolean not null default false,
  -- MSH-12 and MSH-18.
  version text not null,
  charset text not null,
  -- MSH-3 to MSH-6.
  sending_application text not null,
  sending_facility text not null,
  receiving_application text not null,
  receiving_facility text not null,
  ack_mode text not null default 'original' check (ack_mode in ('original', 'enhanced')),
  -- After a refusal (AE, AR, CE, CR): `stop` until a person decides, `park` the message and go on with the next.
  refusal_policy text not null default 'stop' check (refusal_policy in ('stop', 'park')),
  is_enabled boolean not null default true,
  created_at timestamptz(3) not null default now()
);

-- Every message the hub sends, with the answer it got, for ever. Sent in the order of ids within a destination.
create table outbound_message (
  id bigint generated always as identity primary key,
  destination_id int not null references destination (id),
  -- 0 waiting, 1 accepted, 2 refused: the destination stands still, 3 refused and parked, 4 dropped by a person.
  status smallint not null default 0,
  -- Times it was sent, and times the answer was "not now".
  attempts int not null default 0,
  rejections int not null default 0,
  queued_at timestamptz(3) not null,
  -- Not before this; null: at once.
  due_at timestamptz(3),
  sent_at timestamptz(3),
  answered_at timestamptz(3),
  -- MSH-10 and MSH-9.
  control_id text collate "C" not null,
  type text not null,
  -- MSA-1, and why it was refused or could not be sent; never content.
  ack_code text,
  reason text,
  raw bytea not null,
  ack bytea
);
create unique index outbound_message_control on outbound_message (destination_id, control_id);
-- The queue, and what a destination stands still for: its oldest row decides.
create index outbound_message_open on outbound_message (destination_id, id) where status in (0, 2);

-- Who sends to the destinations of a slot (id modulo 64): one process at a time, under a lease with a fence, as with lanes.
create table destination_slot (
  slot smallint primary key,
  worker text,
  fence bigint not null default 0,
  expires_at timestamptz(3)
);
insert into destination_slot (slot) select generate_series(0, 63);

create table destination_worker (
  worker text primary key,
  expires_at timestamptz(3) not null
);
