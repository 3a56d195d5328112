//! Places where a test can kill the process.
//!
//! `VESICLE_FAIL_POINT=name:n` kills the process with SIGKILL the n-th time it
//! comes to the point of that name. Only builds with debug assertions look.

/// The names of all fail points, in the order in which a commit meets them.
pub const ALL: &[&str] = &[
    "begun",
    "commit-requested",
    "committed",
    "state-moved",
    "before-finish",
    "finished",
];

/// Dies here, if asked to.
pub(crate) fn fail_point(name: &str) {
    debug_assert!(ALL.contains(&name), "{name}");
    #[cfg(debug_assertions)]
    if let Some(count) = wanted(name) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static PASSED: AtomicU64 = AtomicU64::new(0);
        if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == count {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                .ok();
        }
    }
}

#[cfg(debug_assertions)]
fn wanted(name: &str) -> Option<u64> {
    let wanted = std::env::var("VESICLE_FAIL_POINT").ok()?;
    let (point, count) = wanted.split_once(':')?;
    (point == name).then(|| count.parse().ok())?
}
