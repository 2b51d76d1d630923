-- The audit trail says from where somebody asked, which version they wrote and what reason they gave; its ends are signed; and the
-- role that the hub runs under can be one that only appends to it.
alter table audit_event
  -- Of the connection: an IP address. Behind a proxy it is the proxy's.
  add column address text,
  -- Of a write: the version it made.
  add column version int,
  -- As stated by whoever asked: of break-glass, of the console.
  add column reason text;

-- `hub audit export --since`: rows lie on the disk in the order of time, so a summary of their blocks is enough and costs an insert nothing.
create index audit_event_at on audit_event using brin (at) with (autosummarize = on);

-- What the ends of all chains were, signed (src/access/audit/heads.ts). Each statement names the digest of the one before it.
create table audit_head (
  number bigint primary key,
  at timestamptz(3) not null,
  -- A compact JWS.
  statement text not null
);

-- What a role that is not the owner needs to run the hub: everything but to change or remove what is on record. Tables of later
-- migrations are included. Called by whoever sets the role up; the migration itself makes none, because roles belong to the cluster.
create function grant_run_time(role_name name) returns void language plpgsql as $$
begin
  execute format('grant usage on schema public to %I', role_name);
  execute format('grant select, insert, update, delete on all tables in schema public to %I', role_name);
  execute format('grant usage, select on all sequences in schema public to %I', role_name);
  execute format('alter default privileges in schema public grant select, insert, update, delete on tables to %I', role_name);
  execute format('alter default privileges in schema public grant usage, select on sequences to %I', role_name);
  execute format('revoke update, delete on audit_event, audit_head from %I', role_name);
  -- The end of a chain moves; it is never taken away.
  execute format('revoke delete on audit_shard from %I', role_name);
  -- The schema is the owner's.
  execute format('revoke insert, update, delete on knex_migrations, knex_migrations_lock from %I', role_name);
end
$$;
revoke execute on function grant_run_time(name) from public;
