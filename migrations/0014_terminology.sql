-- Code systems, value sets and concept maps as the terminology operations read them: an index of the resources of these types,
-- written in the transaction that writes the resource, and what `hub terminology load` and R4 itself bring. Few rows beside the
-- records and read from every shard: reference tables under Citus. Without foreign keys, which would be triggers: rows go
-- with their header in src/store/terminology/write.ts.

create table terminology (
  key          bigint generated always as identity primary key,
  -- Who is served from it: 'R4' and 'hub' (loaded by the operator) everybody, 'Organization/x' that organization alone.
  owner        text collate "C" not null,
  -- CodeSystem, ValueSet or ConceptMap, as numbers of src/fhir/types.ts.
  type         smallint not null,
  id           text collate "C" not null,
  url          text collate "C",
  version      text collate "C",
  -- CodeSystem.valueSet: the value set of all its codes.
  value_set    text collate "C",
  last_updated timestamptz(3) not null,
  -- Of what was loaded: the same again is nothing to do.
  digest       text,
  concepts     integer not null default 0,
  -- The resource without its concepts (CodeSystem) or elements (ConceptMap).
  header       text not null,
  unique (owner, type, id)
);
create index terminology_url on terminology (url, type);
create index terminology_value_set on terminology (value_set) where value_set is not null;

create table concept (
  system       bigint not null,
  code         text collate "C" not null,
  -- In the order of the code system.
  ordinal      integer not null,
  display      text,
  definition   text,
  -- CodeSystem.concept.designation and .property, as they are in the resource.
  designations jsonb,
  properties   jsonb,
  is_abstract  boolean not null default false,
  is_inactive  boolean not null default false,
  -- Code, display and designations, folded (src/fhir/fold.ts).
  searched     text collate "C" not null,
  primary key (system, code)
);
create index concept_ordinal on concept (system, ordinal);
-- Systems that are not case sensitive.
create index concept_folded on concept (system, lower(code));

-- The hierarchy, closed: is-a is one range of the index, up or down. Distance 1: parent and child.
create table concept_ancestor (
  system       bigint not null,
  code         text collate "C" not null,
  ancestor     text collate "C" not null,
  distance     smallint not null,
  primary key (system, code, ancestor)
);
create index concept_descendant on concept_ancestor (system, ancestor, code);

-- ConceptMap.group.element.target, one row each; an element without a target is a row without a target code.
create table concept_mapping (
  map            bigint not null,
  ordinal        integer not null,
  source_system  text collate "C",
  source_version text collate "C",
  source_code    text collate "C" not null,
  source_display text,
  target_system  text collate "C",
  target_version text collate "C",
  target_code    text collate "C",
  target_display text,
  equivalence    text not null,
  comment        text,
  -- ConceptMap.group.element.target.dependsOn and .product.
  depends_on     jsonb,
  product        jsonb,
  primary key (map, ordinal)
);
create index concept_mapping_source on concept_mapping (source_code, map);
create index concept_mapping_target on concept_mapping (target_code, map);

-- Which definitions of R4 are in the tables: a digest of src/fhir/definitions/terminology.ndjson.
create table terminology_base (
  digest text primary key
);
