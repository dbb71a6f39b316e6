//! The one file that names atomics, cells, fences and parking.
//!
//! Every other file of the workspace takes them from here, so that a model checker can stand in: built with
//! `--cfg ringmain_loom` these are [loom](https://docs.rs/loom)'s, otherwise the standard library's. The cfg is the
//! project's own, so that dependencies are not switched with it. With `--cfg ringmain_sanitize` fences are something that
//! ThreadSanitizer understands.
//!
//! Beside the plain re-exports there is one pair of our own: [`light_fence`] and [`heavy_fence`], the two halves of a
//! store-load barrier of which one side is called a million times more often than the other. With `membarrier` the
//! rare side pays for both; everywhere else both are `SeqCst` fences.

#[cfg(ringmain_loom)]
use loom::sync::atomic;
#[cfg(not(ringmain_loom))]
use std::sync::atomic;

#[cfg(not(ringmain_loom))]
pub use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// For ThreadSanitizer, which knows no fences: an access of one common atomic, which orders all that a fence does, and
/// more. What it finds is a race; what it does not find may be one, which is for the models to tell.
#[cfg(ringmain_sanitize)]
fn full_fence(_: Ordering) {
    static ALL: AtomicU64 = AtomicU64::new(0);
    ALL.fetch_add(0, Ordering::SeqCst);
}
#[cfg(not(ringmain_sanitize))]
use atomic::fence as full_fence;

#[cfg(ringmain_loom)]
pub use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// Locks, and goes on after a panic in another holder: what our mutexes guard is valid after every single statement.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Threads: who to wake, and how to give way.
pub mod thread {
    #[cfg(ringmain_loom)]
    pub use loom::thread::{Thread, current, park, yield_now};
    #[cfg(not(ringmain_loom))]
    pub use std::thread::{Thread, current, park, yield_now};

    use std::time::Duration;

    /// Parks for at most `timeout`. Under loom there is no time: it parks until woken, so that a model which needs the
    /// time-out to make progress fails.
    pub fn park_timeout(timeout: Duration) {
        #[cfg(not(ringmain_loom))]
        std::thread::park_timeout(timeout);
        #[cfg(ringmain_loom)]
        {
            let _ = timeout;
            park();
        }
    }
}

/// One spin: a hint to the CPU, and to loom that another thread must run before this one gets any further.
#[inline]
pub fn spin_hint() {
    #[cfg(not(ringmain_loom))]
    std::hint::spin_loop();
    #[cfg(ringmain_loom)]
    loom::thread::yield_now();
}

/// A fence, called `name` so that a test can take it away.
#[inline(always)]
pub fn fence(name: &str, ordering: Ordering) {
    if !broken(name) {
        full_fence(ordering);
    }
}

/// A word to the compiler alone.
#[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_sanitize))))]
#[inline(always)]
pub(crate) fn compiler_fence(name: &str) {
    if !broken(name) {
        atomic::compiler_fence(Ordering::SeqCst);
    }
}

/// The cheap half of a store-load barrier, called `name` so that a test can take it away. Between two threads, of which
/// one calls this and the other [`heavy_fence`], it orders as a pair of `SeqCst` fences does. Two light fences order
/// nothing.
#[inline(always)]
pub fn light_fence(name: &str) {
    if !broken(name) {
        #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_sanitize))))]
        crate::membarrier::light();
        #[cfg(any(not(target_os = "linux"), miri, ringmain_loom, ringmain_sanitize))]
        full_fence(Ordering::SeqCst);
    }
}

/// The dear half: a system call of 0.3-11 us where `membarrier` exists. Called only before a thread parks.
#[inline(always)]
pub fn heavy_fence(name: &str) {
    if !broken(name) {
        #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_sanitize))))]
        crate::membarrier::heavy();
        #[cfg(any(not(target_os = "linux"), miri, ringmain_loom, ringmain_sanitize))]
        full_fence(Ordering::SeqCst);
    }
}

/// Whether the light half is no more than a word to the compiler. Models have it so, to take part in them.
pub fn light_fence_is_light() -> bool {
    #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_sanitize))))]
    return crate::membarrier::is_light();
    #[cfg(any(not(target_os = "linux"), miri, ringmain_loom, ringmain_sanitize))]
    return cfg!(any(miri, ringmain_loom, ringmain_sanitize));
}

/// Finds out, once a process, whether the light half can be light. Until somebody has, it is a full fence.
pub fn prepare_fences() {
    #[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_sanitize))))]
    crate::membarrier::prepare();
}

/// A cell whose accesses are closures, which is the shape that loom can watch.
#[cfg(not(ringmain_loom))]
#[derive(Debug)]
#[repr(transparent)]
pub struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

#[cfg(not(ringmain_loom))]
impl<T> UnsafeCell<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Runs `f` on a pointer for reading.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Runs `f` on a pointer for writing.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

#[cfg(ringmain_loom)]
pub use loom::cell::UnsafeCell;

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

/// Chooses the broken variant at run time, so that all twins share one build.
#[cfg(ringmain_twins)]
pub mod twins {
    use super::Ordering;
    use std::collections::BTreeSet;
    use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, RwLock};

    /// The environment variable that names the broken variant of a whole process.
    pub const VARIABLE: &str = "RINGMAIN_TWIN";

    static BROKEN: LazyLock<RwLock<String>> =
        LazyLock::new(|| RwLock::new(std::env::var(VARIABLE).unwrap_or_default()));
    static ASKED: Mutex<Option<BTreeSet<String>>> = Mutex::new(None);

    /// Breaks the variant called `name` from now on; an empty name mends everything.
    pub fn break_only(name: &str) {
        name.clone_into(&mut BROKEN.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on, remembers what might have been broken; returns what was until now. A run that does not come by a
    /// place cannot notice that it is broken.
    pub fn watch() -> BTreeSet<String> {
        asked().replace(BTreeSet::new()).unwrap_or_default()
    }

    fn asked() -> MutexGuard<'static, Option<BTreeSet<String>>> {
        ASKED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(name: &str) {
        if let Some(asked) = &mut *asked()
            && !asked.contains(name)
        {
            asked.insert(name.to_owned());
        }
    }

    pub(super) fn is(name: &str) -> bool {
        note(name);
        *BROKEN.read().unwrap_or_else(PoisonError::into_inner) == name
    }

    pub(super) fn weakened(name: &str, ordering: Ordering) -> Ordering {
        note(name);
        let broken = BROKEN.read().unwrap_or_else(PoisonError::into_inner);
        match (broken.strip_prefix(name), ordering) {
            (Some(""), _) => Ordering::Relaxed,
            (Some(".acquire"), Ordering::AcqRel) => Ordering::Release,
            (Some(".release"), Ordering::AcqRel) => Ordering::Acquire,
            _ => ordering,
        }
    }
}
