create table people (id int primary key, name text);
insert into people select n, 'person ' || n from generate_series(1, 60) n;
