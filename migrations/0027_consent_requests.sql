-- Services ask patients for consent, and say how long they keep copies.

-- Addressed by what the service knows: a reference or an identifier, never looked up when it is written, so that whether there is such
-- a patient changes neither the answer nor its time. Coordinator-local under Citus: found by target when the patient looks.
create table consent_request (
  id text collate "C" primary key,
  -- `Organization/x` that asks.
  organization text collate "C" not null,
  client text not null,
  -- `Patient/x`, or `identifier:` and SHA-256 of system and value.
  target text collate "C" not null,
  -- The Consent as it was proposed, without id and meta.
  body text not null,
  state text not null default 'open' check (state in ('open', 'granted', 'declined')),
  created_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  answered_at timestamptz(3),
  -- The Consent that granted it.
  consent_id text collate "C"
);
create index consent_request_target on consent_request (target, created_at desc);
-- How often an organization has asked somebody, and altogether.
create index consent_request_organization on consent_request (organization, created_at);
-- The state of a request whose Consent ended.
create index consent_request_consent on consent_request (consent_id) where consent_id is not null;

-- How long copies may be kept that a Consent allowed to be made: what erasure goes by. Ends move with the Consent: of one that is
-- revoked the time runs from then on.
create table consent_copy (
  consent_id text collate "C" primary key,
  -- Consent.patient.
  patient text collate "C" not null,
  recipients text[] not null,
  kept_days int not null check (kept_days >= 0),
  -- dataEraseAt: when the copies are to be gone. Infinity: the Consent has no end yet.
  erase_at timestamptz(3) not null
);
create index consent_copy_erase on consent_copy (erase_at);
create index consent_copy_patient on consent_copy (patient);
