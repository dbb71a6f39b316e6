//! Threads of the sketches: started together on given CPUs, waiting politely, reading with or without
//! gathering.
//!
//! `race` starts threads on given CPUs together and times them from the first start to the last end.
//! `Patience` is how all sketches wait: a few spin hints, then yields, because threads may outnumber CPUs
//! here. `Gather` is the reader that the experiment of that name recommends, for those that ask something
//! else.

use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quanta::{Clock, Instant};

/// A thread's work in a race; what it returns is for the caller's check.
pub(crate) type Job<'a> = Box<dyn FnOnce() -> u64 + Send + 'a>;

/// Runs every job on its CPU, started together: seconds from first start to last end, and what each returned.
pub(crate) fn race(jobs: Vec<(usize, Job<'_>)>) -> (f64, Vec<u64>) {
    let (arrived, all) = (AtomicUsize::new(0), jobs.len());
    let times: Vec<(Instant, Instant, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .into_iter()
            .map(|(cpu, job)| {
                let arrived = &arrived;
                scope.spawn(move || {
                    pin(cpu);
                    arrived.fetch_add(1, AcqRel);
                    while arrived.load(Acquire) < all {
                        std::thread::yield_now();
                    }
                    let start = Instant::now();
                    let result = job();
                    (start, Instant::now(), result)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a sketch's thread panicked")).collect()
    });
    let start = times.iter().map(|time| time.0).min().expect("a race has jobs");
    let end = times.iter().map(|time| time.1).max().expect("a race has jobs");
    (end.duration_since(start).as_secs_f64(), times.into_iter().map(|time| time.2).collect())
}

/// Puts the calling thread on the `cpu`-th allowed CPU (counted round if there are fewer).
pub(crate) fn pin(cpu: usize) {
    let cores = core_affinity::get_core_ids().expect("the CPUs this process may use are known");
    assert!(core_affinity::set_for_current(cores[cpu % cores.len()]), "pinning to CPU {cpu} was refused");
}

/// Which CPU producer `index` runs on: the consumer has CPU 1, producers alternate, so that 2 producers do
/// meet.
pub(crate) fn producer_cpu(index: usize) -> usize {
    index % 2
}

/// A wait of spin hints that ends in yields.
#[derive(Default)]
pub(crate) struct Patience(u32);

impl Patience {
    pub(crate) fn step(&mut self, hints: u32) {
        if self.0 < hints {
            self.0 += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }

    pub(crate) fn reset(&mut self) {
        self.0 = 0;
    }
}

/// A reader that gathers with what `gathering` recommends, for the experiments that are about something else.
#[derive(Default)]
pub(crate) struct Gather {
    off: u32,
    last_off: u32,
}

impl Gather {
    /// Fewer ready than this: pause.
    const WITHIN: u64 = 64;
    const HINTS: u32 = 256;
    /// A pause pays if it leaves at least this many ready: one per 12 hints.
    const WORTH: u64 = 21;

    /// Called with something to read; `has(n)` says whether `n` messages are ready.
    pub(crate) fn pause(&mut self, has: impl Fn(u64) -> bool) {
        if self.off > 0 {
            self.off -= 1;
        } else if !has(Self::WITHIN) {
            (0..Self::HINTS).for_each(|_| std::hint::spin_loop());
            self.last_off = if has(Self::WORTH) { 0 } else { (self.last_off * 2).clamp(64, 4096) };
            self.off = self.last_off;
        }
    }
}

/// A lock that a panicking case does not poison for the next.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// "1 producer", "2 producers".
pub(crate) fn producers(count: usize) -> String {
    format!("{count} producer{}", if count == 1 { "" } else { "s" })
}

/// The counter that pacing and latencies use.
pub(crate) fn clock() -> Clock {
    Clock::new()
}
