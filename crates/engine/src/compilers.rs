//! The threads that compile.
//!
//! A component takes seconds to compile, on all cores, and may be a stranger's;
//! whoever calls what is there already goes first. Invariant: code of the engine's
//! compiler runs on these threads and no others.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// How much they give way: [setpriority(2)](https://man7.org/linux/man-pages/man2/setpriority.2.html).
const NICENESS: i32 = 15;

/// The threads, once something was compiled.
#[derive(Default)]
pub(crate) struct Compilers(OnceLock<Option<ThreadPool>>);

impl Compilers {
    /// Compiles there what `compile` says, while the caller waits. The first time
    /// says how many threads there are: one for each core unless told otherwise.
    /// Where there can be none it is done by the caller.
    pub fn run<R: Send>(
        &self,
        count: Option<NonZeroUsize>,
        compile: impl FnOnce() -> R + Send,
    ) -> R {
        let threads = self.0.get_or_init(|| {
            let threads = ThreadPoolBuilder::new()
                .num_threads(count.map_or(0, NonZeroUsize::get))
                .thread_name(|number| format!("vesicle-compile-{number}"))
                .start_handler(|_| give_way());
            threads.build().ok()
        });
        match threads {
            Some(threads) => threads.install(compile),
            None => compile(),
        }
    }
}

/// Linux has a priority for each thread; elsewhere it would be the process's.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!("a thread that compiles gives no way to others: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn who_compiles_gives_way_and_who_asked_for_it_does_not() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let there = Compilers::default().run(None, niceness);
        assert_eq!(there, NICENESS.max(before));
        assert_eq!(niceness(), before);
    }
}
