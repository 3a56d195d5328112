//! Tables whose changes are followed.

use std::fs;

use super::postgres::Tables;

/// A table with a column whose values are stored apart.
pub const NOTES: &str = "\
create table notes (id int primary key, title text not null, body text, at timestamptz default now());
alter table notes alter body set storage external;
insert into notes select n, 'note ' || n, repeat(md5(n::text), 200) from generate_series(1, 1000) n;";

pub const STREAM: &str = "{ name: notes, sync_mode: cdc, primary_key: id }";

/// Changes of every kind.
pub const CHANGES: &str = "\
update notes set title = 'changed ' || id where id % 3 = 0;
update notes set body = 'short' where id % 100 = 0;
update notes set id = id + 10000 where id between 10 and 20;
update notes set id = id + 10000, body = 'moved' where id between 21 and 30;
update notes set id = id + 10000 where id between 31 and 33;
update notes set id = id + 10000, title = 'twice' where id between 10031 and 10033;
delete from notes where id between 500 and 600;
begin; delete from notes where id = 1; insert into notes values (1, 'again', null); end;
begin; insert into notes values (3000, 'undone'); rollback;
insert into notes values (2000, 'new', repeat('n', 5000)) on conflict (id) do update set title = 'newer';";

/// Changes of every kind, again and again, in transactions of one to some
/// hundred rows.
pub const WRITER: &str = "\
do $$ begin
  for n in 1..150 loop
    insert into notes select 100000 + n * 10 + m, 'w' || m, repeat('b', 3000) from generate_series(1, 5) m;
    update notes set title = title || '.' where id % 50 = n % 50;
    commit;
    delete from notes where id % 100 = n % 100 and id > 900;
    update notes set id = -id where id = 100000 + n * 10 + 1;
    commit;
  end loop;
end $$;";

/// Makes the run go on until it is stopped.
pub fn follow(tables: &Tables) {
    let path = tables.folder.path().join("pipeline.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replacen(
        "database: postgres }",
        "database: postgres, follow: true }",
        1,
    );
    tables.write(&(text + "checkpoint: { interval: 200ms }\n"));
}

/// Goes on without following, to where the log ends.
pub fn catch_up(tables: &Tables) {
    let path = tables.folder.path().join("pipeline.yaml");
    let text = fs::read_to_string(&path).unwrap();
    tables.write(&text.replacen(", follow: true", "", 1));
    tables.complete();
    tables.expect_equal("notes", "raw.notes");
}

/// Where the slot of a stream is confirmed, as bytes of the log.
pub fn confirmed(tables: &Tables) -> u64 {
    let query = "select confirmed_flush_lsn - '0/0' from pg_replication_slots";
    tables.server.sql(query).parse().unwrap()
}

/// Whether the target has what the source has.
pub fn is_equal(tables: &Tables) -> bool {
    let checksum = |table: &str| {
        let query = format!("select md5(string_agg(t::text, ',' order by id)) from {table} t");
        tables.server.try_sql(&query)
    };
    checksum("notes") == checksum("raw.notes")
}
