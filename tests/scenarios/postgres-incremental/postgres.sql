create table events (id int primary key, at timestamptz not null, what text);
insert into events values (1, '2024-01-01Z', 'a'), (2, '2024-01-02Z', 'b'), (3, '2024-01-02Z', 'c');
