//! Runs are killed before every system call that makes, renames or removes a
//! file or folder, of the destination or of the state, and run again: every row
//! is there once.
//!
//! What a killed process has written is there whether it was synced or not, so
//! between these calls nothing differs but how much of a hidden file is there.
//! `full_system_calls.rs` kills between all writes and syncs as well;
//! `sync_order.rs` shows what a power cut would leave.

#![allow(clippy::unwrap_used)]

mod common;

use common::calls::kill_at_every;
use common::small::Small;

#[test]
fn an_appending_run_killed_before_any_change_of_a_name_has_every_row_once() {
    let killed = kill_at_every(&Small::new("append"), "names");
    assert!(killed >= 25, "{killed} kills");
}

#[test]
fn a_replacing_run_killed_before_any_change_of_a_name_has_every_row_once() {
    let killed = kill_at_every(&Small::new("replace"), "names");
    assert!(killed >= 25, "{killed} kills");
}
