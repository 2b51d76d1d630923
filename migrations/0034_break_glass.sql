-- Emergency access: a window that a hospital opened on one patient, with its reason. Read by every statement of who opened it,
-- by the clock. Never deleted: it is what the patient and the operator are told.

create table break_glass (
  id uuid primary key,
  -- Who opened it and may look through it: the client, and the user it named.
  issuer text not null,
  client text not null,
  subject text not null,
  organization text not null,
  patient text collate "C" not null,
  reason_code text not null,
  reason text not null,
  -- Sensitive labels (src/fhir/labels.ts) that were asked for by name; 0: ordinary records alone.
  labels int not null,
  opened_at timestamptz(3) not null default statement_timestamp(),
  closes_at timestamptz(3) not null,
  -- Earlier than it would have closed by itself: by whom.
  closed_by text
);
-- The check of a row, and how many a client opened of late.
create index break_glass_client on break_glass (client, issuer, subject, opened_at);
create index break_glass_patient on break_glass (patient, opened_at);
