//! Servers that are none, or not what they say.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{end, endpoint, fake, hear, let_in, read_startup, serve, startup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vesicle_session::{Category, Error, Postgres, Tls};

/// Signs in to a server that sends this as soon as it has heard the startup
/// message, and then keeps still; returns what the guest hears too.
async fn after_startup(sent: &'static [u8]) -> (Error, String) {
    let postgres = fake(move |mut stream| async move {
        read_startup(&mut stream).await;
        let _ = stream.write_all(sent).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    })
    .await;
    sign_in(&postgres).await
}

async fn sign_in(postgres: &Postgres) -> (Error, String) {
    let began = Instant::now();
    let (mut guest, served) = serve(postgres.open().await.unwrap());
    guest.write_all(&startup(&["user", "u"])).await.unwrap();
    let heard = hear(guest).await;
    let error = end(served).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{error}");
    assert!(error.message.starts_with("127.0.0.1:"), "{error}");
    assert!(!format!("{error:?}{heard}").contains("hunter2"));
    (error, heard)
}

/// Opens a session with TLS with a server that answers the request with this,
/// and then keeps still.
async fn after_tls_request(answer: &'static [u8]) -> Error {
    let postgres = fake(move |mut stream| async move {
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
        stream.write_all(answer).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    })
    .await;
    let postgres = Postgres {
        tls: Tls::Require,
        ..postgres
    };
    let began = Instant::now();
    let error = postgres.open().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{error}");
    error
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let (error, heard) = after_startup(b"").await;
    assert_eq!(
        (error.category, error.code),
        (Category::Timeout, "sign-in-timeout")
    );
    assert!(error.retryable);
    assert!(heard.contains("does not let us in within 500ms"), "{heard}");

    let error = after_tls_request(b"").await;
    assert_eq!(
        (error.category, error.code),
        (Category::Timeout, "connect-timeout")
    );
    let error = after_tls_request(b"S").await;
    assert_eq!(
        (error.category, error.code),
        (Category::Timeout, "connect-timeout")
    );
    assert!(error.retryable);
}

#[tokio::test]
async fn a_server_that_drips_is_given_up_in_time() {
    let postgres = fake(|mut stream| async move {
        read_startup(&mut stream).await;
        for byte in b"N\0\0\x7f\xff".iter().chain(&[b'x'; 1000]) {
            let _ = stream.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (error, _) = sign_in(&postgres).await;
    assert_eq!(error.code, "sign-in-timeout");
}

#[tokio::test]
async fn a_server_that_is_none_is_found_out_by_its_first_words() {
    for sent in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"R\x40\0\0\0",
        b"R\0\0\0\x03",
        b"N\xff\xff\xff\xff",
        b"\0\0\0\0\0\0\0\0",
    ] {
        let (error, heard) = after_startup(sent).await;
        assert_eq!(
            (error.category, error.code),
            (Category::Internal, "foreign-protocol")
        );
        assert!(!error.retryable);
        assert!(heard.contains("is it the right port?"), "{heard}");
    }
    let error = after_tls_request(b"HTTP").await;
    assert_eq!(error.code, "foreign-protocol");
}

#[tokio::test]
async fn a_server_that_closes_may_be_there_again_later() {
    for sent in [&b""[..], b"R", b"R\0\0\0\x08\0"] {
        let postgres = fake(move |mut stream| async move {
            read_startup(&mut stream).await;
            stream.write_all(sent).await.unwrap();
        })
        .await;
        let (error, _) = sign_in(&postgres).await;
        assert_eq!(
            (error.category, error.code),
            (Category::Unavailable, "connection-lost")
        );
        assert!(error.retryable);
    }
    let postgres = Postgres {
        tls: Tls::Require,
        ..fake(|stream| async move { drop(stream) }).await
    };
    let error = postgres.open().await.unwrap_err();
    assert_eq!(
        (error.category, error.code),
        (Category::Unavailable, "connection-lost")
    );
}

#[tokio::test]
async fn notices_without_end_do_not_keep_a_guest_waiting() {
    let postgres = fake(|mut stream| async move {
        read_startup(&mut stream).await;
        while stream.write_all(b"N\0\0\0\x05\0").await.is_ok() {}
    })
    .await;
    let (error, _) = sign_in(&postgres).await;
    assert_eq!(error.code, "endless-sign-in");
}

#[tokio::test]
async fn bytes_between_the_answer_and_the_handshake_are_not_taken() {
    let error = after_tls_request(b"SR\0\0\0\x08\0\0\0\0").await;
    assert_eq!(
        (error.category, error.code),
        (Category::Internal, "tls-stuffed")
    );
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_the_clear() {
    let error = after_tls_request(b"N").await;
    assert_eq!(
        (error.category, error.code),
        (Category::Configuration, "tls-not-offered")
    );
    assert!(!error.retryable);
    let error = after_tls_request(b"E\0\0\0\x20SFATAL\0Mforged\0\0").await;
    assert_eq!(error.code, "tls-refused");
    assert!(!error.message.contains("forged"));
    let error = after_tls_request(b"Snot a handshake at all").await;
    assert!(
        ["tls-handshake", "tls-stuffed"].contains(&error.code),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_worth_another_try() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let nobody = Postgres::new(endpoint("127.0.0.1", port), "u");
    let error = nobody.open().await.unwrap_err();
    assert_eq!(
        (error.category, error.code),
        (Category::Unavailable, "connection-refused")
    );
    assert!(error.retryable);
    assert_eq!(
        error.message,
        format!(
            "127.0.0.1:{port}: connection refused; is the server running, and does it listen \
             there?"
        )
    );

    let mut postgres = fake(let_in).await;
    postgres
        .endpoint
        .addresses
        .insert(0, nobody.endpoint.addresses[0]);
    postgres
        .open()
        .await
        .expect("the second address is dialled");
}

#[tokio::test]
async fn what_cannot_be_is_said_before_anybody_is_dialled() {
    let postgres = fake(|_| async { panic!("it was dialled") }).await;
    for wrong in [
        Postgres {
            endpoint: vesicle_session::Endpoint {
                addresses: Vec::new(),
                ..postgres.endpoint.clone()
            },
            ..postgres.clone()
        },
        Postgres {
            user: "u\0v".to_owned(),
            ..postgres.clone()
        },
        Postgres {
            password: Some("hunter2\0".to_owned().into()),
            ..postgres.clone()
        },
        Postgres {
            tls: Tls::VerifyFull,
            root_certificate: Some("no/such/file.pem".into()),
            ..postgres.clone()
        },
        Postgres {
            tls: Tls::VerifyFull,
            endpoint: endpoint("not a name", 1),
            ..postgres.clone()
        },
    ] {
        let error = wrong.open().await.unwrap_err();
        assert_eq!(error.category, Category::Configuration, "{error}");
        assert!(!error.retryable);
        assert!(!format!("{error:?} {wrong:?}").contains("hunter2"));
    }
}
