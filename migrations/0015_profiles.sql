-- What `hub profile add` brought: packages of profiles, extensions and their value sets, which resources are validated by. Of a
-- package one version is in force; those before it are kept, so that it can be said what a resource was held against.

create table profile_package (
  id         bigint generated always as identity primary key,
  name       text collate "C" not null,
  version    text collate "C" not null,
  -- Of its definitions: the same again is nothing to do.
  digest     text not null,
  added_at   timestamptz(3) not null,
  added_by   text not null,
  -- Null: in force.
  removed_at timestamptz(3)
);
create unique index profile_package_in_force on profile_package (name) where removed_at is null;

-- Definitions without what validation does not read (narrative, descriptions, mappings).
create table profile_definition (
  package bigint not null references profile_package (id),
  ordinal int not null,
  type    text not null check (type in ('StructureDefinition', 'ValueSet', 'CodeSystem')),
  url     text collate "C" not null,
  version text collate "C",
  body    text not null check (octet_length(body) <= 20000000),
  primary key (package, ordinal)
);

-- Counts the changes; its row is locked by whoever makes one. Every process looks at it once a second.
create table profile_revision (revision bigint not null);
insert into profile_revision values (0);
