-- Bulk exports: what a client asked for, how far the collecting of it is, and the keys collected. No content is kept: a line is
-- rendered when it is downloaded, under the rights of that moment (LEAKS 26).

create table export_job (
  id uuid primary key,
  -- Who may poll, download and cancel: a digest of client, subject, organization, purposes and launch context.
  client text not null,
  -- Whose rights decide what is collected. Scopes and claims, no token.
  principal jsonb not null,
  -- As src/feeds/export.ts has it.
  request jsonb not null,
  -- Which worker collects: the holder of this slot.
  slot smallint not null,
  status text not null check (status in ('collecting', 'ready', 'failed')),
  requested_at timestamptz(3) not null,
  -- Rows are exported as they were at this time.
  transaction_time timestamptz(3) not null,
  -- The first transaction that is surely later: collecting begins when none that is earlier still runs.
  horizon xid8,
  -- Where collecting goes on.
  position jsonb not null,
  row_count bigint not null default 0,
  attempts smallint not null default 0,
  -- Not picked before.
  due_at timestamptz(3) not null,
  polled_at timestamptz(3),
  -- After this the job and its keys go.
  expires_at timestamptz(3) not null
);
create index export_job_due on export_job (slot, due_at) where status = 'collecting';
create index export_job_client on export_job (client);
create index export_job_expires on export_job (expires_at);

-- The keys of one file, with the version each row had at the time of the export.
create table export_part (
  job uuid not null references export_job (id) on delete cascade,
  part integer not null,
  -- Deleted rows have files of their own.
  is_deleted boolean not null,
  type smallint not null,
  row_count integer not null,
  buckets integer[] not null,
  ids text[] collate "C" not null,
  versions integer[] not null,
  primary key (job, part)
);

create table export_slot (
  slot smallint primary key,
  worker text,
  fence bigint not null default 0,
  expires_at timestamptz(3)
);
insert into export_slot (slot) select generate_series(0, 15);

create table export_worker (
  worker text primary key,
  expires_at timestamptz(3) not null
);

-- A source's Patients, and its rows outside of every record, in an order that no update changes. Clinical rows are not in it.
create index resource_export on resource (owner, type, bucket, id) where patient is null or patient = id;
-- Whose consent names a recipient.
create index consent_rule_recipient on consent_rule (recipient, patient) where not is_deny;
