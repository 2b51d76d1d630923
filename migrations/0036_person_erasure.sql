-- How the hub forgets a person: what was asked, how far it is, and what keeps it from coming back (docs/erasure.md, decision 0032).

create table erasure (
  id uuid primary key,
  -- All source patients of the person at the time it was confirmed.
  patients text[] collate "C" not null,
  -- `asked`: waits for its confirmation. `waiting`: the days in which it can be taken back. `ending`: Consents have ended, whoever made
  -- copies is being asked. `erasing`, `settling`: rows go; what was under way is waited for. `done`, `cancelled`.
  state text not null check (state in ('asked', 'waiting', 'ending', 'erasing', 'settling', 'done', 'cancelled')),
  requested_by text not null,
  -- Of the operator, who is asked for one.
  reason text,
  -- SHA-256 of the token that confirms it.
  confirm_hash text,
  requested_at timestamptz(3) not null default statement_timestamp(),
  due_at timestamptz(3) not null,
  -- From this moment on every transaction knows that these patients are kept out.
  marked_at timestamptz,
  -- The last message that was looked through.
  message_id bigint not null default 0,
  rows_erased bigint not null default 0,
  messages_erased bigint not null default 0,
  -- Patients of organizations that must keep what they sent here (legal_hold).
  held text[] collate "C" not null default '{}',
  done_at timestamptz(3)
);
create index erasure_due on erasure (due_at) where state in ('waiting', 'ending', 'erasing', 'settling');
create index erasure_patients on erasure using gin (patients);

-- Who is kept out: by the id that their source's messages give them, until they lift it. To anybody but that source the id is as taken as
-- it was.
create table erased_patient (
  patient text collate "C" primary key,
  owner text collate "C" not null,
  erasure uuid not null references erasure (id)
);
create index erased_patient_erasure on erased_patient (erasure);
-- The same by number, where the source registers them anew: SHA-256 over owner, system and value.
create table erased_identifier (
  hash bytea not null,
  erasure uuid not null references erasure (id),
  primary key (hash, erasure)
);
create index erased_identifier_erasure on erased_identifier (erasure);

-- Organizations that are bound by law to keep here what they sent: erasure leaves their rows, which nobody but they and the person then sees.
create table legal_hold (
  organization text collate "C" primary key,
  reason text not null,
  placed_by text not null,
  placed_at timestamptz(3) not null default statement_timestamp()
);

-- Whom a message was about, so that it can be emptied: Patient ids, known when it was processed. No index: each message would pay for it,
-- and erasures, which walk the archive in the background, are few.
alter table message add column patients text[] collate "C";
alter table outbound_message add column patients text[] collate "C";
