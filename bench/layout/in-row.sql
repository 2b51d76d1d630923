-- Chosen: index values as arrays of the resource's own row, and one GIN index over the few keys that cross-patient searches name.
create table resource (
  bucket integer not null, type smallint not null, id text collate "C" not null, version integer not null,
  last_updated timestamptz(3) not null, owner text collate "C" not null, patient text collate "C",
  date_low timestamptz(3) not null, date_high timestamptz(3),
  tokens bigint[] not null, keys bigint[], strings text[] collate "C",
  range_keys bigint[], range_lows double precision[], range_highs double precision[],
  body text not null,
  primary key (bucket, type, id)
);
create index on resource (bucket, patient, type, date_low, id) where patient is not null;
create index on resource (owner, type, last_updated, id);
create index on resource (type, last_updated, id);
create index resource_keys on resource using gin (keys);
