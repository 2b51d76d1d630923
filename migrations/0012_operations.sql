-- What names a person from somebody else's record (a Coverage of their child, a Group), for $everything. Few rows name several
-- people, so few are written to this index; by resource.keys each of 23 parameters had to be asked for.
create index resource_other_patients on resource using gin (other_patients) with (fastupdate = off)
  where other_patients is not null;
