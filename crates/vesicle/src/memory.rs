//! How the process's allocator treats large blocks.
//!
//! What crosses between stages are payloads of about a mebibyte, allocated by
//! one thread and freed by another. An allocator that keeps such blocks in the
//! arenas of threads holds several times what the queues hold.

/// Blocks of this size, in bytes, or larger go back to the system when freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: std::ffi::c_int = 256 << 10;

/// Has large blocks mapped one by one, and given back when they are freed.
/// Where the allocator cannot be told, nothing changes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn return_large_blocks() {
    use std::ffi::c_int;

    /// `M_MMAP_THRESHOLD` of glibc's `malloc.h`. Setting it also keeps glibc
    /// from raising the threshold by itself.
    const M_MMAP_THRESHOLD: c_int = -3;

    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // SAFETY: the declaration is glibc's. `mallopt` takes two numbers, keeps
    // no pointer, and takes the allocator's lock for what it changes. An
    // unknown parameter is refused by its result, which changes nothing.
    unsafe { mallopt(M_MMAP_THRESHOLD, LARGE) };
}

/// Only glibc can be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn return_large_blocks() {}
