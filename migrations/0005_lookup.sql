-- A statement is planned once a connection, often while the table is still empty and every index equally cheap; of equals
-- the planner takes the youngest. Look-ups by key went through resource_updated (type, then a skip scan for the id): half a
-- million index scans for six thousand messages. Made last, the primary key is the one it takes.
alter table resource drop constraint resource_pkey;
alter table resource add primary key (bucket, type, id);
