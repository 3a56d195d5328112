//! Values of all kinds pass through guests and between stores, and come back as
//! they were.

#![allow(clippy::unwrap_used)]

mod guests;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use vesicle_pool::wasi::Wasi;
use vesicle_pool::{Account, Error, Grant, Pool, Resident, Token, Value};

const WIT: &str = include_str!("../../../tests/guests/echo/wit/echo.wit");

/// Two echoes: one gives back what it gets, one what the other does.
struct Echoes {
    pool: Pool,
    near: Resident,
    far: Resident,
}

impl Echoes {
    async fn new() -> Self {
        let pool = guests::pool(WIT);
        let near = keep(&pool, "echo", &[]).await;
        let far = keep(&pool, "echo-on", &near.tokens()).await;
        Self { pool, near, far }
    }

    /// Calls both with the same: what they give.
    async fn both(&self, function: &str, with: &[Value]) -> Result<[Vec<Value>; 2], Error> {
        let call = async |of: &Resident| {
            let grant = Grant::default();
            self.pool.call(&of.tokens()[0], function, with, grant).await
        };
        Ok([call(&self.near).await?, call(&self.far).await?])
    }
}

async fn keep(pool: &Pool, name: &str, wired: &[Token]) -> Resident {
    let app = pool.admit(name, &guests::component(name)).unwrap();
    let tokens = guests::with_wasi(Wasi::deny_all(name), wired.to_vec());
    let kept = pool.keep(name, &app, &tokens, Account::default());
    kept.await.unwrap()
}

fn scalar<T: Arbitrary<Strategy: 'static> + Into<Value> + 'static>() -> BoxedStrategy<Value> {
    any::<T>().prop_map(Into::into).boxed()
}

fn text() -> BoxedStrategy<Value> {
    ".{0,12}".prop_map(Value::String).boxed()
}

fn record(fields: Vec<BoxedStrategy<Value>>) -> BoxedStrategy<Value> {
    fields.prop_map(Value::Record).boxed()
}

fn list(element: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    vec(element, 0..6).prop_map(Value::List).boxed()
}

fn maybe(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let value = option::of(value);
    value.prop_map(|it| Value::Option(it.map(Box::new))).boxed()
}

fn flags(count: u32) -> BoxedStrategy<Value> {
    let mask = u32::MAX >> (32 - count);
    let word = any::<u32>().prop_map(move |word| Value::Flags(vec![word & mask]));
    word.boxed()
}

fn case(number: u32, carried: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let carried = carried.prop_map(move |it| Value::Variant(number, Some(Box::new(it))));
    carried.boxed()
}

fn point() -> BoxedStrategy<Value> {
    record(vec![scalar::<i8>(), scalar::<f64>(), text()])
}

fn figure() -> BoxedStrategy<Value> {
    let ring = record(vec![scalar::<u64>(), scalar::<char>()]);
    prop_oneof![
        Just(Value::Variant(0, None)),
        case(1, point()),
        case(2, ring),
        case(3, list(list(scalar::<u16>()))),
        case(4, scalar::<bool>()),
    ]
    .boxed()
}

fn hue() -> BoxedStrategy<Value> {
    (0..3_u32).prop_map(|it| Value::Variant(it, None)).boxed()
}

fn outcome(ok: BoxedStrategy<Value>, error: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![
        ok.prop_map(|it| Value::ok(Some(it))),
        error.prop_map(|it| Value::error(Some(it))),
    ]
    .boxed()
}

fn everything() -> BoxedStrategy<Value> {
    record(vec![
        scalar::<u8>(),
        scalar::<i16>(),
        scalar::<u32>(),
        scalar::<i64>(),
        scalar::<f32>(),
        scalar::<char>(),
        scalar::<bool>(),
        text(),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes).boxed(),
        figure(),
        hue(),
        flags(3),
        flags(32),
        maybe(maybe(text())),
        list(record(vec![text(), scalar::<u8>()])),
        outcome(list(figure()), hue()),
    ])
}

fn scalars() -> Vec<BoxedStrategy<Value>> {
    let mut all = Vec::new();
    for _ in 0..2 {
        all.extend([
            scalar::<u8>(),
            scalar::<u16>(),
            scalar::<u32>(),
            scalar::<u64>(),
            scalar::<i8>(),
            scalar::<i16>(),
            scalar::<i32>(),
            scalar::<i64>(),
            scalar::<f32>(),
            scalar::<f64>(),
            scalar::<char>(),
            scalar::<bool>(),
        ]);
    }
    all.truncate(17);
    all
}

/// A function, and what it is called with.
fn calls() -> impl Strategy<Value = (&'static str, Vec<Value>)> {
    let one = |name: &'static str, value: BoxedStrategy<Value>| {
        value.prop_map(move |value| (name, vec![value])).boxed()
    };
    let wide = vec![
        everything(),
        text(),
        list(everything()),
        scalar::<u8>(),
        figure(),
        scalar::<f64>(),
    ];
    prop_oneof![
        one("points", list(point())),
        one("figure", figure()),
        one("hue", hue()),
        one("marks", flags(3)),
        one("signs", flags(32)),
        one("maybe", maybe(scalar::<u64>())),
        one("outcome", outcome(scalar::<f32>(), text())),
        one("everything", everything()),
        wide.prop_map(|values| ("wide", values)),
        scalars().prop_map(|values| ("scalars", values)),
    ]
}

#[test]
fn any_values_come_back_as_they_were_from_near_and_far() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let echoes = runtime.block_on(Echoes::new());
    let mut runner = TestRunner::new(Cases {
        cases: 600,
        failure_persistence: None,
        ..Cases::default()
    });
    let done = runner.run(&calls(), |(function, with)| {
        let given = runtime.block_on(echoes.both(function, &with)).unwrap();
        let expected = match function {
            "wide" | "scalars" => vec![Value::Record(with)],
            _ => with,
        };
        for given in given {
            prop_assert_eq!(&given, &expected, "{}", function);
        }
        Ok(())
    });
    done.unwrap();
}
