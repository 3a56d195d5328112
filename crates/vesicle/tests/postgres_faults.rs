//! Servers that break off, fall silent, talk nonsense, refuse or are full: the
//! error says which, what may help is tried again, and nothing is lost.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Instant;

use common::child::{Ended, Running};
use common::postgres::Tables;
use common::proxy::{Fault, Proxy, Way};
use rustix::process::Signal;

/// Rows of about a kilobyte.
const LONG: &str = "create table long as
  select n as id, repeat(md5(n::text), 30) as text from generate_series(1, 20000) n;";
/// Some way into them, in the middle of a row.
const MIDDLE: usize = 5_000_123;

/// Which connector is behind the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Source,
    Destination,
}

/// A pipeline, and what can go wrong between it and the server.
struct Faulty {
    tables: Tables,
    proxy: Proxy,
    behind: Behind,
}

impl Faulty {
    fn new(behind: Behind) -> Self {
        let tables = Tables::new(LONG);
        let proxy = Proxy::before(tables.server.port());
        let (server, password) = (tables.server.port(), tables.server.password());
        let config = |connector| {
            let port = if behind == connector {
                proxy.port()
            } else {
                server
            };
            format!(
                "host: 127.0.0.1, port: {port}, user: postgres, password: {password}, database: postgres"
            )
        };
        tables.write(&format!(
            "version: \"1.0\"\n\
             pipeline: faults\n\
             source:\n  use: source-postgres\n  config: {{ {} }}\n  streams: [long]\n  \
             limits: {{ idle_timeout: 2s }}\n\
             destination:\n  use: dest-postgres\n  config: {{ {}, schema: raw }}\n  \
             write_mode: append\n  limits: {{ idle_timeout: 2s }}\n\
             state: {{ backend: sqlite, connection: state.db }}\n",
            config(Behind::Source),
            config(Behind::Destination),
        ));
        Self {
            tables,
            proxy,
            behind,
        }
    }

    /// Lets something go wrong in the middle of the rows.
    fn fail(&self, times: u32, fault: Fault) {
        let way = match self.behind {
            Behind::Source => Way::ToClient,
            Behind::Destination => Way::ToServer,
        };
        self.proxy.fail(times, way, MIDDLE, fault);
    }

    fn run(&self) -> Ended {
        Running::start(self.tables.command()).wait()
    }

    /// Makes sure that nothing is there yet, or not for readers.
    #[track_caller]
    fn expect_nothing(&self) {
        let seen = "select to_regclass('raw.long') is not null";
        assert_eq!(self.tables.server.sql(seen), "f");
    }

    /// Makes sure that every row is there once.
    #[track_caller]
    fn expect_all(&self) {
        self.tables.expect_equal("long", "raw.long");
    }
}

#[test]
fn a_connection_that_breaks_in_the_middle_of_a_row_is_made_again() {
    for behind in [Behind::Source, Behind::Destination] {
        let faulty = Faulty::new(behind);
        faulty.fail(2, Fault::Close);
        let ended = faulty.run().expect_exit(0).expect_said("trying again");
        assert_eq!(faulty.proxy.happened(), 2, "{behind:?}");
        assert_eq!(ended.figure("retries"), 2);
        faulty.expect_all();
    }
}

#[test]
fn a_connection_that_always_breaks_is_given_up_and_the_next_run_makes_good() {
    let faulty = Faulty::new(Behind::Source);
    faulty.fail(u32::MAX, Fault::Close);
    let place = format!("127.0.0.1:{}/postgres", faulty.proxy.port());
    let ended = faulty.run().expect_exit(6).expect_said("(5 of 5)");
    ended.expect_said(&format!("source source-postgres, stream long: {place}"));
    assert_eq!(faulty.proxy.happened(), 6);
    faulty.expect_nothing();
    faulty.proxy.mend();
    faulty.run().expect_exit(0).expect_said("going on with run");
    faulty.expect_all();
}

#[test]
fn a_server_that_falls_silent_is_noticed_and_the_next_run_makes_good() {
    for (behind, stage) in [
        (Behind::Source, "source source-postgres"),
        (Behind::Destination, "destination dest-postgres"),
    ] {
        let faulty = Faulty::new(behind);
        faulty.fail(1, Fault::Stall);
        let began = Instant::now();
        faulty
            .run()
            .expect_exit(8)
            .expect_said(&format!("{stage} moved nothing for 2 s"))
            .expect_said("it waits for something outside");
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
        faulty.expect_nothing();
        faulty.proxy.mend();
        faulty.run().expect_exit(0).expect_said("going on with run");
        faulty.expect_all();
    }
}

#[test]
fn a_server_that_talks_nonsense_is_told_and_nothing_of_it_is_kept() {
    // Noise; a message of a length that cannot be; one that never ends; rows
    // where none belong.
    let noise: Vec<u8> = (0..10_000_u32).map(|n| ((n * 7919) >> 3) as u8).collect();
    let nonsense: [&[u8]; 4] = [
        &noise,
        b"d\0\0\0\x01",
        b"d\x7f\xff\xff\xff12345",
        b"D\0\0\0\x06\xff\xffZ\0\0\0\x05I",
    ];
    let faulty = Faulty::new(Behind::Source);
    for bytes in nonsense {
        faulty.fail(u32::MAX, Fault::Say(bytes.to_vec()));
        let ended = faulty.run();
        let code = ended.status.code().unwrap();
        assert!([6, 7, 9].contains(&code), "{ended:#?}");
        let ended = ended.expect_said("source source-postgres, stream long");
        assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
        faulty.expect_nothing();
    }
    // From the first byte on.
    faulty
        .proxy
        .fail(u32::MAX, Way::ToClient, 0, Fault::Say(noise));
    let ended = faulty.run();
    assert_ne!(ended.status.code().unwrap(), 0);
    ended.expect_said(&format!("127.0.0.1:{}", faulty.proxy.port()));
    faulty.proxy.mend();
    faulty.run().expect_exit(0);
    faulty.expect_all();
}

#[test]
fn who_is_refused_is_told_at_once_and_who_is_one_too_many_tries_again() {
    let faulty = Faulty::new(Behind::Source);
    let server = &faulty.tables.server;
    let refused = |words: &str| {
        let ended = faulty.run().expect_exit(5).expect_said(words);
        assert!(!ended.stderr.contains("trying again"), "{ended:#?}");
        assert!(!ended.stderr.contains(server.password()), "{ended:#?}");
    };
    server.sql("create role keeper superuser login");
    let path = faulty.tables.folder.path().join("pipeline.yaml");
    let document = std::fs::read_to_string(&path).unwrap();
    faulty
        .tables
        .write(&document.replace("user: postgres", "user: reader"));
    refused("password authentication failed for user \"reader\"");
    let password = server.password();
    server.sql(&format!("create role reader login password '{password}'"));
    refused("permission denied for table long");
    server.sql("alter role reader superuser nologin");
    refused("role \"reader\" is not permitted to log in");
    server.sql("alter role reader nosuperuser login connection limit 0");
    server.sql("grant pg_read_all_data to reader; grant create on database postgres to reader");
    let mut running = Running::start(faulty.tables.command());
    running.wait_until_said("too many connections for role \"reader\"");
    server.sql("alter role reader connection limit -1");
    running.wait().expect_exit(0).expect_said("trying again");
    faulty.expect_all();
}

/// Makes the server say that the disk is full, at a row of whatever table is
/// filled in the schema `raw`.
const FULL: &str = "
create function full_disk() returns trigger language plpgsql as $$
  begin
    if new.id = 15000 then
      raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end if;
    return new;
  end $$;
create function fill() returns event_trigger language plpgsql as $$
  declare made record;
  begin
    for made in select * from pg_event_trigger_ddl_commands()
      where object_type = 'table' and object_identity like 'raw._vesicle\\_%'
        and object_identity not in ('raw._vesicle_load', 'raw._vesicle_cursor') loop
      execute format('create trigger full_disk before insert on %s for each row execute function full_disk()',
                     made.object_identity);
    end loop;
  end $$;
create event trigger fill on ddl_command_end when tag in ('CREATE TABLE') execute function fill();
";

#[test]
fn a_full_disk_is_told_and_the_next_run_makes_good() {
    let faulty = Faulty::new(Behind::Destination);
    faulty.tables.server.sql(FULL);
    let ended = faulty.run().expect_exit(8);
    let ended = ended.expect_said("destination dest-postgres, stream long");
    let ended = ended.expect_said("could not extend file: No space left on device");
    assert!(!ended.stderr.contains("a defect"), "{ended:#?}");
    faulty.expect_nothing();
    // Room is made.
    faulty.tables.server.sql(
        "create or replace function full_disk() returns trigger language plpgsql as
           $$ begin return new; end $$",
    );
    faulty.run().expect_exit(0).expect_said("going on with run");
    faulty.expect_all();
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_waited_for() {
    let mut faulty = Faulty::new(Behind::Source);
    let mut command = faulty.tables.command();
    command.env("VESICLE_FAIL_POINT", "commit-requested:1:stop");
    let running = Running::start(command).wait_until_stopped();
    faulty.tables.server.restart();
    running.signal(Signal::CONT);
    running.wait().expect_exit(0).expect_said("trying again");
    faulty.expect_all();
}
