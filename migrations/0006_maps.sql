-- Which map an endpoint's messages are read by, kept for ever: what was applied, by whom, when and why. The newest version
-- of an endpoint is in force; going back is a new version with an old content, so that the history stays a history.

-- Overlays as they were written. The same text for twenty hospitals is one row, and compiled once.
create table overlay (
  hash text primary key check (hash ~ '^[0-9a-f]{64}$'),
  -- How errors call it: the file it came from.
  name text not null,
  content text not null check (octet_length(content) <= 1048576)
);

-- No row for an endpoint: the map that the hub was shipped with.
create table endpoint_map (
  endpoint_id int not null references endpoint (id),
  version int not null check (version > 0),
  -- Null: back to the map as shipped.
  overlay text references overlay (hash),
  -- The version whose content this one has again.
  restores int,
  -- What messages will name as theirs: the hash of the whole map, base and profile included, when it was applied.
  map_version text not null,
  applied_by text not null,
  applied_at timestamptz(3) not null,
  note text not null default '',
  revision bigint not null,
  primary key (endpoint_id, version)
);
create index endpoint_map_revision on endpoint_map (revision);

-- Counts the changes of all endpoints. Its row is locked by whoever applies a map, so revisions commit in their order; it is
-- read with each batch of waiting messages, so that none is picked under a map older than the statement that picked it.
create table map_revision (revision bigint not null);
insert into map_revision values (0);

-- The work list: messages and patients, not occurrences. Patients are the smallest hashes of those seen (a KMV sketch):
-- exact while they are few, an estimate beyond, of bounded size in any case.
alter table unmapped
  add column hash int,
  add column first_seen_at timestamptz(3),
  add column patients bigint[] not null default '{}',
  add column examples bigint[] not null default '{}';
-- Counted so far by occurrence, and by no message: the list begins again.
delete from unmapped;
alter table unmapped alter column hash set not null, alter column first_seen_at set not null;

-- What a replay took off the counts, apart from them: workers write what they counted some seconds later, and in any order
-- the difference is right.
create table unmapped_replayed (
  endpoint_id int not null references endpoint (id),
  hash int not null,
  messages bigint not null,
  primary key (endpoint_id, hash)
);

-- Hashes of what no rule took in a message, so that a repaired map is tried on exactly the messages it is for.
alter table message add column unmapped int[];
