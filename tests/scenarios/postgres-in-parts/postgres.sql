-- Rows of 2 KiB, so that there is enough to cut; no column is a key.
create table wide (number int, word text, filler text);
alter table wide alter filler set storage plain;
insert into wide
select case n % 3 when 0 then null when 1 then -n else n end,
       case n % 5 when 0 then null else 'word ' || n % 7 end, repeat('x', 2000)
  from generate_series(1, 36000) n;
analyze wide;
