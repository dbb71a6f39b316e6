//! Who pays for not losing a wake-up?
//!
//! A consumer that parks announces itself, looks once more and sleeps; a publisher publishes, looks whether
//! anybody sleeps, and wakes. Each writes one word and then reads the other's, so both need a full barrier
//! between, or one of them twice over:
//!
//! - *nothing*: spinning consumers, no sleepers to look for: the floor;
//! - *fence*: the publisher runs a SeqCst fence, then loads the sleepers' word, for every publish;
//! - *exchange*: the publish itself is a sequentially consistent exchange, then the load;
//! - *membarrier*: the publisher has a compiler fence and the load; the sleeper makes the system run a
//!   barrier on every CPU that is running this process (`MEMBARRIER_CMD_PRIVATE_EXPEDITED`), once, before it
//!   parks.
//!
//! One producer, one consumer, ring 4,096; single publishes of u64 and 1 KB, and u64 in batches of 64, each
//! with a reader that does and does not gather. *Wake-ups* checks the protocols: the publisher waits for each
//! message to be read before it sends the next, and the consumer parks after 500 hints, which the publisher
//! mostly outlasts: a lost wake-up would stop the run. The calls are also timed by themselves.

use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::*, compiler_fence, fence};
use std::thread::Thread;

use crossbeam_utils::CachePadded;

use crate::lab::{Case, Outcome};
use crate::threads::{self, Gather, Patience, race};

const CAPACITY: u64 = 4096;
const CHUNK: u64 = CAPACITY / 4;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Nothing,
    Fence,
    Exchange,
    Membarrier,
}

/// The system call itself; on systems without it the full fence of the fallback is measured instead.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn membarrier(command: std::ffi::c_long) -> std::ffi::c_long {
    const NUMBER: std::ffi::c_long = if cfg!(target_arch = "x86_64") { 324 } else { 283 };
    unsafe extern "C" {
        fn syscall(number: std::ffi::c_long, ...) -> std::ffi::c_long;
    }
    let (flags, cpu): (std::ffi::c_long, std::ffi::c_long) = (0, 0);
    // SAFETY: membarrier(command, flags, cpu) touches no memory of the caller.
    unsafe { syscall(NUMBER, command, flags, cpu) }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn membarrier(_: std::ffi::c_long) -> std::ffi::c_long {
    -1
}

const PRIVATE_EXPEDITED: std::ffi::c_long = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: std::ffi::c_long = 1 << 4;

fn heavy_barrier() {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| membarrier(REGISTER_PRIVATE_EXPEDITED) == 0);
    assert!(
        registered && membarrier(PRIVATE_EXPEDITED) == 0,
        "this system has no private expedited membarrier"
    );
}

struct Ring<const WORDS: usize> {
    slots: Box<[UnsafeCell<[u64; WORDS]>]>,
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
    sleepers: CachePadded<AtomicU64>,
    sleeper: OnceLock<Thread>,
    parks: CachePadded<AtomicU64>,
}

// SAFETY: a slot belongs to the producer until `head` passes it and to the consumer until `tail` does
// (release/acquire).
unsafe impl<const WORDS: usize> Sync for Ring<WORDS> {}

impl<const WORDS: usize> Ring<WORDS> {
    fn new() -> Self {
        Self {
            slots: (0..CAPACITY).map(|_| UnsafeCell::new([0; WORDS])).collect(),
            head: CachePadded::default(),
            tail: CachePadded::default(),
            sleepers: CachePadded::default(),
            sleeper: OnceLock::new(),
            parks: CachePadded::default(),
        }
    }

    fn slot(&self, sequence: u64) -> *mut [u64; WORDS] {
        self.slots[(sequence % CAPACITY) as usize].get()
    }

    /// Makes everything before `head` readable and wakes whoever sleeps.
    fn publish(&self, way: Way, head: u64) {
        if way == Way::Exchange {
            self.head.swap(head, SeqCst);
        } else {
            self.head.store(head, Release);
        }
        match way {
            Way::Nothing => return,
            Way::Fence => fence(SeqCst),
            Way::Exchange => {}
            // The processor may reorder here; the sleeper's system call is what stops it.
            Way::Membarrier => compiler_fence(SeqCst),
        }
        if self.sleepers.load(if way == Way::Exchange { SeqCst } else { Relaxed }) != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.sleepers.swap(0, AcqRel) != 0 {
            self.sleeper.get().expect("a sleeper names itself first").unpark();
        }
    }

    /// Announces, fences, looks again, parks.
    fn park(&self, way: Way, next: u64) {
        self.sleeper.get_or_init(std::thread::current);
        self.sleepers.store(1, SeqCst);
        if way == Way::Membarrier {
            heavy_barrier()
        } else {
            fence(SeqCst)
        }
        if self.head.load(SeqCst) == next {
            self.parks.fetch_add(1, Relaxed);
            std::thread::park();
        }
        self.sleepers.store(0, Relaxed);
    }

    fn produce(&self, way: Way, batch: u64, n: u64, answered: bool) -> u64 {
        let mut gate = 0;
        for start in (0..n).step_by(batch as usize) {
            let mut patience = Patience::default();
            while start + batch - gate > CAPACITY {
                gate = self.tail.load(Acquire);
                patience.step(1_000);
            }
            for sequence in start..start + batch {
                let mut value = [3; WORDS];
                value[0] = sequence;
                value[WORDS - 1] = sequence;
                // SAFETY: `tail` has passed this slot's last lap, `head` has not reached it.
                unsafe { *self.slot(sequence) = value };
            }
            self.publish(way, start + batch);
            if answered {
                while self.tail.load(Acquire) <= start {
                    std::hint::spin_loop();
                }
                // Long enough for the consumer to give up spinning, most times.
                (0..start * 97 % 6_000).for_each(|_| std::hint::spin_loop());
            }
        }
        0
    }

    /// Reads `n`; parks after `spins` hints in vain (0: never).
    fn consume(&self, way: Way, gather: bool, spins: u32, n: u64) -> u64 {
        let (mut next, mut sum) = (0, 0_u64);
        let (mut vain, mut gathering) = (0, Gather::default());
        while next < n {
            let mut head = self.head.load(Acquire);
            if head == next {
                vain += 1;
                if spins > 0 && vain > spins {
                    self.park(way, next);
                    vain = 0;
                } else {
                    std::hint::spin_loop();
                }
                continue;
            }
            vain = 0;
            if gather {
                gathering.pause(|ahead| self.head.load(Acquire) >= next + ahead);
                head = self.head.load(Acquire);
            }
            let end = head.min(next + CHUNK);
            while next < end {
                // SAFETY: `head` has passed this slot, `tail` has not.
                let value = unsafe { &*self.slot(next) };
                sum = sum.wrapping_add(value[0].wrapping_add(value[WORDS - 1]));
                next += 1;
            }
            self.tail.store(next, Release);
        }
        sum
    }
}

fn flat_out<const WORDS: usize>(way: Way, gather: bool, batch: u64, n: u64) -> Outcome {
    let n = n.next_multiple_of(batch);
    let ring = Ring::<WORDS>::new();
    // The spin before parking is 50 us; flat out it never ends.
    let spins = if way == Way::Nothing { 0 } else { 5_000 };
    let (seconds, sums) = race(vec![
        (0, Box::new(|| ring.produce(way, batch, n, false))),
        (1, Box::new(|| ring.consume(way, gather, spins, n))),
    ]);
    assert_eq!(sums[1], n * (n - 1), "values lost, doubled or torn");
    Outcome::rate(n, seconds)
}

fn wake_ups(way: Way, n: u64) -> Outcome {
    let ring = Ring::<1>::new();
    let (seconds, sums) = race(vec![
        (0, Box::new(|| ring.produce(way, 1, n, true))),
        (1, Box::new(|| ring.consume(way, false, 500, n))),
    ]);
    assert_eq!(sums[1], n * (n - 1), "values lost or doubled");
    let parks = ring.parks.load(Relaxed) as f64;
    Outcome { seconds, figures: vec![("us each", seconds * 1e6 / n as f64), ("parks", parks)] }
}

/// The barrier alone, while the other CPU runs this process or not.
fn barrier(run: fn(), busy: bool, n: u64) -> Outcome {
    let done = CachePadded::new(AtomicU64::new(0));
    let call = || {
        (0..n).for_each(|_| run());
        done.store(1, Release);
        0
    };
    let mut jobs: Vec<(usize, threads::Job<'_>)> = vec![(0, Box::new(call))];
    if busy {
        jobs.push((
            1,
            Box::new(|| {
                while done.load(Relaxed) == 0 {}
                0
            }),
        ));
    }
    Outcome::nanos(n, race(jobs).0)
}

pub(crate) fn cases() -> Vec<Case> {
    let ways = [
        ("nothing", Way::Nothing),
        ("fence + load", Way::Fence),
        ("exchange + load", Way::Exchange),
        ("membarrier: plain load", Way::Membarrier),
    ];
    type Body = fn(Way, bool, u64, u64) -> Outcome;
    let works: [(&str, Body, u64); 3] = [
        ("u64 single", flat_out::<1>, 1),
        ("u64 batches of 64", flat_out::<1>, 64),
        ("1 KB single", flat_out::<128>, 1),
    ];
    let mut cases = Vec::new();
    for (work, body, batch) in works {
        for gather in [false, true] {
            let setting = format!("{work}{}", if gather { ", reader gathers" } else { "" });
            for (name, way) in ways {
                cases.push(Case::new(setting.clone(), name, move |n| body(way, gather, batch, n)));
            }
        }
    }
    for (name, way) in &ways[1..] {
        let (name, way) = (*name, *way);
        cases.push(Case::new("wake-ups, one message each", name, move |n| wake_ups(way, n)).sized(400));
    }
    for busy in [false, true] {
        let setting =
            format!("one barrier, other CPU {}", if busy { "in this process" } else { "elsewhere" });
        cases.push(Case::new(setting.clone(), "SeqCst fence", move |n| barrier(|| fence(SeqCst), busy, n)));
        cases.push(Case::new(setting, "membarrier", move |n| barrier(heavy_barrier, busy, n)));
    }
    cases
}
