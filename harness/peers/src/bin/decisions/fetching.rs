//! Does a producer gain by asking for cache lines before it writes them?
//!
//! The lines of a ring's slots were last with the readers, so that the first store to each waits for another core. Here
//! the ring itself publishes, since how far ahead it asks is one of its settings (`Builder::fetch_ahead`): values of 8
//! and of 64 bytes from one producer, and words from two with one value after the other. With nothing asked for ahead,
//! the line is asked for as it is written, which is no help.

use ringmain_ring::{Builder, Ring, WaitStrategy};

use crate::lab::{Case, Outcome};
use crate::threads::{Job, race};

const SLOTS: usize = 1_024;
const AT_ONCE: usize = 64;
const AHEAD: [usize; 5] = [0, 128, 256, 512, 1_024];

/// A value that carries a number.
trait Value: Send + Sync + 'static {
    fn of(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl Value for u64 {
    fn of(number: u64) -> Self {
        number
    }

    fn number(&self) -> u64 {
        *self
    }
}

impl Value for [u64; 8] {
    fn of(number: u64) -> Self {
        [number; 8]
    }

    fn number(&self) -> u64 {
        self[7]
    }
}

fn builder(ahead: usize) -> Builder {
    Builder::new(SLOTS).wait(WaitStrategy::Spin).fetch_ahead(ahead)
}

/// One producer of a ring for one.
fn alone<V: Value>(ahead: usize, messages: u64) -> Outcome {
    let (mut producer, ring) = builder(ahead).single(|| V::of(0)).expect("a power of two");
    let mut cursor = ring.cursor();
    let write: Job = Box::new(move || {
        (0..messages).for_each(|number| assert!(producer.publish(V::of(number)).is_ok(), "it is open"));
        0
    });
    let read: Job =
        Box::new(move || read(messages, |sum| cursor.poll(AT_ONCE, |_, value| *sum += value.number())));
    outcome(messages, vec![(0, write), (1, read)])
}

/// Two producers of a ring for any number, one on the reader's CPU.
fn two(ahead: usize, messages: u64) -> Outcome {
    let messages = messages.next_multiple_of(2);
    let ring: Ring<u64> = builder(ahead).multi(|| 0).expect("a power of two");
    let mut cursor = ring.cursor();
    let mut jobs: Vec<(usize, Job)> = Vec::new();
    for first in 0..2 {
        let ring = ring.clone();
        let numbers = (first..messages).step_by(2);
        jobs.push((
            first as usize,
            Box::new(move || {
                numbers.for_each(|number| assert!(ring.publish(number).is_ok(), "it is open"));
                0
            }),
        ));
    }
    jobs.push((1, Box::new(move || read(messages, |sum| cursor.poll(AT_ONCE, |_, value| *sum += value)))));
    outcome(messages, jobs)
}

/// Polls until everything is read; the sum of it.
fn read(messages: u64, mut poll: impl FnMut(&mut u64) -> usize) -> u64 {
    let (mut sum, mut seen, mut vain) = (0, 0, 0u32);
    while seen < messages {
        match poll(&mut sum) {
            0 => {
                vain += 1;
                if vain.is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
            count => seen += count as u64,
        }
    }
    sum
}

fn outcome(messages: u64, jobs: Vec<(usize, Job<'_>)>) -> Outcome {
    let (seconds, sums) = race(jobs);
    assert_eq!(sums.last(), Some(&(messages * (messages - 1) / 2)), "nothing is lost or doubled");
    Outcome::rate(messages, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    type Body = fn(usize, u64) -> Outcome;
    let settings: [(&str, Body); 3] =
        [("8 bytes", alone::<u64>), ("64 bytes", alone::<[u64; 8]>), ("8 bytes, 2 producers", two)];
    let case = |(setting, body): (&'static str, Body), ahead: usize| {
        Case::new(setting, format!("{ahead} bytes ahead"), move |messages| body(ahead, messages))
    };
    settings.into_iter().flat_map(|setting| AHEAD.map(|ahead| case(setting, ahead))).collect()
}
