-- What is due at once is due for the next statement: with milliseconds alone it was rounded, half of the time to a moment still to come,
-- and whoever looked within that half of a millisecond found nothing to do.
alter table erasure alter column due_at type timestamptz;
alter table export_job alter column due_at type timestamptz;
alter table subscription alter column due_at type timestamptz;

-- And a window that is closed is closed for the next statement.
alter table break_glass alter column opened_at type timestamptz, alter column closes_at type timestamptz;
