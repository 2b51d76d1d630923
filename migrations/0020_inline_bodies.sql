-- A row of more than 2 kB has its longest values compressed (pglz), and nearly every row from a message is that long: body,
-- tokens and texts together. Each write then pays for it, each read again. Up to 4 kB, two rows a page, it stays as it is.
-- Measured over 27,000 rows of converted results: a row inserted 41 -> 30 us, a page of 20 187 -> 170 us of processor time, the
-- table 34 % larger, with its indexes 23 %. Up to 8 kB: no more gained but in pages, and one row a page. Past versions are
-- hardly read and stay compressed. docs/decisions/0019-speed-of-the-facade.md
alter table resource set (toast_tuple_target = 4080);
