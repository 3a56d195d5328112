//! A server of HTTP on loopback, that gives what a test wants it to give.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What a server is asked.
pub struct Request {
    /// The path with the query.
    pub target: String,
    /// The lines of the head, in small letters.
    pub head: Vec<String>,
}

/// What a server answers.
pub enum Reply {
    Body(Vec<u8>),
    Missing,
    /// Asks to be signed in to, by this challenge.
    Unauthorized(String),
    Redirect(String),
    /// Bytes without an end.
    Endless,
    /// Nothing, for as long as anybody waits.
    Silence,
}

/// A server; its threads end with the process.
pub struct Server {
    /// Host and port.
    pub address: String,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each request by `reply`.
    pub fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let reply = Arc::new(reply);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, counter) = (stream.unwrap(), Arc::clone(&counter));
                let reply = Arc::clone(&reply);
                // Who asks may go away at any time.
                thread::spawn(move || serve(stream, &*reply, &counter));
            }
        });
        Self { address, asked }
    }

    /// A gateway of IPFS that answers each request for a block by `reply`, of its
    /// CID.
    pub fn gateway(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |request| {
            let cid = request.target.strip_prefix("/ipfs/");
            let cid = cid.and_then(|cid| cid.strip_suffix("?format=raw"));
            let accept = "accept: application/vnd.ipld.raw";
            match cid {
                Some(cid) if request.head.iter().any(|line| line == accept) => reply(cid),
                _ => Reply::Missing,
            }
        })
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn serve(
    stream: TcpStream,
    reply: &dyn Fn(&Request) -> Reply,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut to = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(first) = lines.next() {
        let first = first?;
        let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut head = Vec::new();
        for line in lines.by_ref() {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        asked.fetch_add(1, Ordering::Relaxed);
        let reply = reply(&Request { target, head });
        let (status, more, body) = match reply {
            Reply::Body(body) => ("200 OK", String::new(), body),
            Reply::Missing => ("404 Not Found", String::new(), Vec::new()),
            Reply::Unauthorized(challenge) => {
                let more = format!("WWW-Authenticate: {challenge}\r\n");
                ("401 Unauthorized", more, Vec::new())
            }
            Reply::Redirect(url) => ("302 Found", format!("Location: {url}\r\n"), Vec::new()),
            Reply::Endless => {
                to.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                loop {
                    to.write_all(&[7; 1 << 16])?;
                }
            }
            Reply::Silence => {
                thread::sleep(Duration::from_secs(3600));
                return Ok(());
            }
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\n\r\n");
        to.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}
