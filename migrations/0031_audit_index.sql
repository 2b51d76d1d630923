-- The trail's rows are found by patient, and that is all: every read of a log is of all records of a person, so PostgreSQL sorted what
-- it found by (patient, at, shard, seq) all the same, and the order in the key was paid by each access and used by none.
--
-- GIN with its list of what is pending: an access appends to the list, and what has gathered is put in its place at once, in order. A row
-- costs 2 us for it, in a B-tree with patients at random 9 to 12 (docs/decisions/0030). A read looks through the list too, so it is short.
drop index audit_event_patient;
create index audit_event_patient on audit_event using gin ((array[patient])) with (gin_pending_list_limit = 1024)
  where patient is not null;
