-- Searches across patients read what was written last one by one.
--
-- New keys wait in a list of up to 4 MB before they are sorted into the index, and every search reads that list from end to
-- end: after 10,000 writes a look-up of 23 keys took 12-46 ms, and it stays so when the writes end. With 256 kB it takes 1 ms at
-- most; a row that is written with nineteen others costs 49 us and not 42. Without a list it costs 69. Measured:
-- docs/decisions/0023-what-a-transaction-costs.md.
alter index resource_keys set (gin_pending_list_limit = 256);
select gin_clean_pending_list('resource_keys');
