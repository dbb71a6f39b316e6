//! One sample of one contender.
//!
//! A sample sets the contender up, starts its threads where they belong, releases them together, and takes
//! the time from the start of the first producer to the last delivery. Then every receiver's count and sum
//! must be what the messages add up to; if not, the whole run fails, since a queue that loses messages has no
//! rate. A contender that measures itself only has its figure taken and its surroundings watched. The
//! cache-line probe runs right behind, on the same two CPUs; the one before is the caller's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use crate::case::{SetUp, Shape, Unit};
use crate::machine::{RunDelay, Usage};
use crate::measure::Bench;
use crate::roles::{Done, Load, Place, Role};

/// No sample takes this long, or so many times what it was planned to; one that does has lost a message or a wake-up.
const STUCK: Duration = Duration::from_secs(60);
const STUCK_TIMES: u32 = 10;
/// The share of a sample that a thread may wait for its CPU, beyond what waking up takes.
const DELAY_ALLOWED: f64 = 0.05;
/// What waking up takes at most, each time.
const WAKING_NANOS: u64 = 100_000;
/// The share of all processor time that other processes may take, and the least that a tick of 10 ms can
/// tell.
const OTHERS_ALLOWED: f64 = 0.08;
const OTHERS_SECONDS: f64 = 0.03;

/// One sample, checked.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) figure: f64,
    pub(crate) nanos: u64,
    /// The cache-line distance afterwards.
    pub(crate) line: f64,
    /// A thread waited for its CPU, or other processes were busy.
    pub(crate) disturbed: bool,
}

/// How one thread ended.
struct End {
    start: Option<u64>,
    delay: u64,
    done: Done,
}

impl Bench {
    /// Takes one sample; fails when a receiver did not read exactly what was sent.
    pub(crate) fn sample(
        &self,
        unit: Unit,
        shape: &Shape,
        set_up: &SetUp,
        messages: u64,
    ) -> Result<Sample, String> {
        let Shape { producers, receivers, capacity, batch, read } = *shape;
        // (Each contender has one thread that reads at least.)
        let publishing = usize::try_from(producers).unwrap_or(usize::MAX);
        let places: Vec<_> = (0..publishing).map(Place::Producer).chain([Place::Consumer(0)]).collect();
        let load = Load {
            messages,
            producers,
            receivers,
            capacity,
            batch,
            read,
            crowded: self.cpus.crowded(&places),
            reader_cpu: self.cpus.reader(publishing),
            ticker: self.ticker.clone(),
        };
        let roles = (set_up.0)(&load);
        let expected = roles.expected;
        let places: Vec<_> = roles.threads.iter().map(|role| role.place).collect();
        let usage = Usage::now();
        let ends = self.race(roles.threads)?;
        let others = Usage::now().by_others_since(usage);
        let line = self.cpus.line_nanos(&self.ticker)?;

        let tallies: Vec<_> = ends.iter().flat_map(|end| &end.done.tallies).collect();
        if tallies.len() != receivers {
            return Err(format!("{} receivers reported, {receivers} were set up", tallies.len()));
        }
        if let Some(wrong) = tallies.iter().find(|tally| ***tally != expected) {
            return Err(format!(
                "a receiver read {wrong:?} and should have read {expected:?}; messages were lost"
            ));
        }
        let start = ends.iter().filter_map(|end| end.start).min().ok_or("no producer started")?;
        let end = ends.iter().filter_map(|end| end.done.ended).max().ok_or("no consumer ended")?;
        let nanos = self.ticker.nanos(start, end);
        let figure = match unit {
            Unit::Rate => messages as f64 * receivers as f64 * 1e3 / nanos.max(1) as f64,
            Unit::RoundTrip => nanos as f64 / messages as f64,
            Unit::Median => {
                let latencies =
                    ends.iter().find_map(|end| end.done.latencies.as_ref()).ok_or("no latencies")?;
                latencies.value_at_quantile(0.5) as f64
            }
            other => return Err(format!("a race has no figure in {}", other.symbol())),
        };
        let delay = ends.iter().map(|end| end.delay).max().unwrap_or(0);
        let starved = !self.cpus.crowded(&places) && delay as f64 > nanos as f64 * DELAY_ALLOWED;
        let disturbed = starved || self.crowded_out(others, nanos);
        Ok(Sample { figure, nanos, line, disturbed })
    }

    /// Takes the figure of a contender that measures itself.
    pub(crate) fn whole(&self, work: fn(&Self) -> Result<f64, String>) -> Result<Sample, String> {
        let (usage, start) = (Usage::now(), self.ticker.now());
        let figure = work(self)?;
        let nanos = self.ticker.nanos(start, self.ticker.now());
        let others = Usage::now().by_others_since(usage);
        let line = self.cpus.line_nanos(&self.ticker)?;
        Ok(Sample { figure, nanos, line, disturbed: self.crowded_out(others, nanos) })
    }

    /// Whether other processes took more than their share of this time.
    fn crowded_out(&self, others: f64, nanos: u64) -> bool {
        let share = others * 1e9 / (nanos as f64 * self.cpus.len() as f64);
        share > OTHERS_ALLOWED && others >= OTHERS_SECONDS
    }

    /// Runs all threads, released together; fails when one panics or does not come back.
    fn race(&self, threads: Vec<Role>) -> Result<Vec<End>, String> {
        let barrier = Arc::new(Barrier::new(threads.len()));
        let producers = threads.iter().filter(|role| role.place.is_producer()).count();
        let (finished, ends) = mpsc::channel();
        let mut handles = Vec::new();
        for Role { place, warm_up, work } in threads {
            let (barrier, finished) = (barrier.clone(), finished.clone());
            let (cpus, ticker) = (self.cpus.clone(), self.ticker.clone());
            handles.push(std::thread::spawn(move || {
                let pinned = cpus.pin(place, producers);
                let warm = warm_up.is_none_or(|warm_up| catch_unwind(AssertUnwindSafe(warm_up)).is_ok());
                barrier.wait();
                let before = RunDelay::now();
                let start = place.is_producer().then(|| ticker.now());
                let warm = if warm { Ok(()) } else { Err("a thread panicked before the sample".to_owned()) };
                let outcome = pinned.and(warm).and_then(|()| {
                    let done =
                        catch_unwind(AssertUnwindSafe(work)).map_err(|_| "a thread panicked".to_owned())?;
                    Ok(End { start, delay: RunDelay::now().since(before, WAKING_NANOS), done })
                });
                // Nobody listens once another thread has failed the sample.
                finished.send(outcome).ok();
            }));
        }
        let stuck = STUCK.max(self.plan.sample * STUCK_TIMES);
        let told = |_| format!("stuck: not all threads ended in {stuck:?}; a message or a wake-up was lost");
        let ends: Result<Vec<_>, String> =
            (0..handles.len()).map(|_| ends.recv_timeout(stuck).map_err(told)?).collect();
        // After a failure the others may wait for ever; the process is about to end and takes them with it.
        if ends.is_ok() {
            for handle in handles {
                handle.join().map_err(|_| "a thread panicked on its way out")?;
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ticker;
    use crate::machine::Cpus;
    use crate::measure::Plan;
    use crate::payload::{Read, Tally};
    use crate::peer::bare;
    use crate::roles::{Roles, Source};
    use std::rc::Rc;

    const SHAPE: Shape = Shape { producers: 1, receivers: 1, capacity: 64, batch: 1, read: Read::Every };

    fn sample(set_up: impl Fn(&Load) -> Roles + 'static) -> Result<Sample, String> {
        let short = Duration::from_millis(1);
        let plan = Plan { repeats: 1, sample: short, limit: short, quick: true };
        let bench = Bench { cpus: Cpus::find().unwrap(), ticker: Ticker::new(), plan, harness: None };
        bench.sample(Unit::Rate, &SHAPE, &SetUp(Rc::new(set_up)), 10_000)
    }

    #[test]
    fn a_sample_of_the_bare_ring_adds_up() {
        let sample = sample(bare::one_by_one::<u64>).unwrap();
        assert!(sample.figure > 0.0 && sample.nanos > 0);
    }

    /// Claims to have read as many as it says, with this sum.
    struct Liar(Tally);

    impl Source for Liar {
        fn turn(&mut self) -> u64 {
            1
        }

        fn tallies(self) -> Vec<Tally> {
            vec![self.0]
        }
    }

    #[test]
    fn a_wrong_sum_fails_the_run() {
        let zeros = |load: &Load| {
            let tally = Tally { count: 10_000, sum: 0 };
            Roles::of::<u64>(load).publisher(|| ()).consumer(load, 1, Liar(tally))
        };
        let fault = sample(zeros).unwrap_err();
        assert!(fault.contains("should have read"), "{fault}");
    }

    #[test]
    fn a_lost_message_fails_the_run() {
        let lost = |load: &Load| {
            let mut tally = load.expected::<u64>();
            tally.count -= 1;
            Roles::of::<u64>(load).publisher(|| ()).consumer(load, 1, Liar(tally))
        };
        assert!(sample(lost).unwrap_err().contains("messages were lost"));
    }

    #[test]
    fn a_receiver_that_is_missing_fails_the_run() {
        let nobody = |load: &Load| {
            let ended = Some(load.ticker.now());
            let reader = move || Done { ended, ..Done::default() };
            Roles::of::<u64>(load).publisher(|| ()).reader(Place::Consumer(0), reader)
        };
        assert!(sample(nobody).unwrap_err().contains("receivers reported"));
    }

    #[test]
    fn a_panic_before_the_sample_fails_the_run() {
        let panics = |load: &Load| bare::one_by_one::<u64>(load).after(|| panic!("on purpose"));
        assert!(sample(panics).unwrap_err().contains("before the sample"));
    }

    #[test]
    fn a_panic_fails_the_run() {
        let panics = |load: &Load| {
            Roles::of::<u64>(load).publisher(|| panic!("on purpose")).consumer(
                load,
                1,
                Liar(load.expected::<u64>()),
            )
        };
        assert!(sample(panics).unwrap_err().contains("panicked"));
    }
}
