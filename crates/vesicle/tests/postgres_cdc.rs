//! Changes of PostgreSQL's tables, from the server's log to another table.

#![allow(clippy::unwrap_used)]

mod common;

use common::postgres::Tables;

/// A table with a column whose values are stored apart.
const NOTES: &str = "\
create table notes (id int primary key, title text not null, body text, at timestamptz default now());
alter table notes alter body set storage external;
insert into notes select n, 'note ' || n, repeat(md5(n::text), 200) from generate_series(1, 1000) n;";

const STREAM: &str = "{ name: notes, sync_mode: cdc, primary_key: id }";

#[test]
fn a_snapshot_is_followed_by_what_changes_after_it() {
    for mode in ["upsert", "replace"] {
        let tables = Tables::new(NOTES);
        tables.document(STREAM, mode);
        assert_eq!(tables.complete().figure("rows_written"), 1000);
        tables.expect_equal("notes", "raw.notes");
        // Nothing has changed.
        assert_eq!(tables.complete().figure("rows_written"), 0);
        tables.server.sql(
            "insert into notes values (2000, 'new', repeat('n', 5000));
             update notes set title = 'changed' where id % 3 = 0;
             update notes set body = 'short' where id % 100 = 0;
             update notes set id = id + 10000 where id between 10 and 20;
             update notes set id = id + 10000, body = 'moved' where id between 21 and 30;
             delete from notes where id between 500 and 600;
             begin; delete from notes where id = 1; insert into notes values (1, 'again', null); end;",
        );
        tables.complete();
        tables.expect_equal("notes", "raw.notes");
        tables
            .server
            .sql("truncate notes; insert into notes values (5, 'five', 'v')");
        tables.complete();
        tables.expect_equal("notes", "raw.notes");
        assert_eq!(tables.count("raw.notes"), 1);
    }
}
