//! Running a test under thousands of random schedules, and its twins.
//!
//! Half of them are drawn step by step (*random*), half by priorities that change at a few steps (*PCT*, which finds any
//! bug that needs few such changes with a known probability). Both from a seed, so that two runs are alike;
//! `RINGMAIN_SEED` gives other ones, and `RINGMAIN_SCHEDULES` says how many of either kind. What fails prints a schedule,
//! which `shuttle::replay` takes.
//!
//! Memory is sequentially consistent here: what an ordering or a fence is for, the loom models show. Cells are watched
//! (`sync::UnsafeCell`): two uses of a slot that overlap, one of them a write, are a panic.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test programs, each of which uses some of it"
)]

#[path = "../models/twin.rs"]
mod twin;

use ringmain_ring::{Builder, Ring, WaitStrategy};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

/// How many times priorities change in a schedule of the second kind.
const CHANGES: usize = 4;

/// Declares a test that runs under many schedules, and that each of the broken variants fails.
#[macro_export]
macro_rules! schedules {
    ($(#[$doc:meta])* $name:ident, $count:literal of each, broken by [$($twin:literal),* $(,)?], $body:block) => {
        $(#[$doc])*
        #[test]
        fn $name() {
            schedules::check(stringify!($name), $count, &[$($twin),*], || $body);
        }
    };
}

/// Runs `test` under `count` schedules of either kind, or in a twin's process runs it broken, for a few times as long.
pub fn check(name: &str, count: usize, broken_by: &[&str], test: fn()) {
    let setting = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let (count, seed) =
        (setting("RINGMAIN_SCHEDULES").unwrap_or(count), setting("RINGMAIN_SEED").unwrap_or(1));
    if twin::broken().is_some() {
        run(test, count * 4, seed as u64);
        return;
    }
    let schedules = run(test, count, seed as u64);
    twin::say(&format!("schedules {name}: {schedules} ran"));
    assert_eq!(schedules, 2 * count, "some were left out");
    twin::run(name, broken_by);
}

fn run(test: fn(), count: usize, seed: u64) -> usize {
    // These first, for they are the quicker to find most of what is broken.
    let by_priorities = run_by(PctScheduler::new_from_seed(seed, CHANGES, count), test);
    by_priorities + run_by(RandomScheduler::new_from_seed(seed, count), test)
}

fn run_by(scheduler: impl Scheduler + 'static, test: fn()) -> usize {
    let mut config = Config::new();
    config.silence_warnings = true; // that orderings are not modelled is known
    config.stack_size = 1 << 18;
    // Going round in circles is a failure too.
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.max_time = None;
    Runner::new(scheduler, config).run(test)
}

/// A ring of `u64`s for any number of producers, whose waiters park.
pub fn parking(capacity: usize) -> Ring<u64> {
    Builder::new(capacity).wait(WaitStrategy::Park).multi(|| 0).expect("a power of two")
}

/// What to do next: one of so many things, by the schedule.
pub fn choose(things: u64) -> u64 {
    use shuttle::rand::Rng;
    shuttle::rand::thread_rng().gen_range(0..things)
}
