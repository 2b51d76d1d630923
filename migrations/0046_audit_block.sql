-- What is recorded by one commit is one row. A row for each access took PostgreSQL 12 us when 64 share a commit, 5 of them for the flush;
-- as a block an access takes 5 (docs/decisions/0037). What was recorded before stays in audit_event as it is; a chain goes on from there to here.

create table audit_block (
  shard int not null,
  -- Of its first access; the others follow without a gap.
  first bigint not null,
  -- Of its accesses the earliest and the latest.
  at_from timestamptz(3) not null,
  at_to timestamptz(3) not null,
  -- For each access the patient, or null: what finds it in the log of a patient.
  patients text[] collate "C" not null,
  -- For each access a line: its canonical text (rowText of src/access/audit/chain.ts), a JSON array.
  entries text not null,
  -- For each access the 32 bytes of SHA-256 over the hash before it and its text.
  hashes bytea not null,
  primary key (shard, first)
-- Entries lie beside, patients and hashes with the row. pglz took 4 us an access to make a third less of it.
) with (toast_tuple_target = 8160);
alter table audit_block
  alter patients set storage external,
  alter entries set storage external,
  alter hashes set storage external;
-- As of audit_event (0029, 0031).
create index audit_block_patients on audit_block using gin (patients) with (gin_pending_list_limit = 1024);
create index audit_block_at on audit_block using brin (at_to) with (autosummarize = on);

-- All that is on record, an access a row. Whoever asks for some of it names what its block is found by as well (`patients`, `first`, `at_from`,
-- `at_to`); what does not qualify is then neither fetched nor taken apart. `offset 0`: a line is parsed once, not once a column.
create view audit_entry as
select shard, seq, at, client, subject, organization, purposes, interaction, type, resource_id, patient, rows, decided_by, outcome, query, jti,
  correlation_id, address, version, reason, hash,
  seq as first, at as at_from, at as at_to, array[patient] as patients
from audit_event
union all
select block.shard, block.first + line.number - 1, to_timestamp((entry ->> 2)::float8 / 1000)::timestamptz(3), entry ->> 3, entry ->> 4,
  entry ->> 5, (entry ->> 6)::int, entry ->> 7, (entry ->> 8)::smallint, entry ->> 9, line.patient, (entry ->> 11)::int, entry ->> 12,
  (entry ->> 13)::smallint, entry ->> 14, entry ->> 15, entry ->> 16, entry #>> '{17,address}', (entry #>> '{17,version}')::int,
  entry #>> '{17,reason}', substring(block.hashes from (line.number::int - 1) * 32 + 1 for 32),
  block.first, block.at_from, block.at_to, block.patients
from audit_block block
cross join unnest(block.patients) with ordinality as line (patient, number)
cross join lateral (select nullif(split_part(block.entries, E'\n', line.number::int), '')::jsonb as entry offset 0) parsed
where entry is not null;

-- As 0032, and a block is on record like the row of an access.
create or replace function grant_run_time(role_name name) returns void language plpgsql as $$
begin
  execute format('grant usage on schema public to %I', role_name);
  execute format('grant select, insert, update, delete on all tables in schema public to %I', role_name);
  execute format('grant usage, select on all sequences in schema public to %I', role_name);
  execute format('alter default privileges in schema public grant select, insert, update, delete on tables to %I', role_name);
  execute format('alter default privileges in schema public grant usage, select on sequences to %I', role_name);
  execute format('revoke update, delete on audit_block, audit_event, audit_head from %I', role_name);
  -- The end of a chain moves; it is never taken away.
  execute format('revoke delete on audit_shard from %I', role_name);
  -- The schema, and who runs the hub, is the owner's.
  execute format('revoke insert, update, delete on knex_migrations, knex_migrations_lock, run_time_role from %I', role_name);
  insert into run_time_role values (role_name, (select count(*) from knex_migrations))
  on conflict (name) do update set migrations = excluded.migrations;
end
$$;
