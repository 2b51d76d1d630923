-- The roles that run the hub are on record with the migrations their rights are of, so that a start can tell by one look whether
-- its role has what it needs, and whoever migrates gives them their rights anew (src/db/run-time-role.ts).

create table run_time_role (
  name name primary key,
  -- How many migrations had run.
  migrations int not null
);

-- As 0029, and on record.
create or replace function grant_run_time(role_name name) returns void language plpgsql as $$
begin
  execute format('grant usage on schema public to %I', role_name);
  execute format('grant select, insert, update, delete on all tables in schema public to %I', role_name);
  execute format('grant usage, select on all sequences in schema public to %I', role_name);
  execute format('alter default privileges in schema public grant select, insert, update, delete on tables to %I', role_name);
  execute format('alter default privileges in schema public grant usage, select on sequences to %I', role_name);
  execute format('revoke update, delete on audit_event, audit_head from %I', role_name);
  -- The end of a chain moves; it is never taken away.
  execute format('revoke delete on audit_shard from %I', role_name);
  -- The schema, and who runs the hub, is the owner's.
  execute format('revoke insert, update, delete on knex_migrations, knex_migrations_lock, run_time_role from %I', role_name);
  insert into run_time_role values (role_name, (select count(*) from knex_migrations))
  on conflict (name) do update set migrations = excluded.migrations;
end
$$;
