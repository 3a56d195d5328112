//! Admission and wiring: what is imported is declared and given, or refused.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use vesicle_engine::{Budget, Config, Engines, State};
use vesicle_pool::{Error, Interface, InterfaceName, Pool, Provider, Structure, Token, wasi::Wasi};
use wasmtime::component::Linker;

fn pool() -> Pool {
    Pool::new(Engines::new(Config::default()).unwrap())
}

/// A component that imports an interface with one function, and calls it.
fn importer(interface: &str, function: &str, params: &str, core: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (import "{interface}" (instance $x (export "{function}" (func {params}))))
            (core func $f (canon lower (func $x "{function}")))
            (core module $m
                (import "x" "f" (func $f {core}))
                (func (export "run") (call $f (i32.const 7))))
            (core instance $i (instantiate $m (with "x" (instance (export "f" (func $f))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    ))
    .unwrap()
}

fn structure(body: &str) -> Structure {
    let mut resolve = wit_parser::Resolve::default();
    let text = format!("package a:b@1.0.0;\ninterface store {{ {body} }}");
    let package = resolve.push_str("t.wit", &text).unwrap();
    Structure::of(&resolve, resolve.packages[package].interfaces["store"])
}

/// A system implementation that remembers what it was given.
struct Keeper {
    structure: Structure,
    kept: Arc<std::sync::Mutex<Vec<u32>>>,
}

impl Provider for Keeper {
    fn name(&self) -> &str {
        "keeper"
    }

    fn interfaces(&self) -> Vec<Interface> {
        vec![Interface {
            name: "a:b/store@1.0.0".parse().unwrap(),
            structure: Some(self.structure.clone()),
        }]
    }

    fn link(&self, name: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let kept = Arc::clone(&self.kept);
        linker
            .instance(&name.to_string())?
            .func_wrap("put", move |_, (value,): (u32,)| {
                kept.lock().unwrap().push(value);
                Ok(())
            })
    }

    fn attach(&self, _: &mut State) -> vesicle_pool::Result<()> {
        Ok(())
    }
}

fn keeper(body: &str) -> (Arc<dyn Provider>, Arc<std::sync::Mutex<Vec<u32>>>) {
    let kept = Arc::default();
    let keeper = Keeper {
        structure: structure(body),
        kept: Arc::clone(&kept),
    };
    (Arc::new(keeper), kept)
}

const PUT: &str = "put: func(value: u32);";

fn putter() -> Vec<u8> {
    importer(
        "a:b/store@1.0.0",
        "put",
        "(param \"value\" u32)",
        "(param i32)",
    )
}

#[test]
fn every_import_that_nobody_declared_is_named_in_the_refusal() {
    let bytes = wat::parse_str(
        r#"(component
            (import "a:b/one@1.0.0" (instance (export "f" (func))))
            (import "a:b/two" (instance (export "g" (func))))
            (import "bare" (func)))"#,
    )
    .unwrap();
    match pool().admit("needy", &bytes) {
        Err(Error::Undeclared { app, mut imports }) => {
            imports.sort();
            assert_eq!(app, "needy");
            assert_eq!(imports, ["a:b/one@1.0.0", "a:b/two", "bare"]);
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_component_without_imports_needs_nothing() {
    let pool = pool();
    let bytes = wat::parse_str("(component)").unwrap();
    let app = pool.admit("pure", &bytes).unwrap();
    assert!(pool.wire(&app, &[]).is_ok());
}

#[test]
fn the_same_declaration_again_is_nothing_new_and_another_shape_is_refused() {
    let pool = pool();
    let (keeper, _) = keeper(PUT);
    pool.declare_all(&*keeper).unwrap();
    pool.declare_all(&*keeper).unwrap();
    let (other, _) = self::keeper("put: func(value: u64);");
    let error = pool.declare_all(&*other).unwrap_err().to_string();
    assert_eq!(
        error,
        "a:b/store@1.0.0 is declared with another shape: put, param value: wants u64, found u32"
    );
}

#[test]
fn one_declaration_has_one_handle_and_two_pools_can_tell_whether_theirs_are_alike() {
    let declare = |pool: &Pool, name: &str, body: &str| {
        pool.declare(Interface {
            name: name.parse().unwrap(),
            structure: Some(structure(body)),
        })
    };
    let (here, there) = (pool(), pool());
    let first = declare(&here, "a:b/store@1.0.0", PUT).unwrap();
    let again = declare(&here, "a:b/store@1.2.0", PUT).unwrap();
    let other = declare(&here, "a:b/shelf@1.0.0", PUT).unwrap();
    assert!(first == again && first != other);
    assert_eq!(again.interface().name.to_string(), "a:b/store@1.0.0");
    let far = declare(&there, "a:b/store@1.0.0", PUT).unwrap();
    assert_ne!(first, far);
    assert_eq!(first.hash(), far.hash());
    let odd = declare(&there, "a:b/odd@1.0.0", "put: func(value: u64);").unwrap();
    assert_ne!(first.hash(), odd.hash());
}

#[test]
fn what_was_declared_without_a_structure_is_not_given_another_later() {
    let pool = pool();
    let (keeper, _) = keeper(PUT);
    let name = keeper.interfaces()[0].name.clone();
    let (of_another, _) = self::keeper("put: func(value: u64);");
    pool.declare(Interface {
        name,
        structure: None,
    })
    .unwrap();
    pool.declare_all(&*of_another).unwrap();
    assert!(pool.admit("putter", &putter()).is_ok());
}

#[tokio::test]
async fn an_instance_reaches_exactly_what_it_was_given() {
    let pool = pool();
    let (mine, kept) = keeper(PUT);
    let (other, untouched) = keeper(PUT);
    pool.declare_all(&*mine).unwrap();
    let app = pool.admit("putter", &putter()).unwrap();
    let wired = pool.wire(&app, &Token::all(&mine)).unwrap();
    let _elsewhere = pool.wire(&app, &Token::all(&other)).unwrap();
    let mut instance = wired.instantiate(Budget::default()).await.unwrap();
    assert!(kept.lock().unwrap().is_empty(), "nothing has run yet");
    let exports = instance.exports;
    instance
        .store
        .run(async |store| {
            let run = exports.get_typed_func::<(), ()>(&mut *store, "run")?;
            run.call_async(store, ()).await
        })
        .await
        .unwrap();
    assert_eq!(*kept.lock().unwrap(), [7]);
    assert!(untouched.lock().unwrap().is_empty());
}

#[test]
fn what_is_declared_and_not_given_is_named() {
    let pool = pool();
    let (keeper, _) = keeper(PUT);
    pool.declare_all(&*keeper).unwrap();
    let app = pool.admit("putter", &putter()).unwrap();
    match pool.wire(&app, &[]) {
        Err(Error::Unwired { imports, .. }) => assert_eq!(imports, ["a:b/store@1.0.0"]),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn an_import_of_another_type_is_refused_before_anything_is_created() {
    let pool = pool();
    let (keeper, _) = keeper("put: func(value: list<u32>);");
    pool.declare_all(&*keeper).unwrap();
    match pool.admit("putter", &putter()) {
        Err(Error::Mismatch {
            interface,
            difference,
            ..
        }) => {
            assert_eq!(interface, "a:b/store@1.0.0");
            assert_eq!(
                difference.to_string(),
                "put, param value: wants u32, found list"
            );
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_wasi_import_of_another_type_is_refused_when_it_is_wired() {
    let pool = pool();
    for interface in Wasi::offered() {
        pool.declare(interface).unwrap();
    }
    let bytes = importer(
        "wasi:cli/exit@0.2.0",
        "exit",
        "(param \"status\" u32)",
        "(param i32)",
    );
    let app = pool.admit("odd", &bytes).unwrap();
    let wasi: Arc<dyn Provider> = Arc::new(Wasi::deny_all("odd"));
    let error = pool.wire(&app, &Token::all(&wasi)).err().expect("refused");
    assert!(error.to_string().contains("exit"), "{error}");
}

#[test]
fn interfaces_that_are_not_offered_are_refused() {
    let pool = pool();
    for interface in Wasi::offered() {
        pool.declare(interface).unwrap();
    }
    let bytes = importer(
        "wasi:http/outgoing-handler@0.2.0",
        "handle",
        "(param \"r\" u32)",
        "(param i32)",
    );
    assert!(matches!(
        pool.admit("caller", &bytes),
        Err(Error::Undeclared { .. })
    ));
}

#[test]
fn what_is_not_a_component_is_told_what_it_is() {
    let reason = |bytes: &[u8]| match pool().admit("x", bytes) {
        Err(Error::NotAComponent { reason }) => reason,
        other => panic!("{:?}", other.err()),
    };
    assert_eq!(reason(b"hello"), "it is not WebAssembly");
    let module = wat::parse_str("(module)").unwrap();
    assert!(reason(&module).contains("wasm32-wasip2"));
    let cut = &wat::parse_str("(component (core module (func)))").unwrap()[..20];
    assert!(!reason(cut).is_empty());
}

#[tokio::test]
async fn a_start_function_that_spins_meets_the_deadline() {
    let pool = pool();
    let bytes = wat::parse_str(
        r#"(component
            (core module $m (func $s (loop br 0)) (start $s))
            (core instance (instantiate $m)))"#,
    )
    .unwrap();
    let app = pool.admit("spinner", &bytes).unwrap();
    let wired = pool.wire(&app, &[]).unwrap();
    let budget = Budget::default().with_deadline(Some(std::time::Duration::from_millis(100)));
    let error = wired.instantiate(budget).await.err().expect("stopped");
    assert!(
        matches!(error, Error::Engine(vesicle_engine::Error::Deadline { .. })),
        "{error}"
    );
}
