-- The history of a type or of everything, newest first, for the source that wrote it. `owner` is that of the current row and never
-- changes; without it in the index a small source would walk through the changes of all others.
alter table resource_history add column owner text collate "C";
update resource_history h set owner = r.owner from resource r where r.bucket = h.bucket and r.type = h.type and r.id = h.id;
create index resource_history_owner on resource_history (owner, type, last_updated, id, version);
