//! Something between a client and a server that can go wrong at a byte.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::child::PATIENCE;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks.
    Close,
    /// Nothing goes on any more, and nobody says so.
    Stall,
    /// These bytes come instead of what would have come; then the connection
    /// ends.
    Say(Vec<u8>),
}

/// What is to go wrong on the connections that get so far.
#[derive(Clone, Debug)]
struct Plan {
    way: Way,
    /// Behind how many bytes.
    after: usize,
    fault: Fault,
    /// How often.
    times: u32,
}

/// Passes bytes on between clients and a server, until a plan says otherwise.
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Option<Plan>>>,
    /// How often something went wrong.
    happened: Arc<Mutex<u32>>,
}

impl Proxy {
    /// A proxy before a port of this machine.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            plan: Arc::default(),
            happened: Arc::default(),
        };
        let (plan, happened) = (Arc::clone(&proxy.plan), Arc::clone(&proxy.happened));
        // It ends with the test.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // A server that is away closes what it was to answer.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                for (way, from, to) in [
                    (Way::ToServer, &client, &server),
                    (Way::ToClient, &server, &client),
                ] {
                    let pipe = Pipe {
                        way,
                        from: from.try_clone().unwrap(),
                        to: to.try_clone().unwrap(),
                        plan: Arc::clone(&plan),
                        happened: Arc::clone(&happened),
                    };
                    std::thread::spawn(move || pipe.pass());
                }
            }
        });
        proxy
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets something go wrong, so many times, on connections over which so
    /// many bytes have gone that way.
    pub fn fail(&self, times: u32, way: Way, after: usize, fault: Fault) {
        *self.happened.lock().unwrap() = 0;
        *self.plan.lock().unwrap() = Some(Plan {
            way,
            after,
            fault,
            times,
        });
    }

    /// Lets nothing go wrong any more. Connections that have stalled end.
    pub fn mend(&self) {
        *self.plan.lock().unwrap() = None;
    }

    /// How often something went wrong.
    pub fn happened(&self) -> u32 {
        *self.happened.lock().unwrap()
    }
}

/// One direction of one connection.
struct Pipe {
    way: Way,
    from: TcpStream,
    to: TcpStream,
    plan: Arc<Mutex<Option<Plan>>>,
    happened: Arc<Mutex<u32>>,
}

impl Pipe {
    fn pass(mut self) {
        let mut buffer = vec![0; 64 << 10];
        let mut passed = 0;
        loop {
            // Whoever breaks off breaks off both ways.
            let Ok(count @ 1..) = self.from.read(&mut buffer) else {
                let _ = self.to.shutdown(Shutdown::Write);
                return;
            };
            let (whole, fault) = self.due(passed, count);
            if self.to.write_all(&buffer[..whole]).is_err() {
                let _ = self.from.shutdown(Shutdown::Both);
                return;
            }
            passed += whole;
            match fault {
                None => {}
                Some(Fault::Stall) => return self.stall(),
                Some(fault) => {
                    if let Fault::Say(bytes) = fault {
                        let _ = self.to.write_all(&bytes);
                    }
                    let _ = self.to.shutdown(Shutdown::Both);
                    let _ = self.from.shutdown(Shutdown::Both);
                    return;
                }
            }
        }
    }

    /// How many of the bytes pass, and what happens after them.
    fn due(&self, passed: usize, count: usize) -> (usize, Option<Fault>) {
        let mut plan = self.plan.lock().unwrap();
        let Some(due) = plan.as_mut() else {
            return (count, None);
        };
        if due.way != self.way || due.times == 0 || passed + count <= due.after {
            return (count, None);
        }
        due.times -= 1;
        *self.happened.lock().unwrap() += 1;
        (due.after.saturating_sub(passed), Some(due.fault.clone()))
    }

    /// Keeps the connection open, and passes nothing on until it is mended,
    /// which ends it.
    fn stall(&mut self) {
        let start = Instant::now();
        while self.plan.lock().unwrap().is_some() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.to.shutdown(Shutdown::Both);
        let _ = self.from.shutdown(Shutdown::Both);
    }
}
