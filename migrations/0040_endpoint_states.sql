-- Sources of every kind, from their description to their end.

-- Which kinds there are the hub knows, by its adapters.
alter table endpoint drop constraint endpoint_kind_check;
alter table endpoint add constraint endpoint_kind_check check (kind ~ '^[a-z0-9]+(-[a-z0-9]+)+$');
-- Sources that speak no HL7v2 name no facility.
alter table endpoint drop constraint endpoint_facilities_check;
alter table endpoint add constraint endpoint_facilities_check check (cardinality(facilities) <= 1000);
-- What its kind needs beside; never a secret.
alter table endpoint add column config jsonb not null default '{}';
alter table endpoint add column state text not null default 'live'
  check (state in ('draft', 'testing', 'live', 'paused', 'retired'));
update endpoint set state = 'paused' where not is_enabled;
alter table endpoint drop column is_enabled;

-- Secrets of endpoints and of where alerts go, sealed (src/access/secrets/): a JSON object of name and value. `id` is the endpoint's.
create table endpoint_secret (
  id text primary key,
  sealed text not null
);
