//! A connection with the server, for callers that block.
//!
//! It lives on a thread of its own, whose runtime carries out one statement
//! after the other and watches the connection in between.
//!
//! Invariants: there is one session for the whole life of a connection; once
//! it is lost, it stays lost, every call says so at once, and whoever listens
//! has been told. A server that does not answer is lost within
//! [`HEARTBEAT`] + [`PATIENCE`], which is less than the time after which the
//! server itself gives the session, and the locks it holds, up
//! (see [`SETTINGS`]).

use std::future::Future;
use std::sync::mpsc as answers;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::TryStreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls};

use super::super::sql::{Answer, Row, Value};
use super::address::Address;
use super::error::{ServerError, why};

/// How long nothing may happen before the server is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a connection may take to end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes under way between the client and the session.
const UNDER_WAY: usize = 64 << 10;

/// What every session begins with. Commits are durable on this server at
/// least, whatever the default is; a statement ends before we lose patience;
/// and a session whose host is gone, with the locks it holds, ends after half
/// a minute.
const SETTINGS: &str = "
SELECT set_config('synchronous_commit', 'on', false)
 WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
SET statement_timeout = '12s';
SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '60s';
SET standard_conforming_strings = on;
SET tcp_keepalives_idle = 15;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = '30s';
";

/// A session with the server.
#[derive(Debug)]
pub(super) struct Connection {
    address: Address,
    requests: Option<mpsc::UnboundedSender<Request>>,
    loss: watch::Receiver<Option<String>>,
    thread: Option<JoinHandle<()>>,
}

/// What is asked of the thread.
#[derive(Debug)]
struct Request {
    work: Work,
    answer: answers::Sender<Result<Answer, ServerError>>,
}

#[derive(Debug)]
enum Work {
    /// One statement with its parameters.
    Statement(String, Vec<Value>),
    /// Statements without any.
    Batch(String),
}

impl Connection {
    /// Dials, signs in, and settles how the session behaves.
    pub fn open(address: &Address) -> Result<Self, ServerError> {
        let (requests, incoming) = mpsc::unbounded_channel();
        let (lost, loss) = watch::channel(None);
        let (opened, is_open) = answers::channel();
        let at = address.clone();
        let failed = |error: std::io::Error| {
            ServerError::Configuration(format!("no thread for the connection: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || runtime.block_on(live(&at, incoming, &lost, &opened)))
            .map_err(failed)?;
        let connection = Self {
            address: address.clone(),
            requests: Some(requests),
            loss,
            thread: Some(thread),
        };
        let opened = aside(|| is_open.recv());
        opened.unwrap_or_else(|_| Err(connection.is_lost()))?;
        connection.batch(SETTINGS)?;
        Ok(connection)
    }

    /// Carries out one statement, whose parameters are written `?1`, `?2`.
    /// PostgreSQL's texts have no zero byte; `␀` stands for it.
    pub fn run(&self, statement: &str, values: &[Value]) -> Result<Answer, ServerError> {
        let values = values.iter().map(|value| match value {
            Value::Text(text) => Value::Text(text.replace('\0', "\u{2400}")),
            other => other.clone(),
        });
        self.ask(Work::Statement(
            statement.replace('?', "$"),
            values.collect(),
        ))
    }

    /// Carries out statements without parameters and answers.
    pub fn batch(&self, statements: &str) -> Result<(), ServerError> {
        self.ask(Work::Batch(statements.to_owned())).map(drop)
    }

    /// Tells when and why the session was lost.
    pub fn loss(&self) -> watch::Receiver<Option<String>> {
        self.loss.clone()
    }

    fn ask(&self, work: Work) -> Result<Answer, ServerError> {
        let (answer, answered) = answers::channel();
        let sent = match &self.requests {
            Some(requests) => requests.send(Request { work, answer }).is_ok(),
            None => false,
        };
        if !sent {
            return Err(self.is_lost());
        }
        aside(|| answered.recv()).unwrap_or_else(|_| Err(self.is_lost()))
    }

    fn is_lost(&self) -> ServerError {
        let reason = self.loss.borrow().clone();
        ServerError::Lost {
            place: self.address.to_string(),
            reason: reason.unwrap_or_else(|| "it has ended".to_owned()),
        }
    }
}

impl Drop for Connection {
    /// Says good-bye, so that the server lets go of all locks at once.
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing more to say.
            let _ = aside(|| thread.join());
        }
    }
}

/// Blocks, and lets others have the worker of a runtime in the meantime.
fn aside<T>(wait: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

/// A connection from its beginning to its end.
async fn live(
    address: &Address,
    mut requests: mpsc::UnboundedReceiver<Request>,
    lost: &watch::Sender<Option<String>>,
    opened: &answers::Sender<Result<(), ServerError>>,
) {
    let (client, ending) = match dial(address).await {
        Ok(dialled) => dialled,
        Err(error) => {
            // Nobody waits any more if the caller is gone.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    let mut ending = std::pin::pin!(ending);
    let reason = loop {
        tokio::select! {
            reason = &mut ending => break reason,
            request = requests.recv() => match request {
                None => {
                    drop(client);
                    let _ = timeout(FAREWELL, ending).await;
                    return;
                }
                Some(Request { work, answer }) => {
                    let done = answered(address, carry_out(&client, &work)).await;
                    if let Err(ServerError::Lost { reason, .. }) = &done {
                        let reason = reason.clone();
                        lost.send_replace(Some(reason.clone()));
                        let _ = answer.send(done);
                        break reason;
                    }
                    let _ = answer.send(done);
                }
            },
            () = tokio::time::sleep(HEARTBEAT) => {
                let alive = answered(address, async {
                    client.check_connection().await.map(|()| Answer::default())
                });
                if let Err(error) = alive.await {
                    break error.to_string();
                }
            }
        }
    };
    lost.send_if_modified(|known| {
        let is_news = known.is_none();
        known.get_or_insert(reason);
        is_news
    });
    // Requests are dropped with their channel, which answers them.
}

/// An answer in time.
async fn answered(
    address: &Address,
    work: impl Future<Output = Result<Answer, tokio_postgres::Error>>,
) -> Result<Answer, ServerError> {
    match timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(|error| ServerError::of_statement(address, &error)),
        Err(_) => Err(ServerError::Lost {
            place: address.to_string(),
            reason: format!("the server does not answer within {PATIENCE:?}"),
        }),
    }
}

async fn carry_out(client: &Client, work: &Work) -> Result<Answer, tokio_postgres::Error> {
    let (statement, values) = match work {
        Work::Batch(statements) => {
            client.batch_execute(statements).await?;
            return Ok(Answer::default());
        }
        Work::Statement(statement, values) => (statement, values),
    };
    let parameters = values.iter().map(|value| -> (&(dyn ToSql + Sync), Type) {
        match value {
            Value::Null => (&None::<&str>, Type::TEXT),
            Value::Text(text) => (text, Type::TEXT),
            Value::Number(number) => (number, Type::INT8),
        }
    });
    let parameters: Vec<_> = parameters.collect();
    let mut stream = std::pin::pin!(client.query_typed_raw(statement, parameters).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        rows.push(Row((0..row.len())
            .map(|column| value(&row, column))
            .collect::<Result<_, _>>()?));
    }
    Ok(Answer {
        rows,
        changed: stream.rows_affected().unwrap_or(0),
    })
}

/// A column of an answer. The tables have texts and numbers alone.
fn value(row: &tokio_postgres::Row, column: usize) -> Result<Value, tokio_postgres::Error> {
    let number = |number: Option<i64>| number.map_or(Value::Null, Value::Number);
    Ok(match *row.columns()[column].type_() {
        Type::INT8 => number(row.try_get(column)?),
        Type::INT4 => number(row.try_get::<_, Option<i32>>(column)?.map(i64::from)),
        Type::BOOL => number(row.try_get::<_, Option<bool>>(column)?.map(i64::from)),
        _ => row
            .try_get::<_, Option<String>>(column)?
            .map_or(Value::Null, Value::Text),
    })
}

/// Gets in. The second value is what the connection ends with.
async fn dial(
    address: &Address,
) -> Result<(Client, impl Future<Output = String> + use<>), ServerError> {
    let (host, port) = address.host_and_port();
    let unknown = |why: String| ServerError::Unreachable(format!("{host}:{port}: {why}"));
    let found = timeout(
        address.connect_timeout(),
        tokio::net::lookup_host((host, port)),
    );
    let found: Vec<_> = found
        .await
        .map_err(|_| unknown("its name is not found in time".to_owned()))?
        .map_err(|error| unknown(format!("its name is not found: {error}")))?
        .collect();
    let session = address.dial_at(found).open().await;
    let session = session.map_err(ServerError::of_session)?;
    let (ours, theirs) = tokio::io::duplex(UNDER_WAY);
    let serving = tokio::spawn(session.serve(theirs));
    let mut config = Config::new();
    config
        .user(address.user())
        .dbname(address.database())
        .application_name("vesicle state");
    match config.connect_raw(ours, NoTls).await {
        Ok((client, connection)) => {
            let connection = tokio::spawn(connection);
            let ending = async move {
                let ended = connection.await;
                // What the server said last comes before how the line was.
                let said = ended.ok().and_then(Result::err).map(|error| why(&error));
                let served = serving.await.ok().and_then(Result::err);
                said.or_else(|| served.map(|error| error.message))
                    .unwrap_or_else(|| "the server has closed it".to_owned())
            };
            Ok((client, ending))
        }
        Err(error) => Err(match serving.await {
            Ok(Err(refusal)) => ServerError::of_session(refusal),
            _ => ServerError::of_statement(address, &error),
        }),
    }
}
