//! A pool for apps that mean harm, which are written as text.

#![allow(dead_code)]

use std::time::Duration;

use vesicle_engine::{Budget, Config, Engines, Error as EngineError, Purse, WhenEmpty};
use vesicle_pool::{
    Account, Admission, Error, Grant, Interface, Pool, Resident, Result, Token, Value, wasi::Wasi,
};

pub const MIB: u64 = 1 << 20;

pub struct Den {
    pub pool: Pool,
    pub admission: Admission,
}

impl Den {
    /// A pool in which some interfaces are declared, and those of WASI.
    pub fn new(wit: &[&str]) -> Self {
        let pool = Pool::new(Engines::new(Config::default()).unwrap());
        for interface in wit.iter().flat_map(|it| Interface::from_wit(it).unwrap()) {
            pool.declare(interface).unwrap();
        }
        for interface in Wasi::offered() {
            pool.declare(interface).unwrap();
        }
        Self {
            pool,
            admission: Admission::default(),
        }
    }

    pub fn metered(mut self) -> Self {
        self.admission.metered = true;
        self
    }

    pub fn dense(mut self) -> Self {
        self.admission.dense = true;
        self
    }

    pub async fn keep(&self, text: &str, tokens: &[Token], account: Account) -> Result<Resident> {
        let bytes = wat::parse_str(text).unwrap();
        let app = self.pool.admit_as("app", &bytes, self.admission)?;
        self.pool.keep("app", &app, tokens, account).await
    }

    /// One that has to be there.
    pub async fn app(&self, text: &str, tokens: &[Token]) -> Resident {
        self.keep(text, tokens, account(MIB)).await.unwrap()
    }

    /// Calls the first function that an app exports.
    pub async fn run(&self, of: &Resident, arguments: &[Value]) -> Result<Vec<Value>> {
        self.run_with(of, arguments, Grant::default()).await
    }

    pub async fn run_with(
        &self,
        of: &Resident,
        arguments: &[Value],
        grant: Grant,
    ) -> Result<Vec<Value>> {
        let token = &of.tokens()[0];
        self.pool.call(token, "run", arguments, grant).await
    }

    /// Makes an app and calls it: how that ends.
    pub async fn ends(&self, text: &str, tokens: &[Token], account: Account) -> Ended {
        let ended = match self.keep(text, tokens, account).await {
            Ok(app) => self.run(&app, &[]).await,
            Err(error) => Err(error),
        };
        Ended(ended.expect_err("it ended well"))
    }
}

/// What an app has that is not trusted: this much memory, two seconds for a
/// call, and some fuel.
pub fn account(memory: u64) -> Account {
    Account {
        budget: Budget::default()
            .with_memory(memory)
            .with_deadline(Some(Duration::from_secs(2))),
        fuel: Purse::new(50_000_000),
        when_empty: WhenEmpty::Trap,
        bytes: None,
    }
}

/// How a call failed, as the engine says.
#[derive(Debug)]
pub struct Ended(pub Error);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::ops::Deref for Ended {
    type Target = EngineError;

    fn deref(&self) -> &EngineError {
        match self.0.origin() {
            Error::Engine(error) => error,
            other => panic!("{other}"),
        }
    }
}

/// A component that exports `run: func() -> u32`, of one core module.
pub fn runner(module: &str) -> String {
    format!(
        r#"(component
  (core module $m {module})
  (core instance $i (instantiate $m))
  (func $run (result u32) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#
    )
}

/// Measures how much more memory than now this process has for a while, in bytes.
/// One test of a process does that at a time.
pub struct Growth {
    begun: u64,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

impl Growth {
    pub async fn begin() -> Self {
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _turn = TURN.lock().await;
        // Makes the peak what there is now.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        Self {
            begun: resident(),
            _turn,
        }
    }

    pub fn end(self) -> u64 {
        memory("VmHWM:").saturating_sub(self.begun)
    }
}

/// The memory that it has.
pub fn resident() -> u64 {
    memory("VmRSS:")
}

fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = status.lines().find_map(|it| it.strip_prefix(line)).unwrap();
    let kib: u64 = found.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}
