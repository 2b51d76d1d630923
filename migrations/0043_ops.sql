-- Who may do what in operations, and how a message is found by whom it is about.

-- What an operator's client or account is for: `operator` (null) runs the hub, `analyst` may see content for a stated reason, `auditor` looks
-- and changes nothing (src/access/operator.ts).
alter table client add column ops_role text check (ops_role in ('operator', 'analyst', 'auditor'));
alter table account add column ops_role text check (ops_role in ('operator', 'analyst', 'auditor'));

-- Keyed hashes of the identifiers of the patient, so that "what became of the messages about 4711" is asked without an identifier being kept
-- beside the message. An array of the message, not rows of a table: it goes with the message's content (src/ingest/marks.ts).
alter table message add column marks bigint[];
create index message_marks on message using gin (marks) where marks is not null;
