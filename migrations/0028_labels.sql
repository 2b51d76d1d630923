-- Which sensitivity sets rows were labelled by, so that a change of a set reaches rows that are already stored: in the
-- background, resumable, while everything is served (src/store/labels/relabel.ts). Rows written before there were sets are
-- looked at once, by the first revision.
create table label_revision (
  revision     integer        generated always as identity primary key,
  -- SHA-256 of the sets and of the version of the code that reads them.
  name         text           collate "C" not null,
  -- What `mappings/sensitivity` said: every process labels by the sets of the last revision, not by its own files.
  sets         jsonb          not null,
  created_at   timestamptz(3) not null default now(),
  -- How far the rows have been looked at, in the order of the primary key of resource; past the last bucket: the rest, rows
  -- that a process wrote which had not seen the revision.
  at_bucket    integer        not null default -1,
  at_type      smallint       not null default 0,
  at_id        text           collate "C" not null default '',
  rows_read    bigint         not null default 0,
  rows_changed bigint         not null default 0,
  completed_at timestamptz(3)
);
create index label_revision_name on label_revision (name);
