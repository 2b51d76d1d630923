-- One person, many source patients. Clinical rows keep their source patient for ever; linking and unlinking move rows of
-- person_member only. Ordinary or reference tables under Citus: looked up by patient from any shard.

-- Which source patients show a checksummed national identifier. The value is in the Patient itself; here its hash is enough.
create table person_identifier (
  hash bytea not null,
  patient text collate "C" not null,
  -- What kind of identifier, so that two different numbers of one kind are seen as a contradiction.
  system text not null,
  primary key (hash, patient)
);
create index person_identifier_patient on person_identifier (patient);

-- Current links. A patient that was never linked has no row.
create table person_member (
  patient text collate "C" primary key,
  bucket int not null,
  person uuid not null,
  evidence jsonb not null,
  linked_at timestamptz not null
);
create index person_member_person on person_member (person);

-- What was ever linked, unlinked or refused, and on what evidence. Append-only.
create table person_link_log (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  action text not null check (action in ('link', 'unlink', 'veto')),
  patient text collate "C" not null,
  person uuid,
  evidence jsonb not null
);
create index person_link_log_patient on person_link_log (patient);

-- Pairs a person has said are not the same: never linked again by evidence alone. `low` < `high`.
create table person_split (
  low text collate "C" not null,
  high text collate "C" not null,
  at timestamptz not null,
  reason text not null,
  primary key (low, high)
);
create index person_split_high on person_split (high);
