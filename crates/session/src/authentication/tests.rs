use std::time::Duration;

use tokio::io::{AsyncReadExt as _, duplex};

use super::*;

fn credentials(is_private: bool) -> Credentials {
    Credentials {
        user: "u".to_owned(),
        password: Some(Secret::from("hunter2hunter2".to_owned())),
        is_private,
        is_encrypted: false,
        binding: None,
    }
}

/// Signs in to a server that has said all this already; returns what it heard too.
async fn sign_in_to(said: &[u8], credentials: &Credentials) -> (Result<Vec<u8>, Refusal>, Vec<u8>) {
    let (mut host, mut server) = duplex(1 << 20);
    server.write_all(said).await.unwrap();
    server.shutdown().await.unwrap();
    let signing_in = sign_in(&mut host, b"startup", credentials, "db:1");
    let signed_in = tokio::time::timeout(Duration::from_secs(5), signing_in);
    let signed_in = signed_in.await.expect("it comes to an end");
    drop(host);
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    (signed_in, heard)
}

fn request(kind: i32, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    message::write(&mut out, b'R', &[&kind.to_be_bytes(), data]);
    out
}

fn contains(heard: &[u8], wanted: &[u8]) -> bool {
    heard.windows(wanted.len()).any(|part| part == wanted)
}

#[tokio::test]
async fn a_password_in_the_clear_goes_only_where_nobody_can_read_it() {
    let said = [request(3, b""), request(0, b"")].concat();
    let (signed_in, heard) = sign_in_to(&said, &credentials(true)).await;
    assert_eq!(signed_in.unwrap(), request(0, b""));
    assert!(contains(&heard, b"hunter2hunter2\0"));

    let (signed_in, heard) = sign_in_to(&said, &credentials(false)).await;
    let error = signed_in.unwrap_err().error;
    assert_eq!(error.code, "password-in-the-clear");
    assert_eq!(error.category, Category::Configuration);
    assert!(!contains(&heard, b"hunter2"));
}

#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_repeated() {
    let said = [
        request(3, b""),
        message::error_response("28P01", "hunter2hunter2 is wrong"),
    ]
    .concat();
    let (signed_in, _) = sign_in_to(&said, &credentials(true)).await;
    let refusal = signed_in.unwrap_err();
    assert_eq!(refusal.error.category, Category::Authentication);
    assert!(!format!("{refusal:?}").contains("hunter2"));
    assert!(!contains(&refusal.response, b"hunter2"));
}

#[tokio::test]
async fn a_server_that_lets_in_without_proof_after_scram_began_is_refused() {
    let sasl = request(10, b"SCRAM-SHA-256\0\0");
    let said = [sasl.clone(), request(0, b"")].concat();
    let (signed_in, _) = sign_in_to(&said, &credentials(true)).await;
    assert_eq!(signed_in.unwrap_err().error.code, "sign-in-disorder");
    // A nonce that is not an extension of ours.
    let said = [sasl, request(11, b"r=abc,s=AAAA,i=4096")].concat();
    let (signed_in, _) = sign_in_to(&said, &credentials(true)).await;
    assert_eq!(signed_in.unwrap_err().error.code, "scram");
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_refused() {
    let (mut host, mut server) = duplex(1 << 20);
    let impostor = tokio::spawn(async move {
        let mut heard = vec![0; 7];
        server.read_exact(&mut heard).await.unwrap();
        server
            .write_all(&request(10, b"SCRAM-SHA-256\0\0"))
            .await
            .unwrap();
        let mut first = vec![0; 1000];
        let read = server.read(&mut first).await.unwrap();
        let first = String::from_utf8_lossy(&first[..read]).into_owned();
        let nonce = first.split_once("r=").unwrap().1.to_owned();
        let challenge = format!("r={nonce}abc,s=c2FsdA==,i=4096");
        server
            .write_all(&request(11, challenge.as_bytes()))
            .await
            .unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'p');
        let forged = b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let last = [request(12, forged), request(0, b"")].concat();
        server.write_all(&last).await.unwrap();
        server
    });
    let signed_in = sign_in(&mut host, b"startup", &credentials(true), "db:1").await;
    let error = signed_in.unwrap_err().error;
    assert_eq!(error.code, "server-unproven");
    assert_eq!(error.category, Category::Authentication);
    impostor.await.unwrap();
}

#[tokio::test]
async fn methods_that_are_not_known_are_named() {
    for (said, name) in [
        (request(7, b""), "GSSAPI"),
        (request(9, b""), "SSPI"),
        (request(77, b"x"), "method 77"),
        (request(10, b"OAUTHBEARER\0\0"), "OAUTHBEARER"),
    ] {
        let (signed_in, _) = sign_in_to(&said, &credentials(true)).await;
        let error = signed_in.unwrap_err().error;
        assert_eq!(error.category, Category::Unsupported);
        assert!(error.message.contains(name), "{}", error.message);
    }
}

#[tokio::test]
async fn notices_are_heard_after_the_welcome_and_not_without_end() {
    let mut notice = Vec::new();
    message::write(&mut notice, b'N', &[b"SNOTICE\0Mhello\0\0"]);
    let said = [notice.clone(), request(0, b"")].concat();
    let (signed_in, _) = sign_in_to(&said, &credentials(true)).await;
    assert_eq!(
        signed_in.unwrap(),
        [request(0, b""), notice.clone()].concat()
    );

    let (signed_in, _) = sign_in_to(&notice.repeat(10_000), &credentials(true)).await;
    assert_eq!(signed_in.unwrap_err().error.code, "endless-sign-in");
}

#[tokio::test]
async fn a_password_that_is_missing_is_asked_for_by_name() {
    let nobody = Credentials {
        password: None,
        ..credentials(true)
    };
    for said in [
        request(3, b""),
        request(5, b"salt"),
        request(10, b"SCRAM-SHA-256\0\0"),
    ] {
        let (signed_in, _) = sign_in_to(&said, &nobody).await;
        let error = signed_in.unwrap_err().error;
        assert_eq!(error.code, "password-missing");
        assert_eq!(
            error.message,
            "db:1: the server asks for the password of user \"u\", and none was given"
        );
    }
}

#[tokio::test]
async fn what_a_server_says_decides_what_kind_of_trouble_it_is() {
    for (sqlstate, category, retryable) in [
        ("28P01", Category::Authentication, false),
        ("28000", Category::Authentication, false),
        ("3D000", Category::NotFound, false),
        ("42501", Category::Permission, false),
        ("53300", Category::Unavailable, true),
        ("53200", Category::Exhausted, true),
        ("57P03", Category::Unavailable, true),
        ("22023", Category::Configuration, false),
        ("", Category::Configuration, false),
    ] {
        let said = message::error_response(sqlstate, "no");
        let (signed_in, _) = sign_in_to(&said, &credentials(true)).await;
        let refusal = signed_in.unwrap_err();
        assert_eq!(refusal.error.category, category, "{sqlstate}");
        assert_eq!(refusal.error.retryable, retryable, "{sqlstate}");
        assert_eq!(refusal.response, said, "the guest hears it as it is");
    }
}

#[tokio::test]
async fn a_password_is_bound_to_the_certificate_where_the_server_can() {
    let bound = Credentials {
        binding: Some(vec![1, 2, 3]),
        ..credentials(true)
    };
    let both = request(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let (_, heard) = sign_in_to(&both, &bound).await;
    assert!(contains(&heard, b"SCRAM-SHA-256-PLUS\0"));
    assert!(contains(&heard, b"p=tls-server-end-point,,n=,r="));
    // It says that it could have.
    let one = request(10, b"SCRAM-SHA-256\0\0");
    let (_, heard) = sign_in_to(&one, &bound).await;
    assert!(contains(&heard, b"y,,n=,r="));
    // It has nothing to bind to.
    let (_, heard) = sign_in_to(&both, &credentials(true)).await;
    assert!(contains(&heard, b"SCRAM-SHA-256\0") && contains(&heard, b"n,,n=,r="));
}
