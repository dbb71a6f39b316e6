//! The machine below a sample: pinning, how far apart the two CPUs are right now, and whether threads got
//! their CPU.
//!
//! On a virtual machine the same pair of CPUs is 14, 35 or 200 ns apart from one moment to the next, and
//! rates follow. `line_nanos` passes one cache line to and fro for a fraction of a millisecond; taken before
//! and after a sample, it says in which placement the sample ran.

use std::sync::atomic::{AtomicU64, Ordering::*};

use core_affinity::CoreId;
use crossbeam_utils::CachePadded;

use crate::clock::Ticker;
use crate::roles::Place;

/// The CPUs that this process may use.
#[derive(Clone, Debug)]
pub(crate) struct Cpus(Vec<CoreId>);

impl Cpus {
    /// Reads the process's affinity mask; fewer than two CPUs are refused.
    pub(crate) fn find() -> Result<Self, String> {
        match core_affinity::get_core_ids() {
            Some(cores) if cores.len() >= 2 => Self(cores).checked(),
            Some(cores) => Err(format!(
                "{} CPU is allowed and a producer and a consumer need two; allow more with `taskset`",
                cores.len()
            )),
            None => Err("the CPUs of this process are not known; this system cannot pin threads".into()),
        }
    }

    /// Tries every CPU once, on a thread that is thrown away: the probe's players would wait for each other
    /// forever.
    fn checked(self) -> Result<Self, String> {
        let trial = || (0..self.len()).try_for_each(|index| self.pin(Place::Producer(index)));
        match std::thread::scope(|scope| scope.spawn(trial).join()) {
            Ok(verdict) => verdict.map(|()| self),
            Err(_) => Err("pinning a thread panicked".into()),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The identity of the first consumer's CPU, for contenders that pin their reader themselves.
    pub(crate) fn reader(&self) -> usize {
        self.0[1].id
    }

    /// Puts the calling thread where its role belongs.
    pub(crate) fn pin(&self, place: Place) -> Result<(), String> {
        let index = match place {
            Place::Producer(index) => index,
            Place::Consumer(index) => index + 1,
            Place::Anywhere => return Ok(()),
        };
        let core = self.0[index % self.0.len()];
        if core_affinity::set_for_current(core) {
            Ok(())
        } else {
            Err(format!("pinning to CPU {} was refused; check the process's affinity mask", core.id))
        }
    }

    /// Nanoseconds that a cache line takes from the producer's CPU to the consumer's: the best of a few
    /// bursts.
    pub(crate) fn line_nanos(&self, ticker: &Ticker) -> Result<f64, String> {
        const BURSTS: u64 = 8;
        const TRIPS: u64 = 250;
        let turn = CachePadded::new(AtomicU64::new(0));
        let play = |place: Place, parity: u64| {
            self.pin(place)?;
            let mut best = f64::INFINITY;
            for burst in 0..BURSTS {
                let from = ticker.now();
                for trip in burst * TRIPS..(burst + 1) * TRIPS {
                    // Acquire and Release pair with each other across the two players: each sees the other's
                    // last move.
                    while turn.load(Acquire) != 2 * trip + parity {
                        std::hint::spin_loop();
                    }
                    turn.store(2 * trip + parity + 1, Release);
                }
                best = best.min(ticker.nanos(from, ticker.now()) as f64 / (2 * TRIPS) as f64);
            }
            Ok(best)
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| play(Place::Consumer(0), 1));
            let mine = scope.spawn(|| play(Place::Producer(0), 0)).join();
            let theirs = other.join();
            match (mine, theirs) {
                (Ok(mine), Ok(theirs)) => theirs.and(mine),
                _ => Err("the cache-line probe panicked".into()),
            }
        })
    }
}

/// What the calling thread has waited for its CPU so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunDelay {
    nanos: u64,
    slices: u64,
}

impl RunDelay {
    /// Zeros where the system does not say.
    pub(crate) fn now() -> Self {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let mut fields = text.split_whitespace().map(|field| field.parse().unwrap_or(0));
        Self { nanos: fields.nth(1).unwrap_or(0), slices: fields.next().unwrap_or(0) }
    }

    /// Nanoseconds of waiting since `before`, less an allowance for each time that the thread came to run: a
    /// thread that parks waits a moment for its CPU whenever it is woken, and that is its own doing.
    pub(crate) fn since(self, before: Self, allowance: u64) -> u64 {
        let slices = self.slices.saturating_sub(before.slices);
        self.nanos.saturating_sub(before.nanos).saturating_sub(slices * allowance)
    }
}

/// Processor time used so far, in the system's ticks of 10 ms: by everybody, and by this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    everybody: u64,
    own: u64,
}

impl Usage {
    /// Nothing used at all where the system does not say.
    pub(crate) fn now() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let sum = |fields: &[&str]| fields.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        let all = read("/proc/stat");
        // cpu user nice system idle iowait irq softirq steal guest guest_nice; guests are in user already.
        let all: Vec<_> = all.lines().next().unwrap_or_default().split_whitespace().collect();
        let everybody = sum(all.get(1..4).unwrap_or_default()) + sum(all.get(6..9).unwrap_or_default());
        let own = read("/proc/self/stat");
        // The second field is the name in brackets, which may hold anything; utime and stime are the 14th and
        // 15th.
        let own: Vec<_> = own.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        Self { everybody, own: sum(own.get(11..13).unwrap_or_default()) }
    }

    /// Seconds that others have used since `before`, stolen time included.
    pub(crate) fn by_others_since(self, before: Self) -> f64 {
        let everybody = self.everybody.saturating_sub(before.everybody);
        everybody.saturating_sub(self.own.saturating_sub(before.own)) as f64 / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_work_is_not_that_of_others() {
        let (ticker, before) = (Ticker::new(), Usage::now());
        let start = ticker.now();
        // Others may have the CPU in between.
        let after = loop {
            let now = Usage::now();
            if now.own >= before.own + 10 {
                break now;
            }
            assert!(ticker.nanos(start, ticker.now()) < 60_000_000_000, "{before:?} {now:?}");
        };
        assert!(after.everybody >= before.everybody + 7, "{before:?} {after:?}");
        let others = after.by_others_since(before);
        let all = (after.everybody - before.everybody) as f64 / 100.0;
        // (The two are not counted alike: a process to the nanosecond, all of them by ticks. So it may have used more than all.)
        assert!(others <= (all - 0.09).max(0.0), "{before:?} {after:?}");
    }
}
