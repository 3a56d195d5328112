//! A PostgreSQL server with a certificate.

#![allow(clippy::unwrap_used)]

mod common;

use common::{connect, end, endpoint, no_password, superuser};
use vesicle_session::{Category, Postgres, Secret, Tls};
use vesicle_test_postgres::{Auth, Options, Server};

fn server(auth: Auth) -> Server {
    Server::start(Options {
        auth,
        tls: vec!["localhost".to_owned(), "db.internal".to_owned()],
        ..Options::default()
    })
}

/// The superuser, at a host of this name.
fn at(host: &str, server: &Server, tls: Tls) -> Postgres {
    Postgres {
        endpoint: endpoint(host, server.port()),
        tls,
        root_certificate: Some(server.root_certificate()),
        ..superuser(server)
    }
}

async fn is_encrypted(postgres: &Postgres) -> bool {
    let (client, served) = connect(postgres, &no_password()).await;
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let ssl = client.unwrap().query_one(query, &[]).await.unwrap().get(0);
    end(served).await.unwrap();
    ssl
}

/// A server that offers channel binding refuses a client that could bind and
/// does not: that these get in shows that they did.
#[tokio::test]
async fn the_name_in_the_certificate_is_verified_and_the_password_bound_to_it() {
    let server = server(Auth::ScramSha256);
    assert!(is_encrypted(&at("localhost", &server, Tls::VerifyFull)).await);
    assert!(is_encrypted(&at("db.internal", &server, Tls::VerifyFull)).await);
    assert!(!is_encrypted(&at("localhost", &server, Tls::Off)).await);

    let error = at("db.example.com", &server, Tls::VerifyFull)
        .open()
        .await
        .unwrap_err();
    assert_eq!(
        (error.category, error.code),
        (Category::Configuration, "tls-certificate")
    );
    assert!(!error.retryable);
    let place = format!("db.example.com:{}", server.port());
    let said = "the certificate is for other names (localhost, db.internal)";
    assert!(
        error.message.starts_with(&format!("{place}: {said}")),
        "{error}"
    );

    // An address is a name too.
    let error = at("127.0.0.1", &server, Tls::VerifyFull).open().await;
    assert_eq!(error.unwrap_err().code, "tls-certificate");

    assert!(is_encrypted(&at("db.example.com", &server, Tls::VerifyCa)).await);
    assert!(is_encrypted(&at("db.example.com", &server, Tls::Require)).await);
    let nobody = Postgres {
        root_certificate: None,
        ..at("not a name", &server, Tls::Require)
    };
    assert!(is_encrypted(&nobody).await);
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_vouches_for_nobody() {
    let (server, other) = (server(Auth::ScramSha256), server(Auth::Trust));
    for tls in [Tls::Require, Tls::VerifyCa, Tls::VerifyFull] {
        let postgres = Postgres {
            root_certificate: Some(other.root_certificate()),
            ..at("localhost", &server, tls)
        };
        let error = postgres.open().await.unwrap_err();
        assert_eq!(
            (error.category, error.code),
            (Category::Configuration, "tls-certificate")
        );
        assert!(!error.retryable, "{error}");
    }
    let by_this_machine = Postgres {
        root_certificate: None,
        ..at("localhost", &server, Tls::VerifyFull)
    };
    let error = by_this_machine.open().await.unwrap_err();
    assert_eq!(error.category, Category::Configuration, "{error}");
}

#[tokio::test]
async fn every_way_to_ask_for_a_password_works_encrypted_too() {
    for auth in [Auth::Md5, Auth::Cleartext] {
        let server = server(auth);
        let postgres = at("localhost", &server, Tls::VerifyFull);
        assert!(is_encrypted(&postgres).await, "{auth:?}");
        let wrong = Postgres {
            password: Some(Secret::from("hunter2".to_owned())),
            ..postgres
        };
        let (client, served) = connect(&wrong, &no_password()).await;
        assert!(client.is_err());
        assert_eq!(end(served).await.unwrap_err().code, "password-rejected");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_signed_in_to_where_tls_is_wanted() {
    let plain = Server::start(Options::default());
    let postgres = Postgres {
        tls: Tls::Require,
        ..superuser(&plain)
    };
    let error = postgres.open().await.unwrap_err();
    assert_eq!(
        (error.category, error.code),
        (Category::Configuration, "tls-not-offered")
    );
}
