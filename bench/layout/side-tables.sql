-- Lost: one row an index value, a table a kind. Ten tokens, five references, two strings and two ranges are 19 more rows.
create table resource (
  bucket integer not null, type smallint not null, id text collate "C" not null, version integer not null,
  last_updated timestamptz(3) not null, owner text collate "C" not null, patient text collate "C",
  date_low timestamptz(3) not null, date_high timestamptz(3),
  body text not null,
  primary key (bucket, type, id)
);
create index on resource (bucket, patient, type, date_low, id) where patient is not null;
create index on resource (owner, type, last_updated, id);
create index on resource (type, last_updated, id);

create table token_index (
  bucket integer not null, type smallint not null, id text collate "C" not null,
  param integer not null, system bigint not null, code bigint not null
);
create index on token_index (bucket, type, id, param, code);
create index on token_index (param, code, type);

create table reference_index (
  bucket integer not null, type smallint not null, id text collate "C" not null,
  param integer not null, target_type smallint not null, target text collate "C" not null
);
create index on reference_index (bucket, type, id, param);
create index on reference_index (target, param, type);

create table string_index (
  bucket integer not null, type smallint not null, id text collate "C" not null,
  param integer not null, value text collate "C" not null
);
create index on string_index (bucket, type, id, param);
create index on string_index (param, value);

create table range_index (
  bucket integer not null, type smallint not null, id text collate "C" not null,
  param integer not null, unit bigint, low double precision not null, high double precision not null
);
create index on range_index (bucket, type, id, param);
create index on range_index (param, low);
