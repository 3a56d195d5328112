//! A cell that starts others, which talk to the host over links of their own.

#![allow(clippy::unwrap_used)]

mod common;

use common::{cell, cells, finish, image, with_file};
use vesicle_cell::Exit;

#[tokio::test]
async fn a_child_makes_calls_at_once_over_its_own_link_and_its_parent_prints_the_answers() {
    let pid0 = std::fs::read(image("pid0/bin/main.wasm")).unwrap();
    let pid0 = with_file(
        cell(pid0, &["pid0"]),
        "/usr/lib/child-echo.wasm",
        image("pid0/usr/lib/child-echo.wasm"),
    );
    let running = cells().start(pid0).await.unwrap();
    let (exit, stdout, stderr) = finish(&running).await;
    assert_eq!(stderr, "");
    assert_eq!(stdout, "Echo: one\nEcho: two\n");
    assert_eq!(exit, Exit::Code(0));
}
