//! Components that are absurd: they are refused, or run, and the host lives.

#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;

use common::den::{Den, Growth, MIB};
use vesicle_pool::{Error, Value};

/// A component that takes the last of some types, each made of the one before.
fn tower(height: usize, next: impl Fn(&str) -> String) -> String {
    let mut text = "(component (type $t0 (option u8))".to_owned();
    for floor in 1..height {
        let below = format!("$t{}", floor - 1);
        write!(text, "(type $t{floor} {})", next(&below)).unwrap();
    }
    let last = height - 1;
    write!(
        text,
        r#"(core module $m (memory (export "memory") 16)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
      (func (export "run") (param i32)))
    (core instance $i (instantiate $m))
    (func $run (param "x" $t{last}) (canon lift (core func $i "run")
      (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
    (instance $out (export "run" (func $run)))
    (export "a:b/app@1.0.0" (instance $out)))"#
    )
    .unwrap();
    text
}

fn boxed(below: &str) -> String {
    format!("(option {below})")
}

fn doubled(below: &str) -> String {
    format!("(tuple {below} {below})")
}

#[tokio::test]
async fn types_without_measure_are_refused() {
    for (height, next) in [
        (50_000, boxed as fn(&str) -> String),
        (101, boxed),
        (40, doubled),
    ] {
        let refused = Den::new(&[])
            .keep(&tower(height, next), &[], common::den::account(MIB))
            .await;
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::NotAComponent { .. }), "{error}");
    }
}

#[tokio::test]
async fn types_that_are_merely_deep_or_wide_pass() {
    let growth = Growth::begin().await;
    let value = |height: usize, next: &dyn Fn(Value) -> Value| {
        (1..height).fold(Value::none(), |below, _| next(below))
    };
    let double = |below: Value| Value::Record(vec![below.clone(), below]);
    let den = Den::new(&[]);
    let wide = den.app(&tower(18, doubled), &[]).await;
    let told = den.run(&wide, &[value(18, &double)]).await;
    told.unwrap();
    let grown = growth.end();
    assert!(grown < 512 * MIB, "the host has grown by {grown} bytes");
    let deep = den.app(&tower(80, boxed), &[]).await;
    den.run(&deep, &[value(80, &Value::some)]).await.unwrap();
}

#[tokio::test]
async fn a_hundred_thousand_functions_are_many_and_no_more() {
    let growth = Growth::begin().await;
    let mut functions = String::new();
    for number in 0..100_000 {
        write!(functions, "(func (result i32) (i32.const {number}))").unwrap();
    }
    let module = format!(r#"{functions} (func (export "run") (result i32) (i32.const 7))"#);
    let den = Den::new(&[]);
    let many = den.app(&common::den::runner(&module), &[]).await;
    assert_eq!(den.run(&many, &[]).await.unwrap(), [Value::U32(7)]);
    let mut exports = String::new();
    for number in 0..20_000 {
        write!(exports, r#"(export "f{number}" (func $run)) "#).unwrap();
    }
    let module = r#"(func (export "run") (result i32) (i32.const 7))"#;
    let export = r#"(export "run" (func $run))"#;
    let text = common::den::runner(module).replace(export, &format!("{export} {exports}"));
    let many = den.app(&text, &[]).await;
    assert_eq!(den.run(&many, &[]).await.unwrap(), [Value::U32(7)]);
    let grown = growth.end();
    assert!(grown < 1_024 * MIB, "the host has grown by {grown} bytes");
}
