//! Apps that promise types and give something else: it is found, told as what it
//! is, and harms nobody else.

#![allow(clippy::unwrap_used)]

mod common;

use common::den::{Den, Ended, MIB, account};
use vesicle_engine::Error as EngineError;
use vesicle_pool::{Account, Error, Grant, Value};

/// A type with a name, as `(NAME, DEFINITION)`, or one that needs none.
#[derive(Clone, Copy)]
struct Type<'a>(Option<&'a str>, &'a str);

impl Type<'_> {
    fn own(self) -> String {
        match self {
            Self(Some(_), definition) => format!("(type $n {definition})"),
            Self(None, _) => String::new(),
        }
    }

    fn word(self, name: &str) -> String {
        match self {
            Self(Some(_), _) => name.into(),
            Self(None, definition) => definition.into(),
        }
    }

    /// The instance that exports a function, whose type has to have a name.
    fn export(self, interface: &str, before: &str, after: &str) -> String {
        let (import, export, with) = match self {
            Self(Some(name), definition) => (
                format!(r#"(type $d {definition}) (import "n" (type $n (eq $d)))"#),
                format!(r#"(export $e "{name}" (type $n))"#),
                r#"(with "n" (type $n))"#,
            ),
            Self(None, _) => (String::new(), String::new(), ""),
        };
        let (inner, outer) = (self.word("$n"), self.word("$e"));
        let signature = |ty: &str| format!("{before}{ty}{after}");
        format!(
            r#"(component $c {import}
    (import "f" (func $f {}))
    {export}
    (export "run" (func $f) (func {})))
  (instance $out (instantiate $c {with} (with "f" (func $f))))
  (export "{interface}" (instance $out))"#,
            signature(&inner),
            signature(&outer),
        )
    }
}

const REALLOC: &str =
    r#"(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))"#;

/// Gives a type: what the core function does.
fn giver(ty: Type<'_>, core: &str, post: bool) -> String {
    let (own, word) = (ty.own(), ty.word("$n"));
    let export = ty.export("a:b/giver@1.0.0", "(result ", ")");
    let post = match post {
        true => r#"(post-return (core func $i "post"))"#,
        false => "",
    };
    format!(
        r#"(component {own}
  (core module $m (memory (export "memory") 2) {REALLOC}
    (func (export "post") (param i32) unreachable)
    (func (export "run") (result i32) {core}))
  (core instance $i (instantiate $m))
  (func $f (result {word}) (canon lift (core func $i "run") (memory (core memory $i "memory")) {post}))
  {export})"#
    )
}

/// Puts two words at 64, and says that the result is there.
fn pair(one: u32, two: u32) -> String {
    format!(
        "(i32.store (i32.const 64) (i32.const {one})) (i32.store (i32.const 68) (i32.const {two})) (i32.const 64)"
    )
}

#[tokio::test]
async fn what_is_no_value_of_its_type_is_told_as_that() {
    const END: u32 = 2 << 16;
    const ALL: u32 = u32::MAX;
    let not_utf8 = format!(
        "(i32.store (i32.const 128) (i32.const 0xfffe)) {}",
        pair(128, 2)
    );
    // Far too many lists, all of them the same 64 KiB.
    let same = format!(
        "(local $n i32) (loop
          (i64.store (i32.add (i32.const 1024) (i32.shl (local.get $n) (i32.const 3)))
            (i64.const 0x1000000000000))
          (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
            (i32.const 10000))))
         {}",
        pair(1024, 10_000)
    );
    let variant = Type(Some("v"), r#"(variant (case "a") (case "b" u64))"#);
    let names = Type(Some("e"), r#"(enum "a" "b" "c")"#);
    let plain = |ty| Type(None, ty);
    let malformed = [
        (plain("string"), pair(END - 1, 2)),
        (plain("string"), pair(8, ALL)),
        (plain("string"), not_utf8),
        (plain("(list u8)"), pair(END - 1, 2)),
        (plain("(list u8)"), pair(ALL, ALL)),
        (plain("(list u32)"), pair(2, 1)),
        (plain("(list u64)"), pair(8, ALL)),
        (plain("(list (tuple u8 u64))"), pair(END - 8, 1)),
        (plain("char"), "(i32.const 0xd800)".into()),
        (plain("char"), "(i32.const 0x110000)".into()),
        (plain("(tuple char u32)"), pair(0x0011_0000, 0)),
        (plain("(option u32)"), pair(2, 0)),
        (plain("(result u32 (error u32))"), pair(255, 0)),
        (variant, pair(2, 0)),
        (names, "(i32.const 3)".into()),
        (names, "(i32.const -1)".into()),
        // The results themselves are nowhere.
        (plain("(tuple u32 u32)"), format!("(i32.const {})", END - 4)),
        (plain("(tuple u32 u32)"), "(i32.const -4)".into()),
        (plain("(tuple u32 u32)"), "(i32.const 2)".into()),
    ];
    for (ty, core) in malformed {
        let ended = Den::new(&[])
            .ends(&giver(ty, &core, false), &[], account(MIB))
            .await;
        let told = format!("{}: {core}: {ended:?}", ty.1);
        let EngineError::Malformed(reason) = &*ended else {
            panic!("{told}");
        };
        assert!(
            reason.starts_with("what it passed is no value of its type: "),
            "{told}"
        );
    }
    let lists = giver(plain("(list (list u8))"), &same, false);
    let ended = Den::new(&[]).ends(&lists, &[], account(MIB)).await;
    assert!(matches!(*ended, EngineError::Passing), "{ended}");
    let post = giver(plain("u32"), "(i32.const 7)", true);
    let ended = Den::new(&[]).ends(&post, &[], account(MIB)).await;
    assert!(matches!(*ended, EngineError::Trap(_)), "{ended}");
}

#[tokio::test]
async fn bits_that_mean_nothing_are_left_out() {
    let flags = Type(Some("f"), r#"(flags "a" "b" "c")"#);
    for (ty, core, value) in [
        (flags, "(i32.const 0xfd)".to_owned(), Value::Flags(vec![5])),
        (
            Type(None, "bool"),
            "(i32.const 7)".to_owned(),
            Value::Bool(true),
        ),
        (
            Type(None, "u8"),
            "(i32.const 0x107)".to_owned(),
            Value::U8(7),
        ),
        (
            Type(None, "s8"),
            "(i32.const 0xff)".to_owned(),
            Value::S8(-1),
        ),
        (
            Type(None, "(option bool)"),
            pair(0x0701, 0),
            Value::some(Value::Bool(true)),
        ),
    ] {
        let den = Den::new(&[]);
        let app = den.app(&giver(ty, &core, false), &[]).await;
        assert_eq!(den.run(&app, &[]).await.unwrap(), [value], "{}", ty.1);
    }
}

/// Takes a type.
fn taker(ty: Type<'_>, core: &str, realloc: &str) -> String {
    let (own, word) = (ty.own(), ty.word("$n"));
    let export = ty.export("a:b/taker@1.0.0", "(param \"x\" ", ")");
    format!(
        r#"(component {own}
  (core module $m (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
    (func (export "run") (param {core})))
  (core instance $i (instantiate $m))
  (func $f (param "x" {word}) (canon lift (core func $i "run")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  {export})"#
    )
}

/// Passes a type to a taker, and says so.
fn sender(ty: Type<'_>, core: &str, arguments: &str) -> String {
    let (local, alias, word) = match ty {
        Type(Some(name), definition) => (
            format!(r#"(type $d {definition}) (export "{name}" (type $n (eq $d)))"#),
            String::new(),
            "$n".to_owned(),
        ),
        Type(None, definition) => (String::new(), String::new(), definition.to_owned()),
    };
    format!(
        r#"(component {alias}
  (import "a:b/taker@1.0.0" (instance $in {local}
    (export "run" (func (param "x" {word})))))
  (core module $mem (memory (export "memory") 2) {REALLOC})
  (core instance $mem (instantiate $mem))
  (core func $take (canon lower (func $in "run") (memory (core memory $mem "memory"))
    (realloc (core func $mem "realloc"))))
  (core module $m (import "" "take" (func $take (param {core})))
    (func (export "run") (result i32) (call $take {arguments}) (i32.const 7)))
  (core instance $i (instantiate $m (with "" (instance (export "take" (func $take))))))
  (func $run (result u32) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#
    )
}

/// The interface of a taker.
fn wit(ty: &str) -> String {
    format!(
        "package a:b@1.0.0; interface taker {{ flags f {{ a, b, c }} enum e {{ a, b, c }} \
         variant v {{ a, b(u64) }} run: func(x: {ty}); }}"
    )
}

#[tokio::test]
async fn lies_in_arguments_end_who_tells_them_and_not_who_is_called() {
    let fine = "(i32.const 1024)";
    let plain = |ty| Type(None, ty);
    let names = Type(Some("e"), r#"(enum "a" "b" "c")"#);
    let variant = Type(Some("v"), r#"(variant (case "a") (case "b" u64))"#);
    for (ty, wit_ty, core, arguments) in [
        (
            plain("string"),
            "string",
            "i32 i32",
            "(i32.const 131071) (i32.const 2)",
        ),
        (
            plain("(list u32)"),
            "list<u32>",
            "i32 i32",
            "(i32.const 2) (i32.const 1)",
        ),
        (
            plain("(list u64)"),
            "list<u64>",
            "i32 i32",
            "(i32.const 8) (i32.const -1)",
        ),
        (plain("char"), "char", "i32", "(i32.const 0xdfff)"),
        (
            plain("(option char)"),
            "option<char>",
            "i32 i32",
            "(i32.const 1) (i32.const -1)",
        ),
        (names, "e", "i32", "(i32.const 3)"),
        (variant, "v", "i32 i64", "(i32.const 7) (i64.const 1)"),
    ] {
        let wit = wit(wit_ty);
        let den = Den::new(&[&wit]);
        let taker = den.app(&taker(ty, core, fine), &[]).await;
        let text = sender(ty, core, arguments);
        let ended = den.ends(&text, &taker.tokens(), account(MIB)).await;
        assert!(
            matches!(*ended, EngineError::Malformed(_)),
            "{wit_ty}: {ended}"
        );
        let structure = "the taker is called by others as before";
        let value = match wit_ty {
            "string" => "x".into(),
            "e" | "v" => Value::Variant(0, None),
            "char" => Value::Char('x'),
            "option<char>" => Value::none(),
            _ => Value::List(Vec::new()),
        };
        den.run(&taker, &[value]).await.expect(structure);
    }
}

#[tokio::test]
async fn an_allocator_that_lies_ends_who_has_it() {
    for (realloc, is_trap) in [
        ("(i32.const -8)", false),
        ("(i32.const 131070)", false),
        ("(i32.const 2)", false),
        ("unreachable", true),
    ] {
        let den = Den::new(&[]);
        let text = taker(Type(None, "(list u32)"), "i32 i32", realloc);
        let app = den.app(&text, &[]).await;
        let list = Value::List(vec![Value::U32(1), Value::U32(2)]);
        let ended = Ended(den.run(&app, &[list]).await.unwrap_err());
        match &*ended {
            EngineError::Trap(_) if is_trap => {}
            EngineError::Malformed(_) if !is_trap => {}
            other => panic!("{realloc}: {other}"),
        }
    }
    // One that does not end meets the deadline.
    let den = Den::new(&[]);
    let text = taker(Type(None, "string"), "i32 i32", "(loop (br 0)) unreachable");
    let app = den.app(&text, &[]).await;
    let ended = Ended(den.run(&app, &["x".into()]).await.unwrap_err());
    assert!(matches!(*ended, EngineError::Deadline { .. }), "{ended}");
}

#[tokio::test]
async fn arguments_of_other_types_are_refused_and_harm_nobody() {
    let den = Den::new(&[]);
    let text = taker(Type(None, "(list u32)"), "i32 i32", "(i32.const 1024)");
    let app = den.app(&text, &[]).await;
    let wrong = [Value::Bytes(vec![1])];
    let error = den.run(&app, &wrong).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "app is called with what it does not take: run, param x: wants list, found a list of bytes"
    );
    let right = [Value::List(vec![Value::U32(1)])];
    den.run(&app, &right).await.unwrap();
}

#[tokio::test]
async fn an_interface_of_another_shape_under_its_name_is_not_wired() {
    let den = Den::new(&[&wit("string")]);
    let other = taker(Type(None, "u64"), "i64", "(i32.const 0)");
    let other = den.app(&other, &[]).await;
    let text = sender(
        Type(None, "string"),
        "i32 i32",
        "(i32.const 0) (i32.const 0)",
    );
    let kept = den.keep(&text, &other.tokens(), Account::default()).await;
    let error = kept.unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(
        error.to_string().contains("wants string, found u64"),
        "{error}"
    );
}

/// Gives a handle that it does not have, or drops one twice.
fn holder(core: &str) -> String {
    format!(
        r#"(component
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "run") (result i32) (local i32) {core}))
  (core instance $i (instantiate $m (with "" (instance
    (export "new" (func $new)) (export "drop" (func $drop))))))
  (component $c
    (import "r" (type $r (sub resource)))
    (import "run" (func $f (result (own $r))))
    (export $t "thing" (type $r))
    (export "run" (func $f) (func (result (own $t)))))
  (func $run (result (own $r)) (canon lift (core func $i "run")))
  (instance $out (instantiate $c (with "r" (type $r)) (with "run" (func $run))))
  (export "a:b/maker@1.0.0" (instance $out)))"#
    )
}

#[tokio::test]
async fn handles_that_are_not_there_cannot_be_given_or_dropped() {
    let twice = "(local.set 0 (call $new (i32.const 1))) (call $drop (local.get 0))";
    for core in [
        "(i32.const 0)".to_owned(),
        "(i32.const 77)".into(),
        "(i32.const -1)".into(),
        format!("{twice} (local.get 0)"),
        format!("{twice} (call $drop (local.get 0)) (i32.const 1)"),
    ] {
        let ended = Den::new(&[]).ends(&holder(&core), &[], account(MIB)).await;
        let told = ended.to_string();
        assert!(told.contains("handle index"), "{core}: {ended:?}");
    }
    // Given once it is gone, and whoever got it can use it.
    let core = "(call $new (i32.const 1))";
    let den = Den::new(&[]);
    let app = den.app(&holder(core), &[]).await;
    let token = &app.tokens()[0];
    let given = den.pool.call(token, "run", &[], Grant::default()).await;
    assert!(matches!(given.unwrap()[..], [Value::Own(_)]));
}

#[tokio::test]
async fn who_calls_others_while_it_gives_room_is_trapped() {
    let den = Den::new(&[&wit("string")]);
    let fine = taker(Type(None, "string"), "i32 i32", "(i32.const 1024)");
    let fine = den.app(&fine, &[]).await;
    let text = r#"(component
  (import "a:b/taker@1.0.0" (instance $in (export "run" (func (param "x" string)))))
  (core module $mem (memory (export "memory") 2))
  (core instance $mem (instantiate $mem))
  (core func $take (canon lower (func $in "run") (memory (core memory $mem "memory"))))
  (core module $m (import "" "take" (func $take (param i32 i32)))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (call $take (i32.const 0) (i32.const 0)) (i32.const 1024))
    (func (export "run") (param i32 i32)))
  (core instance $i (instantiate $m (with "" (instance (export "take" (func $take))))))
  (func $run (param "x" string) (canon lift (core func $i "run")
    (memory (core memory $mem "memory")) (realloc (core func $i "realloc"))))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#;
    let app = den.app(text, &fine.tokens()).await;
    let ended = Ended(den.run(&app, &["x".into()]).await.unwrap_err());
    let EngineError::Trap(trap) = &*ended else {
        panic!("{ended}");
    };
    assert!(trap.reason.contains("cannot leave"), "{trap}");
}
