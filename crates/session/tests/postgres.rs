//! A PostgreSQL server, and a client in the guest's place that has no password.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{connect, end, hear, no_password, serve, startup, superuser};
use futures::{SinkExt as _, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_postgres::error::SqlState;
use vesicle_session::{Category, Postgres, Secret};
use vesicle_test_postgres::{Auth, Options, Server};

fn server(auth: Auth) -> Server {
    Server::start(Options {
        auth,
        ..Options::default()
    })
}

#[tokio::test]
async fn a_guest_without_a_password_gets_in_however_the_server_asks() {
    for auth in [Auth::ScramSha256, Auth::Md5, Auth::Cleartext, Auth::Trust] {
        let server = server(auth);
        let (client, served) = connect(&superuser(&server), &no_password()).await;
        let client = client.unwrap();
        let row = client
            .query_one(
                "select current_user::text, current_setting('application_name'), $1::int + 1",
                &[&41],
            )
            .await
            .unwrap();
        let columns: (&str, &str, i32) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(columns, ("postgres", "a guest", 42), "{auth:?}");
        drop(client);
        let traffic = end(served).await.unwrap();
        assert!(traffic.to_server > 0 && traffic.to_guest > 0);
    }
}

#[tokio::test]
async fn a_wrong_password_is_what_guest_and_host_hear_of_and_nothing_of_it() {
    for auth in [Auth::ScramSha256, Auth::Md5, Auth::Cleartext] {
        let server = server(auth);
        let postgres = Postgres {
            password: Some(Secret::from("hunter2".to_owned())),
            ..superuser(&server)
        };
        let (client, served) = connect(&postgres, &no_password()).await;
        let heard = client.err().unwrap();
        assert_eq!(heard.code(), Some(&SqlState::INVALID_PASSWORD), "{auth:?}");
        let error = end(served).await.unwrap_err();
        assert_eq!(
            error.message,
            format!(
                "127.0.0.1:{}: password authentication failed for user \"postgres\"",
                server.port()
            )
        );
        assert_eq!(error.category, Category::Authentication);
        assert_eq!((error.code, error.retryable), ("password-rejected", false));
        let shown = format!("{heard:?} {error:?} {postgres:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_hundred_megabytes_go_in_and_come_back() {
    const ROWS: usize = 100;
    let server = server(Auth::ScramSha256);
    let (client, served) = connect(&superuser(&server), &no_password()).await;
    let client = client.unwrap();
    client
        .batch_execute(
            "create unlogged table t (a text);
             alter table t alter a set storage external",
        )
        .await
        .unwrap();
    let row = [vec![b'x'; 1 << 20], b"\n".to_vec()].concat();
    let sink = client.copy_in("copy t from stdin").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    for _ in 0..ROWS {
        sink.send(Bytes::from(row.clone())).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), ROWS as u64);
    let stream = client.copy_out("copy t to stdout").await.unwrap();
    let read = stream
        .try_fold(0, |read, chunk| async move { Ok(read + chunk.len()) })
        .await
        .unwrap();
    assert_eq!(read, ROWS * row.len());
    drop(client);
    let traffic = end(served).await.unwrap();
    assert!(traffic.to_server >= read as u64 && traffic.to_guest >= read as u64);
}

#[tokio::test]
async fn a_guest_can_ask_for_replication() {
    let server = server(Auth::ScramSha256);
    let said = startup(&["database", "postgres", "replication", "database"]);
    let (mut guest, served) = serve(superuser(&server).open().await.unwrap());
    guest.write_all(&said).await.unwrap();
    assert_eq!(guest.read_u8().await.unwrap(), b'R');
    guest
        .write_all(b"Q\0\0\0\x14IDENTIFY_SYSTEM\0X\0\0\0\x04")
        .await
        .unwrap();
    let heard = hear(guest).await;
    assert!(heard.contains("systemid"), "{heard}");
    assert!(heard.contains("IDENTIFY_SYSTEM\0"), "{heard}");
    end(served).await.unwrap();
}

#[tokio::test]
async fn a_guest_that_speaks_a_newer_protocol_is_told_which_one_the_server_speaks() {
    let server = server(Auth::ScramSha256);
    let (mut guest, served) = serve(superuser(&server).open().await.unwrap());
    let mut said = startup(&["database", "postgres", "_pq_.novelty", "1"]);
    // Protocol 3.9.
    said[7] = 9;
    guest.write_all(&said).await.unwrap();
    assert_eq!(guest.read_u8().await.unwrap(), b'v');
    let mut negotiated = vec![0; guest.read_u32().await.unwrap() as usize - 4];
    guest.read_exact(&mut negotiated).await.unwrap();
    assert!(negotiated.ends_with(b"_pq_.novelty\0"), "{negotiated:?}");
    assert_eq!(guest.read_u8().await.unwrap(), b'R');
    guest.write_all(b"X\0\0\0\x04").await.unwrap();
    drop(hear(guest).await);
    end(served).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_the_guests_own_affair() {
    let server = server(Auth::ScramSha256);
    let mut config = no_password();
    config.dbname("nowhere");
    let (client, served) = connect(&superuser(&server), &config).await;
    let heard = client.err().unwrap();
    assert_eq!(heard.code(), Some(&SqlState::INVALID_CATALOG_NAME));
    end(served).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_full_is_worth_another_try() {
    let server = Server::start(Options {
        settings: vec![
            ("max_connections".to_owned(), "3".to_owned()),
            ("superuser_reserved_connections".to_owned(), "0".to_owned()),
        ],
        ..Options::default()
    });
    let postgres = superuser(&server);
    let mut guests = Vec::new();
    for _ in 0..3 {
        let (client, _) = connect(&postgres, &no_password()).await;
        guests.push(client.unwrap());
    }
    let (client, served) = connect(&postgres, &no_password()).await;
    let heard = client.err().unwrap();
    assert_eq!(heard.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
    let error = end(served).await.unwrap_err();
    assert_eq!(error.category, Category::Unavailable);
    assert_eq!(
        (error.code, error.retryable),
        ("too-many-connections", true)
    );
}

#[tokio::test]
async fn a_server_that_is_killed_ends_the_session_and_serves_the_next_once_it_is_back() {
    let mut server = server(Auth::ScramSha256);
    let postgres = superuser(&server);
    let (client, served) = connect(&postgres, &no_password()).await;
    let client = client.unwrap();
    let asking = tokio::spawn(async move { client.simple_query("select pg_sleep(60)").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    server.kill();
    assert!(asking.await.unwrap().is_err());
    // However it is told by the system: as an end or as a loss.
    if let Err(error) = end(served).await {
        assert_eq!((error.code, error.retryable), ("connection-lost", true));
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    let error = postgres.open().await.unwrap_err();
    assert_eq!(error.code, "connection-refused");

    server.restart();
    let (client, _served) = connect(&postgres, &no_password()).await;
    client.unwrap().simple_query("select 1").await.unwrap();
}

#[tokio::test]
async fn a_guest_that_is_gone_leaves_no_connection_behind() {
    let server = server(Auth::ScramSha256);
    let (client, served) = connect(&superuser(&server), &no_password()).await;
    let count = "select count(*) from pg_stat_activity where application_name = 'a guest'";
    assert_eq!(server.sql(count), "1");
    drop(client);
    end(served).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.sql(count) != "0" {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
