//! Who makes short calls waits at most twice as long beside a tenant that means
//! harm: at most twice as long as beside one that keeps a core as busy with calls
//! that end. `full_neighbours` in `crates/vesicle` tries all kinds of harm, and
//! for longer.

#![allow(clippy::unwrap_used)]

mod street;

use std::time::Duration;

use street::{Company, is_fair};

#[test]
fn beside_a_tenant_that_never_ends_calls_take_no_longer_than_beside_a_busy_one() {
    let companies = [
        Company::Nobody,
        Company::Busy,
        Company::Spins,
        Company::Grows,
    ];
    is_fair(&companies, Duration::from_millis(400), 5);
}
