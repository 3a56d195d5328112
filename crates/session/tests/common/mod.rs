//! Guests, and what they connect to.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses some of it")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use vesicle_session::{Endpoint, Error, Postgres, Secret, Session, Traffic};
use vesicle_test_postgres::Server;

pub type Served = JoinHandle<Result<Traffic, Error>>;

/// A server on this machine, under this name.
pub fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port,
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], port))],
    }
}

/// The superuser of a server.
pub fn superuser(server: &Server) -> Postgres {
    Postgres {
        password: Some(Secret::from(server.password().to_owned())),
        ..Postgres::new(endpoint("127.0.0.1", server.port()), Server::SUPERUSER)
    }
}

/// Serves a guest whose end comes back.
pub fn serve(session: Session) -> (DuplexStream, Served) {
    let (guest, host) = duplex(64 * 1024);
    (guest, tokio::spawn(session.serve(host)))
}

/// What a guest's client says of itself: no password.
pub fn no_password() -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .user(Server::SUPERUSER)
        .dbname(Server::DATABASE)
        .application_name("a guest");
    config
}

/// A client in the guest's place, which has no password.
pub async fn connect(
    postgres: &Postgres,
    config: &tokio_postgres::Config,
) -> (Result<Client, tokio_postgres::Error>, Served) {
    let (guest, served) = serve(postgres.open().await.unwrap());
    match config.connect_raw(guest, NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            (Ok(client), served)
        }
        Err(error) => (Err(error), served),
    }
}

/// How a session ended, within five seconds.
pub async fn end(served: Served) -> Result<Traffic, Error> {
    let ended = tokio::time::timeout(Duration::from_secs(5), served).await;
    ended.expect("the session ends").unwrap()
}

/// A server that plays a script on each connection.
pub async fn fake<F, Play>(script: F) -> Postgres
where
    F: Fn(TcpStream) -> Play + Send + 'static,
    Play: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(script(stream));
        }
    });
    Postgres {
        password: Some(Secret::from("hunter2".to_owned())),
        connect_timeout: Duration::from_millis(500),
        ..Postgres::new(endpoint("127.0.0.1", port), "u")
    }
}

/// Reads a startup message, and returns it without its length.
pub async fn read_startup(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap();
    let mut message = vec![0; length as usize - 4];
    stream.read_exact(&mut message).await.unwrap();
    message
}

/// What lets a guest in.
pub const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0";

/// A server that lets everybody in, says what it was told, and ends with the guest.
pub async fn let_in(mut stream: TcpStream) {
    let startup = read_startup(&mut stream).await;
    stream.write_all(WELCOME).await.unwrap();
    stream.write_all(&startup).await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    let _ = stream.write_all(&rest).await;
}

/// A startup message of protocol 3.0 with these parameters.
pub fn startup(parameters: &[&str]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in parameters {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
    message.extend(body);
    message
}

/// All that a guest still hears.
pub async fn hear(mut guest: DuplexStream) -> String {
    let mut heard = Vec::new();
    let read = guest.read_to_end(&mut heard);
    let read = tokio::time::timeout(Duration::from_secs(5), read).await;
    read.expect("the guest is told that it is over").unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}
