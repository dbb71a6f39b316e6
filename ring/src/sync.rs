//! The one file that names atomics, cells, fences and parking.
//!
//! Every other file of the workspace takes them from here, so that a model checker can stand in:
//!
//! * built with `--cfg ringmain_loom` these are [loom](https://docs.rs/loom)'s: every schedule of a few steps, and every
//!   value that the memory model lets a load return;
//! * built with `--cfg ringmain_shuttle` they are [shuttle](https://docs.rs/shuttle)'s: random schedules of many steps,
//!   sequentially consistent;
//! * otherwise they are the standard library's.
//!
//! The cfgs are the project's own, so that dependencies are not switched with them. What the checkers do not know is
//! modelled here: the two fences are `SeqCst` fences, a park with a time-out has none, and time stands still
//! under shuttle, lest a schedule depend on how fast it ran. With `--cfg ringmain_sanitize` fences are something that
//! ThreadSanitizer understands.
//!
//! Beside the plain re-exports there is one pair of our own: [`light_fence`] and [`heavy_fence`], the two halves of a
//! store-load barrier of which one side is called a million times more often than the other. With `membarrier` the
//! rare side pays for both; everywhere else both are `SeqCst` fences.

mod cell;
#[cfg(ringmain_twins)]
pub mod twins;

#[cfg(ringmain_loom)]
use loom as backend;
#[cfg(ringmain_shuttle)]
use shuttle as backend;
#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
use std as backend;

pub use backend::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};
pub(crate) use backend::thread_local;
pub use cell::UnsafeCell;
use std::time::Instant;

/// For ThreadSanitizer, which knows no fences: an access of one common atomic, which orders all that a fence does, and
/// more. What it finds is a race; what it does not find may be one, which is for the models to tell.
#[cfg(ringmain_sanitize)]
fn full_fence(_: Ordering) {
    static ALL: AtomicU64 = AtomicU64::new(0);
    ALL.fetch_add(0, Ordering::SeqCst);
}
#[cfg(not(ringmain_sanitize))]
use backend::sync::atomic::fence as full_fence;

/// The ordering of an access whose other half is a fence behind it, which ThreadSanitizer does not see: for it, the
/// access does both.
#[inline(always)]
pub(crate) fn before_fence(ordering: Ordering) -> Ordering {
    if cfg!(ringmain_sanitize) { Ordering::AcqRel } else { ordering }
}

/// Whether a model checker stands in. A model's rings and tables are small, and it is not interested in spinning.
pub const MODELLED: bool = cfg!(any(ringmain_loom, ringmain_shuttle));

/// Locks, and goes on after a panic in another holder: what our mutexes guard is valid after every single statement.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Threads: who to wake, and how to give way.
pub mod thread {
    pub use super::backend::thread::{Thread, current, park, yield_now};

    use std::time::Duration;

    /// Parks for at most `timeout`. In a model there is no time: it parks until woken, so that a model which needs the
    /// time-out to make progress fails.
    pub fn park_timeout(timeout: Duration) {
        #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
        std::thread::park_timeout(timeout);
        #[cfg(any(ringmain_loom, ringmain_shuttle))]
        {
            let _ = timeout;
            park();
        }
    }
}

/// The monotonic time by which waits are bounded.
#[expect(clippy::disallowed_methods, reason = "bounds real waiting, which no injected clock can shorten")]
pub(crate) fn clock() -> Instant {
    #[cfg(not(ringmain_shuttle))]
    return Instant::now();
    #[cfg(ringmain_shuttle)]
    {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now)
    }
}

/// One spin: a hint to the CPU, and to a model checker that another thread must run before this one gets any further.
#[inline]
pub fn spin_hint() {
    #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
    std::hint::spin_loop();
    #[cfg(any(ringmain_loom, ringmain_shuttle))]
    thread::yield_now();
}

/// A fence, called `name` so that a test can take it away.
#[inline(always)]
pub fn fence(name: &str, ordering: Ordering) {
    if !broken(name) {
        full_fence(ordering);
    }
}

/// A word to the compiler alone.
#[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))))]
#[inline(always)]
pub(crate) fn compiler_fence(name: &str) {
    if !broken(name) {
        backend::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

/// The cheap half of a store-load barrier, called `name` so that a test can take it away. Between two threads, of which
/// one calls this and the other [`heavy_fence`], it orders as a pair of `SeqCst` fences does. Two light fences order
/// nothing.
#[inline(always)]
pub fn light_fence(name: &str) {
    if !broken(name) {
        #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))))]
        crate::membarrier::light();
        #[cfg(any(not(target_os = "linux"), miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))]
        full_fence(Ordering::SeqCst);
    }
}

/// The dear half: a system call of 0.3-11 us where `membarrier` exists. Called where it is rare: before a thread parks, where cursors
/// come, where a ring is closed, and where a lone producer is no longer alone.
#[inline(always)]
pub fn heavy_fence(name: &str) {
    if !broken(name) {
        #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))))]
        crate::membarrier::heavy();
        #[cfg(any(not(target_os = "linux"), miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))]
        full_fence(Ordering::SeqCst);
    }
}

/// Whether the light half is no more than a word to the compiler. Models have it so, to take part in them.
pub fn light_fence_is_light() -> bool {
    #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))))]
    return crate::membarrier::is_light();
    #[cfg(any(not(target_os = "linux"), miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))]
    return cfg!(any(miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize));
}

/// Finds out, once a process, whether the light half can be light. Until somebody has, it is a full fence.
pub fn prepare_fences() {
    #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))))]
    crate::membarrier::prepare();
}

/// Whether this build runs the broken variant `name`: a test's twin, which must fail. Always false outside builds with
/// `--cfg ringmain_twins`, where it costs nothing.
#[inline(always)]
pub fn broken(name: &str) -> bool {
    #[cfg(ringmain_twins)]
    {
        twins::is(name)
    }
    #[cfg(not(ringmain_twins))]
    {
        let _ = name;
        false
    }
}

/// The memory ordering to use at the place called `name`: `ordering`, or `Relaxed` when a test weakens just this one. Of
/// `AcqRel` each half can be taken away alone as well, as `name.acquire` and `name.release`.
///
/// No two places have a name in common, and every ordering stronger than relaxed has one, so that `.ci/mutate-orderings`
/// finds it. (What is there only while something else is broken is called `twin`.)
#[inline(always)]
pub fn ordering(name: &str, ordering: Ordering) -> Ordering {
    #[cfg(ringmain_twins)]
    {
        twins::weakened(name, ordering)
    }
    #[cfg(not(ringmain_twins))]
    {
        let _ = name;
        ordering
    }
}
