-- What follows when a Consent ends, and how the hub forgets a person (docs/erasure.md, decision 0032).

-- Whom a Consent let see, and until when: so that each is asked to delete its copies when that is over, by the clock too. A recipient
-- that a narrower Consent leaves out ends at that moment. Coordinator-local under Citus: walked by time.
create table consent_receiver (
  consent_id text collate "C" not null,
  -- As rules name it: `Organization/x`, `Device/client`, `Practitioner/y`.
  recipient text collate "C" not null,
  -- Consent.patient.
  patient text collate "C" not null,
  -- How long copies may be kept after that; null: the Consent does not say.
  kept_days int,
  -- Infinity: the Consent has no end yet.
  ends_at timestamptz(3) not null,
  -- When those who were shown something were asked.
  asked_at timestamptz(3),
  primary key (consent_id, recipient)
);
create index consent_receiver_due on consent_receiver (ends_at) where asked_at is null;
create index consent_receiver_patient on consent_receiver (patient);

insert into consent_receiver (consent_id, recipient, patient, kept_days, ends_at)
select rule.consent_id, rule.recipient, min(rule.origin), min(copy.kept_days), max(rule.valid_to)
from consent_rule rule left join consent_copy copy on copy.consent_id = rule.consent_id
where not rule.is_deny and rule.recipient not like 'RelatedPerson/%'
group by rule.consent_id, rule.recipient;

-- The Tasks by which receivers are asked. The Task itself is a resource; here is what the hub goes by.
create table deletion_task (
  -- Of the Task.
  id text collate "C" primary key,
  consent_id text collate "C" not null,
  recipient text collate "C" not null,
  -- Who was shown something and is asked: the Task's owner.
  owner text collate "C" not null,
  patient text collate "C" not null,
  -- dataEraseAt: by when.
  erase_by timestamptz(3) not null,
  asked_at timestamptz(3) not null,
  -- Task.status.
  status text not null default 'requested',
  answered_at timestamptz(3)
);
create index deletion_task_consent on deletion_task (consent_id, recipient);
create index deletion_task_patient on deletion_task (patient, asked_at desc);
