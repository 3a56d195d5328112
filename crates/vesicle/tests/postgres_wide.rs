//! Rows of tens of kilobytes and of megabytes cross in the memory that the
//! document allows, untouched and by Arrow.

#![allow(clippy::unwrap_used)]

mod common;

use common::postgres::Tables;

/// The queue of the documents, in bytes.
const QUEUE: u64 = 32 << 20;
/// What a run may take beyond what it had when its components were compiled:
/// the queue, and for each of two components the rows that it works on.
const ALLOWED: u64 = 1232 << 20;

/// 140 MB in rows of 70 KB, with a row of 8 MB after every four hundredth.
const WIDE: &str = "create table wide (id int primary key, text text);
alter table wide alter text set storage external;
insert into wide select n, repeat(md5(n::text), 2200) from generate_series(1, 2000) n;
insert into wide select 10000 + n, repeat(md5(n::text), 250000) from generate_series(1, 5) n;";

/// Moves them, and makes sure that what a query says of them stays the same.
fn move_wide_rows(transforms: &str, query: &str) {
    let tables = Tables::new(WIDE);
    let more = format!("{transforms}resources: {{ queue: 32 MiB, memory: 96 MiB }}\n");
    tables.document_with("wide", "replace", &more);
    let ended = tables.complete();
    assert_eq!(ended.figure("rows_written"), 2005);
    let before = "select md5(string_agg(id || md5(text), ' ' order by id)) from wide";
    assert_eq!(tables.server.sql(query), tables.server.sql(before));
    assert!(ended.figure("queue_peak_bytes") <= QUEUE, "{ended:#?}");
    let report = ended.report();
    let resident = |name: &str| report[name].as_u64().unwrap();
    let took = resident("peak_rss_bytes") - resident("compiled_rss_bytes");
    println!("{} MiB beyond what compiling took", took >> 20);
    assert!(took < ALLOWED, "{} MiB: {ended:#?}", took >> 20);
}

#[test]
fn rows_of_every_width_cross_untouched_in_little_memory() {
    move_wide_rows(
        "",
        "select md5(string_agg(id || md5(text), ' ' order by id)) from raw.wide",
    );
}

#[test]
fn rows_of_every_width_cross_by_arrow_in_little_memory() {
    move_wide_rows(
        "transforms:\n  - use: transform-rename\n    config: { columns: { text: words } }\n",
        "select md5(string_agg(id || md5(words), ' ' order by id)) from raw.wide",
    );
}
