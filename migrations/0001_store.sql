-- The record store: current versions, history, and what finds them.
--
-- Why in-row index values: a patient-scoped search walks one btree prefix (bucket, patient, type, date) and filters on
-- arrays of the same row; side tables wrote 5 to 20 more rows a resource. Measured: docs/decisions/0001-index-layout.md.
-- Why `bucket` leads every key: it is the distribution column; a compartment, its reads and its writes stay on one shard.

create table resource (
  bucket          integer        not null,
  type            smallint       not null,
  id              text           collate "C" not null,
  version         integer        not null,
  last_updated    timestamptz(3) not null,
  is_deleted      boolean        not null default false,
  -- Who wrote the row: 'Organization/x', or 'Patient/y' for what a patient wrote.
  owner           text           collate "C" not null,
  -- The source patient in whose compartment the row lives, for ever; its own id for a Patient; null outside compartments.
  patient         text           collate "C",
  -- Further patients the row refers to; all of them must permit.
  other_patients  text[]         collate "C",
  -- Sensitive label bits (src/fhir/labels.ts), union over versions and contained resources.
  labels          integer        not null default 0,
  -- Hull of the clinical date over all versions, half-open; null for undated.
  clinical_from   timestamptz(3),
  clinical_to     timestamptz(3),
  -- Rank of the status: a lower one never replaces a higher one.
  precedence      smallint       not null default 0,
  -- Interval of the type's main date in the current version, half-open. Undated rows sort as the oldest; date_high is null.
  date_low        timestamptz(3) not null default '-infinity',
  date_high       timestamptz(3),
  -- Hashes of tokens, references, URIs, exact strings, and of which parameters have a value (src/store/params/).
  tokens          bigint[]       not null default '{}',
  -- The few hashes by which rows are searched across patients: identifiers, codes, references, beginnings of names.
  keys            bigint[],
  -- Parameter, separator, folded text: for starts-with and :contains.
  strings         text[]         collate "C",
  -- Dates (epoch milliseconds), numbers and quantities: the key says which parameter, and for a quantity which unit.
  range_keys      bigint[],
  range_lows      double precision[],
  range_highs     double precision[],
  -- As sent to readers, meta.versionId and meta.lastUpdated included.
  body            text           not null,
  primary key (bucket, type, id)
) with (fillfactor = 90);

-- Patient-scoped searches, newest first, and keyset paging through them.
create index resource_patient on resource (bucket, patient, type, date_low, id) where patient is not null;
-- A source's own rows, and types outside compartments, in order of change.
create index resource_owner on resource (owner, type, last_updated, id);
create index resource_updated on resource (type, last_updated, id);
-- Cross-patient searches. Over `keys` and not `tokens`: two thirds of the write cost, the same searches served.
create index resource_keys on resource using gin (keys);

-- Every version but the current one. A version is visible only if the current row is.
create table resource_history (
  bucket          integer        not null,
  type            smallint       not null,
  id              text           collate "C" not null,
  version         integer        not null,
  last_updated    timestamptz(3) not null,
  is_deleted      boolean        not null,
  body            text           not null,
  primary key (bucket, type, id, version)
);

-- Where a client-assigned id lives. Minted ids carry their bucket, a Patient has that of its own id: neither has a row.
create table locator (
  id_bucket       integer        not null,
  type            smallint       not null,
  id              text           collate "C" not null,
  bucket          integer        not null,
  primary key (id_bucket, type, id)
);

-- Patients and resources outside compartments by identifier, across shards. `hash` is the token hash of system and value,
-- or of the value alone; hash_bucket its first 16 bits.
create table identifier_index (
  hash_bucket     integer        not null,
  hash            bigint         not null,
  type            smallint       not null,
  bucket          integer        not null,
  id              text           collate "C" not null,
  primary key (hash_bucket, hash, type, bucket, id)
);

-- What changed, one row a commit: read by subscriptions and feeds. Ordered by transaction, because a sequence number is
-- taken before its transaction commits and a reader that follows it would step over a slower one.
create table outbox (
  transaction_id  xid8           not null default pg_current_xact_id(),
  sequence        bigint         generated always as identity,
  committed_at    timestamptz(3) not null,
  buckets         integer[]      not null,
  types           smallint[]     not null,
  ids             text[]         collate "C" not null,
  versions        integer[]      not null,
  primary key (transaction_id, sequence)
);
