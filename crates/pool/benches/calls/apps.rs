//! The components that are measured.

/// The interface that is called.
pub const WIT: &str = "
package bench:calls@1.0.0;
interface ops {
  record point { x: u32, y: u32, name: string }
  add: func(a: u32, b: u32) -> u32;
  echo: func(bytes: list<u8>) -> list<u8>;
  move: func(p: point) -> point;
}
interface front {
  adds: func(times: u32) -> u32;
  echoes: func(times: u32, bytes: u32) -> u32;
  moves: func(times: u32) -> u32;
}
";

/// Answers: adds, and gives back what it is given.
pub const CALLEE: &str = r#"
  (core module $callee
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1)))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "move") (param i32 i32 i32 i32) (result i32)
      (i32.store (i32.const 16) (i32.add (local.get 0) (i32.const 1)))
      (i32.store (i32.const 20) (local.get 1))
      (i32.store (i32.const 24) (local.get 2))
      (i32.store (i32.const 28) (local.get 3))
      (i32.const 16)))
  (core instance $callee (instantiate $callee))
  (type $point' (record (field "x" u32) (field "y" u32) (field "name" string)))
  (export $point "point" (type $point'))
  (func $add (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $callee "add")))
  (func $echo (param "bytes" (list u8)) (result (list u8))
    (canon lift (core func $callee "echo") (memory (core memory $callee "memory"))
      (realloc (core func $callee "realloc"))))
  (func $move (param "p" $point) (result $point)
    (canon lift (core func $callee "move") (memory (core memory $callee "memory"))
      (realloc (core func $callee "realloc"))))
"#;

/// What a component imports that calls.
const IMPORT: &str = r#"
  (import "bench:calls/ops@1.0.0" (instance $ops
    (type $point' (record (field "x" u32) (field "y" u32) (field "name" string)))
    (export "point" (type $point (eq $point')))
    (export "add" (func (param "a" u32) (param "b" u32) (result u32)))
    (export "echo" (func (param "bytes" (list u8)) (result (list u8))))
    (export "move" (func (param "p" $point) (result $point)))))
"#;

/// Calls as often as it is told to.
const CALLER: &str = r#"
  (core module $libc
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $libc (instantiate $libc))
  (core func $add (canon lower (func $ops "add")))
  (core func $echo (canon lower (func $ops "echo") (memory (core memory $libc "memory"))
    (realloc (core func $libc "realloc"))))
  (core func $move (canon lower (func $ops "move") (memory (core memory $libc "memory"))
    (realloc (core func $libc "realloc"))))
  (core module $caller
    (import "libc" "memory" (memory 4))
    (import "ops" "add" (func $add (param i32 i32) (result i32)))
    (import "ops" "echo" (func $echo (param i32 i32 i32)))
    (import "ops" "move" (func $move (param i32 i32 i32 i32 i32)))
    (func (export "adds") (param i32) (result i32) (local i32)
      (loop $again
        (local.set 1 (call $add (local.get 1) (i32.const 1)))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (local.get 1))
    (func (export "echoes") (param i32 i32) (result i32)
      (loop $again
        (call $echo (i32.const 1024) (local.get 1) (i32.const 16))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (i32.load (i32.const 20)))
    (func (export "moves") (param i32) (result i32)
      (loop $again
        (call $move (i32.load (i32.const 16)) (i32.const 7) (i32.const 1024) (i32.const 8)
          (i32.const 16))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (i32.load (i32.const 16))))
  (core instance $caller (instantiate $caller
    (with "libc" (instance $libc))
    (with "ops" (instance (export "add" (func $add)) (export "echo" (func $echo))
      (export "move" (func $move))))))
  (func $adds (param "times" u32) (result u32) (canon lift (core func $caller "adds")))
  (func $echoes (param "times" u32) (param "bytes" u32) (result u32)
    (canon lift (core func $caller "echoes")))
  (func $moves (param "times" u32) (result u32) (canon lift (core func $caller "moves")))
  (instance $front (export "adds" (func $adds)) (export "echoes" (func $echoes))
    (export "moves" (func $moves)))
  (export "bench:calls/front@1.0.0" (instance $front))
"#;

/// A component that answers.
pub fn callee() -> Vec<u8> {
    component(&format!("(component $inner {CALLEE} {EXPORTS})\n{OUTER}"))
}

const EXPORTS: &str = r#"
  (export "add" (func $add)) (export "echo" (func $echo)) (export "move" (func $move))
"#;

const OUTER: &str = r#"
  (instance $inner (instantiate $inner))
  (export "bench:calls/ops@1.0.0" (instance $inner))
"#;

/// A component that calls what it imports.
pub fn caller() -> Vec<u8> {
    component(&format!("{IMPORT} {CALLER}"))
}

/// Both in one component, so in one store: the calls between them are fused.
pub fn fused() -> Vec<u8> {
    component(&format!(
        r#"(component $callee {CALLEE} {EXPORTS})
        (instance $ops (instantiate $callee))
        (component $caller {IMPORT} {CALLER})
        (instance $all (instantiate $caller (with "bench:calls/ops@1.0.0" (instance $ops))))
        (export "bench:calls/front@1.0.0" (instance $all "bench:calls/front@1.0.0"))"#
    ))
}

/// A module with the same addition.
pub fn module() -> Vec<u8> {
    let text = r#"(module (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1))))"#;
    wat::parse_str(text).expect("the text above is right")
}

fn component(body: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {body})")).expect("the text above is right")
}
