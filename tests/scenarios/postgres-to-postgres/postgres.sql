create table people (id int primary key, name text, born date);
insert into people values (1, 'Ada', '1815-12-10'), (2, 'Grace', null);
