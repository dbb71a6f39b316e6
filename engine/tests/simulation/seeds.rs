//! Many seeds, on as many threads as there are CPUs; each run is on one.

use crate::run::{fault, history, told};
use crate::shrink::shrink;
use ringmain_ring::now;
use ringmain_ring::sync::{Mutex, lock};
use std::thread;

/// A number from the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// The first of these seeds that fails, about, and how.
pub(crate) fn first_to_fail(
    seeds: impl IntoIterator<Item = u64, IntoIter: Send>,
) -> (u64, Option<(u64, String)>) {
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    let state = Mutex::new((seeds.into_iter(), 0, None));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = {
                        let mut state = lock(&state);
                        let (seeds, count, None) = &mut *state else { return };
                        let Some(seed) = seeds.next() else { return };
                        *count += 1;
                        seed
                    };
                    if let Some(fault) = fault(&history(seed).0) {
                        let mut state = lock(&state);
                        let failed = state.2.take().filter(|(other, _)| *other < seed);
                        state.2 = failed.or(Some((seed, fault)));
                    }
                }
            });
        }
    });
    let (_, count, failed) = state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    (count, failed)
}

/// Runs all; the first that fails is made smaller, told, and fails the test.
#[cfg(not(ringmain_twins))]
pub(crate) fn all(seeds: impl IntoIterator<Item = u64, IntoIter: Send>) {
    let begun = now();
    let (count, failed) = first_to_fail(seeds);
    println!("simulation: {count} seeds in {:.1} s", now().duration_since(begun).as_secs_f64());
    let Some((seed, fault)) = failed else { return };
    let (history, faults) = history(seed);
    let operations = history.ops.len();
    let (smallest, how) = shrink(&history, &fault);
    let (_, story) = told(&smallest);
    println!("topics {:?}", smallest.topics);
    smallest.subscriptions.iter().for_each(|subscription| println!("subscription {subscription:?}"));
    println!("{story}\n");
    panic!(
        "seed {seed} failed, under {faults:?}: {how}\n\
         Above, {} of its {operations} operations, which fail alike. All of it: .ci/simulation --seed {seed}",
        smallest.ops.len()
    );
}

/// Runs one, and tells all that happens.
#[cfg(not(ringmain_twins))]
pub(crate) fn replay(seed: u64) {
    let (history, faults) = history(seed);
    println!("seed {seed}, under {faults:?}");
    println!("topics {:?}", history.topics);
    history.subscriptions.iter().for_each(|subscription| println!("subscription {subscription:?}"));
    let (fault, story) = told(&history);
    println!("{story}\n");
    match fault {
        None => println!("seed {seed}: nothing that may not be"),
        Some(fault) => panic!("seed {seed}: {fault}"),
    }
}
