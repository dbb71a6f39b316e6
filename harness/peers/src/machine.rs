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
        let trial = || (0..self.len()).try_for_each(|index| self.pin(Place::Producer(index), self.len()));
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
    pub(crate) fn reader(&self, producers: usize) -> usize {
        self.0[self.behind(producers)].id
    }

    /// Where consumers begin: behind so many producers, or at the second CPU where those take them all.
    fn behind(&self, producers: usize) -> usize {
        if producers < self.len() { producers } else { 1 }
    }

    /// The CPU of a role beside so many producers; none where the scheduler may choose.
    fn seat(&self, place: Place, producers: usize) -> Option<CoreId> {
        let index = match place {
            Place::Producer(index) => index,
            Place::Consumer(index) => self.behind(producers) + index,
            Place::Anywhere => return None,
        };
        Some(self.0[index % self.len()])
    }

    /// Whether threads at these places have to give way to each other: there are more of them than CPUs, or two are on the
    /// same one.
    pub(crate) fn crowded(&self, places: &[Place]) -> bool {
        let producers = places.iter().filter(|place| place.is_producer()).count();
        let seats = places.iter().filter_map(|place| self.seat(*place, producers)).map(|core| core.id);
        let mut seats: Vec<_> = seats.collect();
        seats.sort_unstable();
        places.len() > self.len() || seats.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Puts the calling thread where its role belongs beside so many producers.
    pub(crate) fn pin(&self, place: Place, producers: usize) -> Result<(), String> {
        let Some(core) = self.seat(place, producers) else { return Ok(()) };
        if core_affinity::set_for_current(core) {
            Ok(())
        } else {
            Err(format!("pinning to CPU {} was refused; check the process's affinity mask", core.id))
        }
    }

    /// Nanoseconds that a cache line takes from a lone producer's CPU to its consumer's: the best of a few bursts. The two are
    /// the same for any number of producers, so that who has more of them can be compared with who has fewer.
    pub(crate) fn line_nanos(&self, ticker: &Ticker) -> Result<f64, String> {
        const BURSTS: u64 = 8;
        const TRIPS: u64 = 250;
        let turn = CachePadded::new(AtomicU64::new(0));
        let play = |place: Place, parity: u64| {
            self.pin(place, 1)?;
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

    /// CPUs of a machine that need not be this one; their identities are ten times their places.
    fn cpus(count: usize) -> Cpus {
        Cpus((0..count).map(|index| CoreId { id: 10 * index }).collect())
    }

    /// The places of so many producers and consumers, and the CPUs that they have among so many.
    fn dealt(count: usize, producers: usize, consumers: usize) -> (Vec<Place>, Vec<usize>) {
        let (first, last) = ((0..producers).map(Place::Producer), (0..consumers).map(Place::Consumer));
        let places: Vec<_> = first.chain(last).collect();
        let seat = |place: &Place| cpus(count).seat(*place, producers).unwrap().id / 10;
        let seats = places.iter().map(seat).collect();
        (places, seats)
    }

    #[test]
    fn consumers_sit_behind_the_producers_while_there_are_cpus() {
        for (producers, consumers, seats) in [
            (1, 1, &[0, 1][..]),
            (1, 4, &[0, 1, 2, 3, 0]),
            (2, 1, &[0, 1, 2]),
            (2, 3, &[0, 1, 2, 3, 0]),
            (3, 1, &[0, 1, 2, 3]),
            (4, 1, &[0, 1, 2, 3, 1]),
            (5, 1, &[0, 1, 2, 3, 0, 1]),
        ] {
            assert_eq!(dealt(4, producers, consumers).1, seats, "{producers} and {consumers}");
        }
        assert_eq!((cpus(4).reader(1), cpus(4).reader(2), cpus(4).seat(Place::Anywhere, 2)), (10, 20, None));
    }

    #[test]
    fn on_two_cpus_consumers_sit_from_the_second_on() {
        for (producers, consumers, seats) in
            [(1, 1, &[0, 1][..]), (1, 3, &[0, 1, 0, 1]), (2, 1, &[0, 1, 1]), (3, 2, &[0, 1, 0, 1, 0])]
        {
            assert_eq!(dealt(2, producers, consumers).1, seats, "{producers} and {consumers}");
        }
    }

    #[test]
    fn who_shares_a_cpu_is_crowded() {
        let crowded =
            |count, producers, consumers| cpus(count).crowded(&dealt(count, producers, consumers).0);
        assert_eq!([1, 2, 8].map(|producers| crowded(2, producers, 1)), [false, true, true]);
        assert_eq!(
            [1, 2, 3, 4, 8].map(|producers| crowded(4, producers, 1)),
            [false, false, false, true, true]
        );
        assert_eq!([2, 3, 4].map(|consumers| crowded(4, 1, consumers)), [false, false, true]);
        let third = [Place::Producer(0), Place::Consumer(0), Place::Anywhere];
        assert!(cpus(2).crowded(&third) && !cpus(4).crowded(&third));
    }

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
