-- What the index of a row was made by, so that a new release and a new search parameter find their way into rows that are
-- already stored: in the background, resumable, while everything is served (src/store/reindex.ts).

-- The revision under which a row's index columns were written; 0: before there were revisions, or by an older release.
alter table resource add column index_revision integer not null default 0;

-- A change of what is indexed: of the hub's own code (code_version) or of the parameters below. Rows of `types` that carry a
-- lower revision are read again, in the order of the primary key.
create table index_revision (
  revision     integer        generated always as identity primary key,
  code_version integer        not null,
  -- Null: all types. Empty: nothing to read again, a parameter has gone.
  types        smallint[],
  created_at   timestamptz(3) not null default now(),
  -- How far the rows have been read; with the key exhausted, those follow that an older process wrote meanwhile.
  at_bucket    integer        not null default -1,
  at_type      smallint       not null default 0,
  at_id        text           collate "C" not null default '',
  rows_read    bigint         not null default 0,
  rows_indexed bigint         not null default 0,
  completed_at timestamptz(3)
);

-- SearchParameter resources in force, beside R4's own.
create table search_parameter (
  id           text           collate "C" primary key,
  definition   jsonb          not null,
  -- Rows are found by it once this revision is complete.
  revision     integer        not null
);
create table search_parameter_code (
  type         smallint       not null,
  code         text           collate "C" not null,
  id           text           collate "C" not null references search_parameter (id) on delete cascade,
  primary key (type, code)
);
create index search_parameter_code_id on search_parameter_code (id);
