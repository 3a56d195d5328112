//! The same through a pool.

use vesicle_engine::{Config, Engines, Purse};
use vesicle_pool::{
    Account, Admission, App, Grant, Interface, Pool, Resident, Token, Typed, Value,
};

use crate::apps;
use crate::raw::{FRONT, OPS};

/// A pool with both apps.
pub struct Pooled {
    pub pool: Pool,
    callee: App,
    caller: App,
}

impl Pooled {
    pub fn new(metered: bool) -> Self {
        let pool = Pool::new(Engines::new(Config::default()).expect("this machine can run it"));
        for interface in Interface::from_wit(apps::WIT).expect("the text is right") {
            pool.declare(interface).expect("nothing else has its name");
        }
        let admission = Admission {
            metered,
            ..Admission::default()
        };
        let admit = |name: &str, bytes: &[u8]| {
            let admitted = pool.admit_as(name, bytes, admission);
            admitted.expect("all it imports is declared")
        };
        Self {
            callee: admit("callee", &apps::callee()),
            caller: admit("caller", &apps::caller()),
            pool,
        }
    }

    pub async fn keep(&self, name: &str, app: &App, tokens: &[Token]) -> Resident {
        let account = Account {
            fuel: Purse::new(u64::MAX),
            ..Account::default()
        };
        let kept = self.pool.keep(name, app, tokens, account).await;
        kept.expect("it starts")
    }

    pub async fn callee(&self) -> Resident {
        self.keep("callee", &self.callee, &[]).await
    }

    pub async fn pair(&self) -> Front {
        let callee = self.callee().await;
        let caller = self.keep("caller", &self.caller, &callee.tokens()).await;
        Front::new(&self.pool, &caller).await
    }

    pub async fn fused(&self) -> Front {
        let app = self.pool.admit("fused", &apps::fused());
        let app = app.expect("it imports nothing");
        Front::new(&self.pool, &self.keep("fused", &app, &[]).await).await
    }
}

/// What calls in a loop.
pub struct Front {
    adds: Typed<(u32,), (u32,)>,
    echoes: Typed<(u32, u32), (u32,)>,
    moves: Typed<(u32,), (u32,)>,
}

impl Front {
    async fn new(pool: &Pool, of: &Resident) -> Self {
        let token = of.token(FRONT).expect("it is exported");
        Self {
            adds: pool.typed(&token, "adds").await.expect("of these types"),
            echoes: pool.typed(&token, "echoes").await.expect("of these types"),
            moves: pool.typed(&token, "moves").await.expect("of these types"),
        }
    }

    pub async fn adds(&mut self, times: u32) {
        let done = self.adds.call((times,), Grant::default()).await;
        done.expect("it returns");
    }

    pub async fn echoes(&mut self, times: u32, bytes: u32) {
        let done = self.echoes.call((times, bytes), Grant::default()).await;
        assert_eq!(done.expect("it returns"), (bytes,));
    }

    pub async fn moves(&mut self, times: u32) {
        let done = self.moves.call((times,), Grant::default()).await;
        done.expect("it returns");
    }
}

/// A callee that the host calls.
pub struct Single {
    pool: Pool,
    token: Token,
    add: Typed<(u32, u32), (u32,)>,
}

impl Single {
    pub async fn new(of: &Pooled) -> Self {
        let callee = of.callee().await;
        let token = callee.token(OPS).expect("it is exported");
        Self {
            add: of.pool.typed(&token, "add").await.expect("of these types"),
            pool: of.pool.clone(),
            token,
        }
    }

    pub async fn adds(&mut self, times: u32) {
        for n in 0..times {
            let sum = self.add.call((n, 1), Grant::default()).await;
            assert_eq!(sum.expect("it returns"), (n + 1,));
        }
    }

    pub async fn dynamic(&mut self, times: u32) {
        for n in 0..times {
            let arguments = [Value::U32(n), Value::U32(1)];
            let sum = self
                .pool
                .call(&self.token, "add", &arguments, Grant::default());
            assert_eq!(sum.await.expect("it returns"), [Value::U32(n + 1)]);
        }
    }
}
