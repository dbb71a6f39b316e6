//! Waiting: spin briefly, then park, and wake only who sleeps.
//!
//! A [`Notify`] is a list of sleepers with a count beside it. Whoever makes something true calls [`Notify::notify`]:
//! a light fence and one load of the count, no more while nobody sleeps. Whoever waits registers, fences heavily,
//! *checks again*, and only then parks. Of the two fences one comes first: either the sleeper's check sees the change,
//! or the notifier's load sees the sleeper. No time-out rescues a wake-up that was lost, so none may be.
//!
//! A sleeper is a parked thread or an async task's waker; one can be registered with several `Notify`s at once.

mod later;
mod spin;

pub use later::WakeLater;
pub use spin::spin_until;
pub(crate) use spin::{spin_pausing, times_given_way, times_spun_long};

use crate::sync::{self, AtomicBool, AtomicU32, Mutex, Ordering, broken, lock, ordering, thread};
use crossbeam_utils::CachePadded;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// What a thread does while there is nothing to read, or no room to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum WaitStrategy {
    /// Spins, giving way only when there are more spinners than CPUs. Lowest latency; a CPU a waiter.
    Spin,
    /// Spins for about as long as a wake-up takes, then parks. With more spinners than CPUs, as [`Park`](Self::Park).
    #[default]
    SpinThenPark,
    /// Gives way to other threads a few times, then parks. Least CPU; every message after a pause costs a wake-up.
    Park,
}

impl WaitStrategy {
    /// Whether waiters of this strategy ever sleep, and so must be notified.
    #[must_use]
    #[inline]
    pub fn parks(self) -> bool {
        self != Self::Spin
    }
}

enum Wake {
    Thread(thread::Thread),
    Task(Waker),
}

/// Somebody who sleeps, or is about to.
pub struct Sleeper {
    woken: AtomicBool,
    wake: Wake,
}

impl Sleeper {
    /// The calling thread.
    #[must_use]
    pub fn thread() -> Arc<Self> {
        Arc::new(Self { woken: AtomicBool::new(false), wake: Wake::Thread(thread::current()) })
    }

    /// An async task.
    #[must_use]
    pub fn task(waker: &Waker) -> Arc<Self> {
        Arc::new(Self { woken: AtomicBool::new(false), wake: Wake::Task(waker.clone()) })
    }

    /// Parks the calling thread, which made this, until notified or for `timeout`.
    pub fn park(&self, timeout: Option<Duration>) {
        // Acquire: pairs with the release store in `wake`.
        while !self.woken.load(ordering("wait.woken.acquire", Ordering::Acquire)) {
            match timeout {
                None => thread::park(),
                // A spurious return is as good as a time-out: every caller looks again.
                Some(timeout) => return thread::park_timeout(timeout),
            }
        }
    }

    /// Whether it was woken. Then it is no longer in the list of whoever woke it.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        // Acquire: pairs with the release store in `wake`.
        self.woken.load(ordering("wait.is_woken.acquire", Ordering::Acquire))
    }

    /// Whether waking it wakes the task of `waker`.
    #[must_use]
    pub fn wakes(&self, waker: &Waker) -> bool {
        matches!(&self.wake, Wake::Task(mine) if mine.will_wake(waker))
    }

    fn wake(&self) {
        // Release: pairs with the acquire load in `park`.
        self.woken.store(true, ordering("wait.woken.release", Ordering::Release));
        match &self.wake {
            Wake::Thread(thread) => thread.unpark(),
            Wake::Task(waker) => waker.wake_by_ref(),
        }
    }
}

impl fmt::Debug for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.wake {
            Wake::Thread(_) => "Sleeper(thread)",
            Wake::Task(_) => "Sleeper(task)",
        })
    }
}

#[derive(Debug, Default)]
struct Places {
    list: Vec<Place>,
    /// How many there have been: the next one's number.
    begun: u64,
}

#[derive(Debug)]
struct Place {
    /// No other place in this list ever has it; the sleeper may have several.
    number: u64,
    sleeper: Arc<Sleeper>,
}

/// Whom to wake when something has become true.
#[derive(Debug, Default)]
pub struct Notify {
    /// How many are in the list. Read by every notifier, written only around a sleep.
    sleepers: CachePadded<AtomicU32>,
    places: Mutex<Places>,
}

impl Notify {
    /// Nobody sleeps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes everybody who is registered. Call it *after* making true what they wait for. One load when nobody is. A
    /// waker that panics does so in vain: the panic ends here. Under a lock, call it within a [`WakeLater`].
    #[inline]
    pub fn notify(&self) {
        sync::light_fence("notify.no_fence");
        // Relaxed: the light fence orders it after what the caller made true; pairs with the heavy fence in `wait`.
        if self.sleepers.load(Ordering::Relaxed) != 0 {
            self.wake_all();
        }
    }

    /// Whether somebody sleeps, or is about to: what [`notify`](Self::notify) looks at. Call it after making true what
    /// they wait for.
    #[inline]
    #[must_use]
    pub fn has_sleepers(&self) -> bool {
        sync::light_fence("has_sleepers.no_fence");
        self.sleepers.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn wake_all(&self) {
        let woken = {
            let mut places = lock(&self.places);
            self.sleepers.store(0, Ordering::Relaxed);
            std::mem::take(&mut places.list)
        };
        let count = if broken("notify.wakes_one") { 1 } else { usize::MAX };
        woken.into_iter().take(count).for_each(|place| later::wake(place.sleeper));
    }

    /// Adds a sleeper. It must then call [`before_sleep`], look again at what it waits for, and only then park.
    pub fn register(&self, sleeper: &Arc<Sleeper>) -> Registration<'_> {
        let mut places = lock(&self.places);
        let number = places.begun;
        places.begun += 1;
        places.list.push(Place { number, sleeper: Arc::clone(sleeper) });
        self.count(&places);
        Registration { notify: self, number: Some(number) }
    }

    /// Takes out a sleeper that [stayed](Registration::stay), if it is still in the list.
    pub fn unregister(&self, sleeper: &Arc<Sleeper>) {
        self.remove(|place| Arc::ptr_eq(&place.sleeper, sleeper));
    }

    /// Takes out the first such place, if there is one.
    fn remove(&self, such: impl Fn(&Place) -> bool) {
        let mut places = lock(&self.places);
        let removed = places.list.iter().position(such).map(|at| places.list.remove(at));
        self.count(&places);
        drop(places);
        drop(removed); // in this order: a waker's drop is somebody else's code
    }

    fn count(&self, places: &Places) {
        let count = u32::try_from(places.list.len()).unwrap_or(u32::MAX);
        self.sleepers.store(count, Ordering::Relaxed);
    }

    /// Sleeps until `ready`, or until `deadline`. Returns what `ready` said last.
    pub fn wait_until(&self, deadline: Option<Instant>, mut ready: impl FnMut() -> bool) -> bool {
        wait_any(&[self], deadline, &mut ready)
    }
}

/// The heavy half of the barrier between a registration and the last look before sleeping.
pub fn before_sleep() {
    sync::heavy_fence("sleep.no_fence");
}

/// Sleeps until `ready`, which whoever calls [`Notify::notify`] on any of `notifies` may have made true, or until
/// `deadline`. Returns what `ready` said last.
pub fn wait_any(notifies: &[&Notify], deadline: Option<Instant>, ready: &mut dyn FnMut() -> bool) -> bool {
    loop {
        if ready() {
            return true;
        }
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now()));
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return false;
        }
        let sleeper = Sleeper::thread();
        let registrations: Vec<_> = notifies.iter().map(|notify| notify.register(&sleeper)).collect();
        before_sleep();
        if ready() && !broken("wait.no_recheck") {
            return true;
        }
        sleeper.park(timeout);
        drop(registrations);
    }
}

/// A sleeper's place in the list of one [`Notify`]; dropping it takes the sleeper out of it, if it was not woken before.
#[must_use = "dropping the registration means that nobody will wake the sleeper"]
#[derive(Debug)]
pub struct Registration<'a> {
    notify: &'a Notify,
    /// The place's; `None` when the sleeper is to stay.
    number: Option<u64>,
}

impl Registration<'_> {
    /// Leaves the sleeper in the list, to be taken out by the next notification, or by
    /// [`unregister`](Notify::unregister). For tasks, which return instead of sleeping: keep the sleeper, and take it out
    /// before another is put in for the same task, or each poll leaves one more.
    pub fn stay(mut self) {
        self.number = None;
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.notify.remove(|place| place.number == number);
        }
    }
}

/// The monotonic time by which waits are bounded. (What messages do in time is the engine's injected clock's.)
#[must_use]
pub fn now() -> Instant {
    sync::clock()
}
