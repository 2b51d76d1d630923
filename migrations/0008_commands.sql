-- What sources command beside what they describe: lists that are whole, and records of one person.

-- The list of one kind that a channel sent last of a patient (or of a visit): what the next one does not repeat is deleted.
-- Beside the resources and not in them: the same allergy through two channels is one resource, and stays the same text.
create table sent_list (
  bucket  integer  not null,
  patient text     collate "C" not null,
  segment text     not null,
  -- Id of the Encounter; empty for a list of the patient.
  visit   text     collate "C" not null,
  -- Name of the endpoint: no channel speaks for another, even of one organization.
  channel text     collate "C" not null,
  type    smallint not null,
  ids     text[]   collate "C" not null,
  -- When the message that said so was received: one that is processed later than it came does not bring its list back.
  received_at timestamptz(3) not null,
  primary key (bucket, patient, segment, visit, channel)
);

-- Pairs of records that their source says are one person's (merge, link). They hold whatever identifiers the records show,
-- until the source takes them back. `low` < `high`; `at` is when the latest message that says so was received.
create table person_assertion (
  low      text        collate "C" not null,
  high     text        collate "C" not null,
  owner    text        collate "C" not null,
  evidence jsonb       not null,
  at       timestamptz not null,
  primary key (low, high)
);
create index person_assertion_high on person_assertion (high);

-- The source whose command separated the pair, which may take that back; null when a person decided.
alter table person_split add column owner text collate "C";
