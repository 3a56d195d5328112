//! What short calls take beside tenants that mean harm, of all kinds.

#![allow(clippy::unwrap_used)]

#[path = "../../pool/tests/street/mod.rs"]
mod street;

use std::time::Duration;

use street::{Company, is_fair};

#[test]
fn whatever_a_tenant_does_calls_beside_it_take_at_most_twice_as_long() {
    let mut companies = vec![Company::Nobody, Company::Busy];
    companies.extend(Company::HOSTILE);
    is_fair(&companies, Duration::from_secs(1), 15);
}
