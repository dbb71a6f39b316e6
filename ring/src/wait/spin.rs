//! What a thread does before it sleeps: it spins, or gives way.

#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
use super::Ordering;
use super::{WaitStrategy, now, sync, thread};
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// About one wake-up: spinning longer than sleeping would have cost is waste, shorter gives latency away.
const SPIN_FOR: Duration = Duration::from_micros(50);
/// How often a thread gives way before it sleeps. With nobody there to take the CPU that costs 12 us. With more
/// threads than CPUs, whoever gives way comes back to find much to do, and neither sleeps nor has to be woken
/// (measured: docs/decisions/0009).
const YIELDS: u32 = 16;
/// Spin hints between two readings of the clock.
const HINTS: u32 = 64;

#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
static SPINNERS: std::sync::LazyLock<sync::AtomicUsize> =
    std::sync::LazyLock::new(|| sync::AtomicUsize::new(0));

/// How many CPUs the process may use. Not what the calling thread may: a thread that is pinned would say one.
fn cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| {
        let mine = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        mine.max(crate::cpus::of_main_thread())
    })
}

std::thread_local! {
    /// How often this thread gave its CPU away.
    static GIVEN_WAY: Cell<u32> = const { Cell::new(0) };
    /// How often it has spun for `HINTS` hints in vain.
    static SPUN_LONG: Cell<u32> = const { Cell::new(0) };
}

/// How often the calling thread has given its CPU to others while it waited: if that changes, a while has passed of which it
/// knows nothing.
pub(crate) fn times_given_way() -> u32 {
    GIVEN_WAY.get()
}

/// How often the calling thread has spun for a microsecond or so in vain: if that changes, it has waited for what it has found.
pub(crate) fn times_spun_long() -> u32 {
    SPUN_LONG.get()
}

fn spun_long() {
    SPUN_LONG.set(SPUN_LONG.get().wrapping_add(1));
}

fn yield_now() {
    GIVEN_WAY.set(GIVEN_WAY.get().wrapping_add(1));
    thread::yield_now();
}

/// Counts this thread among those that spin, so that they can see when there are too many.
struct Spinner;

impl Spinner {
    fn enter() -> Self {
        #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
        SPINNERS.fetch_add(1, Ordering::Relaxed);
        Self
    }

    /// Whether a spinner could be keeping the one it waits for from running.
    fn crowded() -> bool {
        #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
        return SPINNERS.load(Ordering::Relaxed) >= cpus() && !sync::broken("spin.never_yields");
        #[cfg(any(ringmain_loom, ringmain_shuttle))]
        return cpus() == 0;
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
        SPINNERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Spins until `ready`, as far as `strategy` spins at all. Returns what `ready` said last; `false` means that it is time to sleep
/// (or, past the deadline, to give up). Under [`WaitStrategy::Spin`] it spins until `deadline`; the others spin or give way
/// for some 50 us, and leave the deadline to whoever sleeps.
#[inline]
pub fn spin_until(strategy: WaitStrategy, deadline: Option<Instant>, ready: impl FnMut() -> bool) -> bool {
    spin_pausing(strategy, deadline, 1, ready)
}

/// As [`spin_until`], with a pause of so many spin hints between two looks: where a look disturbs those who are waited for.
#[inline]
pub(crate) fn spin_pausing(
    strategy: WaitStrategy,
    deadline: Option<Instant>,
    pause: u32,
    mut ready: impl FnMut() -> bool,
) -> bool {
    if ready() {
        return true;
    }
    if sync::MODELLED && strategy.parks() {
        return false; // the model's interest is in the parking
    }
    match strategy {
        WaitStrategy::Park => give_way(&mut ready),
        WaitStrategy::Spin => {
            let _spinner = Spinner::enter();
            spin_on(deadline, pause, ready)
        }
        WaitStrategy::SpinThenPark => {
            let _spinner = Spinner::enter();
            spin_briefly(pause, ready)
        }
    }
}

fn spin_on(deadline: Option<Instant>, pause: u32, mut ready: impl FnMut() -> bool) -> bool {
    loop {
        for _ in 0..HINTS / pause {
            if ready() {
                return true;
            }
            (0..pause).for_each(|_| sync::spin_hint());
        }
        spun_long();
        if Spinner::crowded() {
            yield_now();
        }
        if deadline.is_some_and(|deadline| now() >= deadline) {
            return false;
        }
    }
}

/// Gives way to other threads until `ready`, a few times. Returns what `ready` said last.
///
/// (Out of line, and not generic: a loop that spins is compiled around its own way, and not around this one.)
#[cold]
fn give_way(ready: &mut dyn FnMut() -> bool) -> bool {
    (0..YIELDS).any(|_| {
        yield_now();
        ready()
    })
}

fn spin_briefly(pause: u32, mut ready: impl FnMut() -> bool) -> bool {
    let start = now();
    loop {
        for _ in 0..HINTS / pause {
            if ready() {
                return true;
            }
            if Spinner::crowded() {
                return give_way(&mut ready);
            }
            (0..pause).for_each(|_| sync::spin_hint());
        }
        spun_long();
        if now().duration_since(start) >= SPIN_FOR {
            return false;
        }
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn who_pauses_looks_less_often_in_the_same_time() {
        let looks_until_the_clock_is_read = |pause| {
            let mut looks = 0;
            let found = spin_pausing(WaitStrategy::Spin, Some(now()), pause, || {
                looks += 1;
                false
            });
            assert!(!found, "the deadline has passed");
            looks - 1 // the first is before it spins
        };
        assert_eq!([1, 16, HINTS].map(looks_until_the_clock_is_read), [64, 4, 1]);
    }
}
