//! The limit on what a store holds.

use wasmtime::ResourceLimiter;

/// The size of a table's element in the host.
const TABLE_ELEMENT: usize = size_of::<usize>();
/// How many instances, memories and tables one store may have.
const MAX_OBJECTS: usize = 1_000;

/// A guest asked for more memory than its budget has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("asked for {wanted} bytes in all, and {limit} are allowed")]
pub(crate) struct MemoryExhausted {
    pub limit: u64,
    pub wanted: u64,
}

/// Counts the bytes of all memories and tables of a store, and refuses growth
/// beyond the limit with an error that says so.
///
/// Invariant: `used` is the sum over what has been granted and not rolled back.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: u64,
    used: u64,
    peak: u64,
    pending: u64,
}

impl Limiter {
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            peak: 0,
            pending: 0,
        }
    }

    pub fn used(&self) -> u64 {
        self.used
    }

    pub fn peak(&self) -> u64 {
        self.peak
    }

    fn grow(&mut self, current: usize, desired: usize, unit: usize) -> wasmtime::Result<bool> {
        let delta = desired.saturating_sub(current).saturating_mul(unit) as u64;
        let wanted = self.used.saturating_add(delta);
        if wanted > self.limit {
            return Err(wasmtime::Error::from(MemoryExhausted {
                limit: self.limit,
                wanted,
            }));
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        self.pending = delta;
        Ok(true)
    }

    /// Gives back what the growth that has just failed had been granted.
    fn roll_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.pending));
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, 1)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.roll_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, TABLE_ELEMENT)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.roll_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_OBJECTS
    }

    fn tables(&self) -> usize {
        MAX_OBJECTS
    }

    fn memories(&self) -> usize {
        MAX_OBJECTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_over_the_sum_of_memories_and_tables() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(
            limiter.table_growing(0, 3, None).is_err(),
            "24 more bytes are too many"
        );
        assert!(limiter.table_growing(0, 2, None).unwrap());
        assert_eq!(limiter.used(), 96);
    }

    #[test]
    fn growth_that_fails_in_the_engine_is_given_back() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 90, None).unwrap());
        limiter
            .memory_grow_failed(wasmtime::Error::msg("no pages"))
            .unwrap();
        assert_eq!(limiter.used(), 0);
        assert_eq!(limiter.peak(), 90);
    }
}
