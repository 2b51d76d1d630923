-- Who may act for a patient: what a RelatedPerson says, compiled when it is written, as a Consent is to its rules. Read by every
-- statement of a proxy, by the clock. Ordinary or reference tables under Citus, like the links of a person.

create table proxy (
  -- RelatedPerson.id.
  related_person text collate "C" primary key,
  -- RelatedPerson.patient, and the bucket of that Patient: its birth date says how old a child is.
  patient text collate "C" not null,
  bucket int not null,
  relationship text not null check (relationship in ('parent', 'guardian', 'caregiver', 'none')),
  -- Beside reading: writes Consents in the patient's name.
  may_consent boolean not null,
  -- Half-open; empty for a RelatedPerson that is inactive, deleted or no such relation any more.
  valid_from timestamptz not null,
  valid_to timestamptz not null,
  -- Of the RelatedPerson.
  version int not null,
  -- Who vouches for it: `source`, or the operator who confirmed this version; null: nobody, so it gives nothing.
  trusted_by text,
  -- The operator who took it back; a later version does not bring it in force again.
  refused_by text,
  decided_at timestamptz(3)
);
create index proxy_patient on proxy (patient);

-- Whose RelatedPerson it is: checksummed national identifiers it shows, as person_identifier has those of Patients.
create table proxy_identifier (
  hash bytea not null,
  related_person text collate "C" not null,
  primary key (hash, related_person)
);
create index proxy_identifier_person on proxy_identifier (related_person);
