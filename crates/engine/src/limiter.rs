//! The limit on what a store holds.

use wasmtime::ResourceLimiter;

use crate::Purse;

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
pub(crate) struct Limiter {
    limit: u64,
    used: u64,
    peak: u64,
    pending: u64,
    /// What several stores hold together.
    shared: Option<Purse>,
}

impl Limiter {
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            peak: 0,
            pending: 0,
            shared: None,
        }
    }

    /// Takes what the store holds from a purse as well, until the store is gone.
    /// What it holds already is taken if it is there.
    pub fn share(&mut self, bytes: Purse) {
        if bytes.draw_all(self.used) {
            self.shared = Some(bytes);
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
        if let Some(shared) = &self.shared
            && !shared.draw_all(delta)
        {
            return Err(wasmtime::Error::from(MemoryExhausted {
                limit: self.used + shared.amounts().left,
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
        let pending = std::mem::take(&mut self.pending);
        self.used = self.used.saturating_sub(pending);
        if let Some(shared) = &self.shared {
            shared.settle(pending, 0);
        }
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.settle(self.used, 0);
        }
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

    #[test]
    fn what_stores_hold_together_is_limited_and_comes_back_with_each() {
        let shared = Purse::new(100);
        let [mut one, mut other] = [Limiter::new(80), Limiter::new(80)];
        one.share(shared.clone());
        other.share(shared.clone());
        assert!(one.memory_growing(0, 60, None).unwrap());
        assert!(other.memory_growing(0, 60, None).is_err());
        assert!(other.memory_growing(0, 30, None).unwrap());
        other
            .memory_grow_failed(wasmtime::Error::msg("no pages"))
            .unwrap();
        assert_eq!(shared.amounts().left, 40);
        drop(one);
        assert!(other.memory_growing(0, 60, None).unwrap());
        drop(other);
        assert_eq!((shared.amounts().left, shared.amounts().drawn), (100, 0));
    }
}
