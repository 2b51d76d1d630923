-- Who may see what, and who saw it: rules compiled from Consents, registered clients, revoked tokens, the audit trail.

-- One row per rule, recipient and source patient of a Consent; written in the transaction that writes the Consent, so a
-- grant or its end holds from the next statement. Distributed by bucket with `resource`, so that the check of a row stays
-- on its shard. A column that is null does not restrict.
create table consent_rule (
  bucket int not null,
  patient text collate "C" not null,
  -- `Organization/x` or `Device/client`; `*` (denies only): everybody.
  recipient text collate "C" not null,
  consent_id text collate "C" not null,
  -- Ordinal within the Consent.
  rule smallint not null,
  version int not null,
  -- Consent.patient: another source patient than `patient` when the rule was spread over the person's other records.
  origin text collate "C" not null,
  is_deny boolean not null,
  -- Bits of src/access/purpose.ts.
  purposes int not null,
  -- Numbers of src/fhir/types.ts.
  types smallint[],
  -- Token hashes, as in resource.tokens.
  codes bigint[],
  -- Bits of src/fhir/labels.ts; 0: the rule names no label.
  labels int not null default 0,
  -- Half-open period of the clinical date; both null or both set.
  data_from timestamptz,
  data_to timestamptz,
  valid_from timestamptz not null default '-infinity',
  valid_to timestamptz not null default 'infinity',
  -- `Organization/x` that wrote the row.
  sources text[],
  -- `<type number>/<id>`.
  instances text[],
  -- The recipient before the Consent: a check reads the few rules that are about who asks. With 31 rules on a patient a
  -- refused search over 235 rows took 3.8 ms when it read them all.
  primary key (bucket, patient, recipient, consent_id, rule),
  check (is_deny or recipient <> '*'),
  check ((data_from is null) = (data_to is null))
);
-- The rules of further patients a row refers to (their bucket is not in the row), and spreading at a link.
create index consent_rule_patient on consent_rule (patient, recipient);
-- Replacing the rules of a Consent.
create index consent_rule_consent on consent_rule (consent_id);

-- Registered clients: what a token of theirs may claim. A client without a row carries what its trusted issuer vouches for.
create table client (
  issuer text not null,
  id text not null,
  kind text not null check (kind in ('ai', 'payment', 'hospital', 'portal', 'operator', 'other')),
  organization text,
  purposes int not null,
  is_active boolean not null default true,
  updated_at timestamptz not null default now(),
  primary key (issuer, id)
);
create index client_updated on client (updated_at);

create table revoked_token (
  jti text not null,
  issuer text not null,
  -- After this the token is refused anyway and the row may go.
  expires_at timestamptz not null,
  revoked_at timestamptz not null default now(),
  primary key (jti, issuer)
);
create index revoked_token_revoked on revoked_token (revoked_at);

-- The end of each hash chain and who may extend it: one process at a time, by lease; `fence` grows with each claim, so a
-- process that lost its lease without noticing cannot write.
create table audit_shard (
  shard int primary key,
  fence bigint not null,
  lease_until timestamptz not null,
  last_seq bigint not null default 0,
  last_hash bytea not null
);

-- One row per access and patient. Compact columns; rendered as AuditEvent when read. Append-only: `hash` is SHA-256 over the
-- hash before it in the shard and this row (src/access/audit/chain.ts).
create table audit_event (
  shard int not null,
  seq bigint not null,
  at timestamptz(3) not null,
  client text,
  subject text,
  organization text,
  purposes int not null,
  interaction text not null,
  type smallint,
  resource_id text,
  patient text collate "C",
  -- How many rows of this patient were returned.
  rows int not null,
  -- `self`, `source`, `consent:<id>/<version>`, `internal:<reason>`; null when nothing was shown.
  decided_by text,
  -- 0 success, 4 refused or nothing shown, 8 failed: AuditEvent.outcome.
  outcome smallint not null,
  -- Names of the search parameters, never their values.
  query text,
  jti text,
  correlation_id text,
  hash bytea not null,
  primary key (shard, seq)
);
create index audit_event_patient on audit_event (patient, at desc, shard desc, seq desc) where patient is not null;
