//! Ten thousand instances that do nothing, in a process of their own.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::COUNTER;
use vesicle_engine::{Config, Engines};
use vesicle_pool::{Account, Admission, Grant, Interface, Pool, Value};

const COUNT: usize = 10_000;

/// A line of what the kernel tells about this process.
fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The CPU time of this process, in ticks of 10 ms.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next().unwrap().parse::<u64>().unwrap();
    next() + next()
}

#[tokio::test]
async fn ten_thousand_that_were_called_and_are_idle_take_little_memory_and_no_time() {
    let pool = Pool::new(Engines::new(Config::default()).unwrap());
    for interface in Interface::from_wit(common::WIT).unwrap() {
        pool.declare(interface).unwrap();
    }
    let dense = Admission {
        dense: true,
        ..Admission::default()
    };
    let bytes = wat::parse_str(COUNTER).unwrap();
    let app = pool.admit_as("counter", &bytes, dense).unwrap();
    let before = status("VmRSS:");
    for _ in 0..COUNT {
        let kept = pool.keep("counter", &app, &[], Account::default()).await;
        let token = &kept.unwrap().tokens()[0];
        let called = pool.call(token, "add", &[Value::U32(1)], Grant::default());
        assert_eq!(called.await.unwrap(), [Value::U32(1)]);
    }
    assert_eq!(pool.resident_count(), COUNT);
    let kib = status("VmRSS:") - before;
    assert!(kib < 512 << 10, "{kib} KiB");
    // The epoch's thread stays awake for a while after the last call.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = ticks() - before;
    assert!(used <= 1, "{used} ticks in 2 s");
    println!("{kib} KiB for {COUNT}, {used} ticks of 10 ms in 2 s");
}
