//! Servers that are away, refuse, belong to others, or break.

use super::*;
use serde_json::json;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use vesicle_test_postgres::{Options, Server};

/// The server that all tests share. It ends with the process.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start(Options {
            tls: vec!["localhost".to_owned()],
            settings: vec![("max_connections".into(), "400".into())],
            ..Options::default()
        })
    })
}

/// The name of a schema that no other test has.
pub(super) fn new_schema() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("State \"{}\"", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Where a schema of the server is.
pub(super) fn address(schema: &str) -> String {
    let schema = schema.replace('"', "%22").replace(' ', "%20");
    format!("{}?schema={schema}", server().url())
}

fn parse(url: &str) -> Address {
    Address::parse(url, Path::new("")).unwrap()
}

fn open(url: &str) -> Result<PostgresState, StateError> {
    PostgresState::open(&parse(url))
}

/// The error of opening a state.
#[track_caller]
fn refused(url: &str) -> ServerError {
    match open(url) {
        Err(StateError::Server(error)) => error,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it should be refused"),
    }
}

/// What the server says of the session that a state has.
fn of_session(state: &PostgresState, what: &str) -> String {
    format!("{:?}", state.ask_for_tests(what).rows[0])
}

#[test]
fn a_server_that_does_not_let_us_in_is_told_without_the_password() {
    let wrong = server().url().replace(server().password(), "s3cret%2fword");
    let error = refused(&wrong);
    assert!(matches!(error, ServerError::Authentication(_)), "{error:?}");
    assert!(!error.is_passing());
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("password authentication failed for user \"postgres\""),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
    let url = server().url();
    let missing = url.strip_suffix("postgres").unwrap().to_owned() + "elsewhere";
    assert!(
        refused(&missing)
            .to_string()
            .contains("\"elsewhere\" does not exist")
    );
}

#[test]
fn a_server_that_is_away_may_be_there_later() {
    let error = refused("postgres://reader@127.0.0.1:1/app");
    assert!(error.is_passing());
    assert_eq!(
        error.to_string(),
        "the state in PostgreSQL: 127.0.0.1:1: connection refused; is the server running, and does it listen there?"
    );
    let error = refused("postgres://reader@vesicle.invalid/app");
    assert!(
        error
            .to_string()
            .contains("vesicle.invalid:5432: its name is not found")
    );
}

#[test]
fn a_certificate_is_verified_before_anything_is_said() {
    let root = server().root_certificate();
    let here = format!("localhost:{}", server().port());
    let url = server()
        .url()
        .replace(&format!("127.0.0.1:{}", server().port()), &here);
    let schema = "schema=tls";
    let verified = format!(
        "{url}?{schema}&sslmode=verify-full&sslrootcert={}",
        root.display()
    );
    let state = open(&verified).unwrap();
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(of_session(&state, encrypted), "Row([Number(1)])");
    let other = format!(
        "{}?{schema}&sslmode=verify-full&sslrootcert={}",
        server().url(),
        root.display()
    );
    let error = refused(&other).to_string();
    assert!(
        error.contains("the certificate is for other names (localhost)"),
        "{error}"
    );
    let unknown = refused(&format!("{url}?{schema}&sslmode=verify-full"));
    assert!(
        unknown.to_string().contains("not trusted here"),
        "{unknown}"
    );
}

#[test]
fn a_user_who_may_not_make_a_schema_can_be_given_one() {
    let password = server().password();
    server().sql(&format!("create role plain login password '{password}'"));
    let url = server().url().replacen("//postgres:", "//plain:", 1);
    let error = refused(&format!("{url}?schema=plain"));
    assert!(matches!(error, ServerError::Permission { .. }), "{error:?}");
    assert!(
        error.to_string().contains("permission denied for database")
            && error
                .to_string()
                .contains("let an administrator make the schema"),
        "{error}"
    );
    server().sql("create schema plain authorization plain");
    let state = open(&format!("{url}?schema=plain")).unwrap();
    state.claim("p", &json!({})).unwrap();
}

#[test]
fn commits_are_durable_whatever_the_default_is() {
    let password = server().password();
    server().sql(&format!(
        "create role hasty superuser login password '{password}';
         alter role hasty set synchronous_commit = off;
         alter role hasty set default_transaction_isolation = 'serializable'"
    ));
    let url = server().url().replacen("//postgres:", "//hasty:", 1);
    let state = open(&format!("{url}?schema=hasty")).unwrap();
    let setting = "SELECT current_setting('synchronous_commit')";
    assert_eq!(of_session(&state, setting), "Row([Text(\"on\")])");
}

#[test]
fn a_server_that_takes_no_changes_is_told() {
    let password = server().password();
    server().sql(&format!(
        "create role looker superuser login password '{password}';
         alter role looker set default_transaction_read_only = on"
    ));
    let url = server().url().replacen("//postgres:", "//looker:", 1);
    let error = refused(&format!("{url}?schema=looker"));
    assert!(matches!(error, ServerError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn a_schema_of_another_program_is_left_alone() {
    server().sql("create schema other; create table other.runs (id int)");
    let url = address("other");
    let error = refused(&url);
    assert!(matches!(error, ServerError::Foreign { .. }), "{error:?}");
    server().sql("create table other.format (name text)");
    let error = refused(&url);
    assert!(matches!(error, ServerError::Foreign { .. }), "{error:?}");
    let tables = "select string_agg(relname, ' ' order by relname) from pg_class
                   where relnamespace = 'other'::regnamespace";
    assert_eq!(server().sql(tables), "format runs");
}

#[test]
fn tables_of_a_newer_version_are_refused_and_left_alone() {
    let url = address("newer");
    open(&url).unwrap();
    server().sql("update newer.format set format = 99");
    let error = refused(&url).to_string();
    assert!(
        error.contains("written by a newer version of Vesicle (format 99, this one knows 2)"),
        "{error}"
    );
    assert_eq!(server().sql("select format from newer.format"), "99");
}

#[test]
fn a_state_that_is_not_there_is_not_made_by_looking() {
    let address = parse(&address("looking"));
    let error = PostgresState::open_existing(&address).unwrap_err();
    let expected = format!(
        "there is no state in schema looking of 127.0.0.1:{}/postgres; the first run makes it",
        server().port()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(server().sql("select to_regnamespace('looking')"), "");
    PostgresState::open(&address).unwrap();
    PostgresState::open_existing(&address).unwrap();
}

#[test]
fn many_hosts_make_the_tables_once() {
    let url = address(&new_schema());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(&url).unwrap().list().unwrap());
        }
    });
}

/// Ends the session that a state has, as an administrator does.
fn end_session(state: &PostgresState) {
    let pid = of_session(state, "SELECT pg_backend_pid()");
    let pid: String = pid.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(
        server().sql(&format!("select pg_terminate_backend({pid}, 10000)")),
        "t"
    );
}

#[tokio::test]
async fn a_session_that_ends_takes_the_lock_along_and_nothing_can_be_changed_without_it() {
    let url = address(&new_schema());
    let state = open(&url).unwrap();
    let lock = state.lock("p").unwrap();
    state.claim("p", &json!({})).unwrap();
    let run = state.begin_run("p", &json!("out")).unwrap();
    state
        .begin_stream(&run.id, "s", None, Start::Afresh)
        .unwrap();
    let elsewhere = open(&url).unwrap();
    assert!(matches!(elsewhere.lock("p"), Err(StateError::Busy { .. })));
    assert_eq!(lock.is_lost(), None);

    end_session(&state);
    // Nobody asks the server for anything, and still it is noticed.
    let lost = tokio::time::timeout(Duration::from_secs(30), lock.lost());
    let reason = "terminating connection due to administrator command";
    assert_eq!(lost.await.unwrap(), reason);
    let _theirs = elsewhere.lock("p").unwrap();
    let refused = state.commit(&receipt(&run, 1, "c1")).unwrap_err();
    assert!(
        matches!(&refused, StateError::Server(ServerError::Lost { .. })),
        "{refused:?}"
    );
    assert!(refused.to_string().ends_with(reason), "{refused}");
    assert!(elsewhere.partitions("p", "s").unwrap().is_empty());
    let resumed = elsewhere.resume_run(&run.id, &json!("out")).unwrap();
    assert_eq!(resumed.attempts, 2);
    // Not even when the lock is free again.
    drop(lock);
    drop(_theirs);
    assert!(state.lock("p").is_err());
}

#[test]
fn what_was_committed_is_there_after_the_server_was_killed() {
    let mut server = Server::start(Options::default());
    let url = server.url();
    let state = open(&url).unwrap();
    state.claim("p", &json!({})).unwrap();
    let run = state.begin_run("p", &json!("out")).unwrap();
    state
        .begin_stream(&run.id, "s", None, Start::Afresh)
        .unwrap();
    state.commit(&receipt(&run, 1, "c1")).unwrap();
    server.restart();
    assert!(state.commit(&receipt(&run, 2, "c2")).is_err());
    let state = open(&url).unwrap();
    assert_eq!(state.partitions("p", "s").unwrap()[0].cursor, "c1");
    server.stop();
    assert!(state.partitions("p", "s").is_err());
    assert!(open(&url).unwrap_err().is_passing());
}
