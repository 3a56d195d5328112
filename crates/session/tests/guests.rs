//! Guests that do what they should not, before a server that lets everybody in.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{WELCOME, end, fake, hear, let_in, serve, startup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vesicle_session::Category;

/// Says this to a session and returns what the guest hears, and how it ended.
async fn say(
    said: &[u8],
) -> (
    String,
    Result<vesicle_session::Traffic, vesicle_session::Error>,
) {
    let postgres = fake(let_in).await;
    let (mut guest, served) = serve(postgres.open().await.unwrap());
    guest.write_all(said).await.unwrap();
    (hear(guest).await, end(served).await)
}

#[tokio::test]
async fn encryption_is_refused_and_parameters_go_through_in_their_order() {
    let postgres = fake(let_in).await;
    let (mut guest, served) = serve(postgres.open().await.unwrap());
    for request in [80_877_103_u32, 80_877_104] {
        guest.write_u32(8).await.unwrap();
        guest.write_u32(request).await.unwrap();
        assert_eq!(guest.read_u8().await.unwrap(), b'N');
    }
    let said = startup(&[
        "database",
        "d",
        "user",
        "u",
        "options",
        "-c x=y",
        "replication",
        "1",
    ]);
    guest.write_all(&said).await.unwrap();
    let told = startup(&[
        "user",
        "u",
        "database",
        "d",
        "options",
        "-c x=y",
        "replication",
        "1",
    ]);
    let mut heard = vec![0; WELCOME.len() + told.len() - 4];
    guest.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, [WELCOME, &told[4..]].concat());
    guest.write_all(b"anything").await.unwrap();
    guest.shutdown().await.unwrap();
    assert_eq!(hear(guest).await, "anything");
    let traffic = end(served).await.unwrap();
    assert_eq!(traffic.to_server, 8);
    assert_eq!(traffic.to_guest as usize, told.len() - 4 + 8);
}

#[tokio::test]
async fn a_guest_that_does_not_say_who_it_is_gets_the_granted_user() {
    let postgres = fake(let_in).await;
    let (mut guest, _served) = serve(postgres.open().await.unwrap());
    guest.write_all(&startup(&["database", "d"])).await.unwrap();
    let told = startup(&["user", "u", "database", "d"]);
    let mut heard = vec![0; WELCOME.len() + told.len() - 4];
    guest.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard[WELCOME.len()..], told[4..]);
}

#[tokio::test]
async fn a_guest_that_wants_to_be_somebody_else_is_refused() {
    let (heard, ended) = say(&startup(&["user", "postgres"])).await;
    let error = ended.unwrap_err();
    assert_eq!(error.category, Category::Permission);
    assert!(!error.retryable);
    let said = "the guest wants to be user \"postgres\"; this session is for user \"u\"";
    assert!(error.message.ends_with(said), "{error}");
    assert!(
        heard.starts_with('E') && heard.contains("C28000\0"),
        "{heard}"
    );
}

#[tokio::test]
async fn packets_that_cannot_be_are_answered_with_an_error() {
    let with_length = |length: u32| [&length.to_be_bytes()[..], &[0; 100]].concat();
    let encryption = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
    let cancel = [16_u32, 80_877_102, 1, 2].map(u32::to_be_bytes).concat();
    let mut unterminated = startup(&["user", "u"]);
    *unterminated.last_mut().unwrap() = b'x';
    for (said, code) in [
        (with_length(0), "guest-startup"),
        (with_length(1 << 30), "guest-startup"),
        (with_length(u32::MAX), "guest-startup"),
        (with_length(104), "guest-version"),
        (unterminated, "guest-startup"),
        (encryption.repeat(4), "guest-startup"),
        (cancel, "guest-cancel"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            "guest-startup",
        ),
    ] {
        let (heard, ended) = say(&said).await;
        let error = ended.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(!error.retryable);
        let heard = heard.trim_start_matches('N');
        assert!(heard.starts_with('E'), "{heard}");
    }
}

#[tokio::test]
async fn a_guest_that_sends_a_password_before_it_is_in_is_told_that_nobody_asked() {
    let postgres = fake(|stream| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(stream);
    })
    .await;
    let (mut guest, served) = serve(postgres.open().await.unwrap());
    guest.write_all(&startup(&["user", "u"])).await.unwrap();
    guest.write_all(b"p\0\0\0\x06x\0").await.unwrap();
    let heard = hear(guest).await;
    assert!(heard.contains("no password"), "{heard}");
    assert_eq!(end(served).await.unwrap_err().code, "guest-early");
}

#[tokio::test]
async fn a_guest_that_drips_or_leaves_holds_nothing_up() {
    let postgres = fake(let_in).await;
    let (mut guest, served) = serve(postgres.open().await.unwrap());
    let began = Instant::now();
    let dripping = tokio::spawn(async move {
        for byte in startup(&["user", "u", "options", &"x".repeat(200)]) {
            if guest.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert_eq!(end(served).await.unwrap_err().code, "guest-silent");
    assert!(began.elapsed() < Duration::from_secs(3));
    dripping.abort();

    for part in [0, 3, 20] {
        let (mut guest, served) = serve(postgres.open().await.unwrap());
        let message = startup(&["user", "u", "database", "d"]);
        guest.write_all(&message[..part]).await.unwrap();
        drop(guest);
        assert_eq!(end(served).await.unwrap_err().code, "guest-left");
    }
}
