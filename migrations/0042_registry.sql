-- Endpoints that are described, tried, changed and ended by people, each step on record (docs/operations.md).

-- What an endpoint was, from which change on: who made it, when, and what it changed. Never a secret, only its name.
create table endpoint_version (
  endpoint_id int not null references endpoint (id),
  version int not null check (version > 0),
  state text not null,
  -- The whole description, as `hub endpoint export` writes it.
  description jsonb not null,
  -- [{"what": "charset", "from": "GBK", "to": "GB18030"}]
  changes jsonb not null,
  changed_by text not null,
  changed_at timestamptz(3) not null,
  note text not null default '' check (length(note) <= 2000),
  primary key (endpoint_id, version)
);

-- Which secrets there are can be listed without the keys that open them.
alter table endpoint_secret add column names text[] not null default '{}';
