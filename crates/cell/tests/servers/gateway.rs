//! A gateway on loopback, that gives what a test wants it to give.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What a gateway answers.
pub enum Reply {
    Block(Vec<u8>),
    Missing,
    Redirect(String),
    /// Bytes without an end.
    Endless,
    /// Nothing, for as long as anybody waits.
    Silence,
}

/// A gateway; its thread ends with the process.
pub struct Gateway {
    pub url: String,
    asked: Arc<AtomicUsize>,
}

impl Gateway {
    /// Answers each request for a CID by `reply`.
    pub fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
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
        Self { url, asked }
    }

    /// How many blocks it was asked for.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn serve(
    stream: TcpStream,
    reply: &dyn Fn(&str) -> Reply,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut to = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(request) = lines.next() {
        let request = request?;
        let cid = request_of_block(&request).map(str::to_owned);
        let mut takes_raw = false;
        for line in lines.by_ref() {
            let line = line?.to_ascii_lowercase();
            takes_raw |= line == "accept: application/vnd.ipld.raw";
            if line.is_empty() {
                break;
            }
        }
        asked.fetch_add(1, Ordering::Relaxed);
        let reply = match cid {
            Some(cid) if takes_raw => reply(&cid),
            _ => Reply::Missing,
        };
        let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}\r\n\r\n");
        match reply {
            Reply::Block(block) => {
                let length = format!("Content-Length: {}", block.len());
                to.write_all(&[head("200 OK", &length).as_bytes(), &block].concat())?;
            }
            Reply::Missing => {
                to.write_all(head("404 Not Found", "Content-Length: 0").as_bytes())?;
            }
            Reply::Redirect(url) => {
                let more = format!("Location: {url}\r\nContent-Length: 0");
                to.write_all(head("302 Found", &more).as_bytes())?;
            }
            Reply::Endless => {
                to.write_all(head("200 OK", "Connection: close").as_bytes())?;
                loop {
                    to.write_all(&[7; 1 << 16])?;
                }
            }
            Reply::Silence => thread::sleep(Duration::from_secs(3600)),
        }
    }
    Ok(())
}

/// The CID of `GET /ipfs/CID?format=raw HTTP/1.1`.
fn request_of_block(request: &str) -> Option<&str> {
    let path = request.strip_prefix("GET /ipfs/")?;
    path.strip_suffix("?format=raw HTTP/1.1")
}
