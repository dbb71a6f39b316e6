//! What does a store cost to a line that the reader's core has a copy of?
//!
//! Messages of a line each, in batches of 64, on a ring that both cores' second caches hold. Every word is stored once,
//! in an order that is the question, as is whether the reader, having read a batch, stores a word of each line again as it
//! is. Then the line is the reader's alone, where it was shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};

use crossbeam_utils::CachePadded;

use crate::lab::{Case, Outcome};
use crate::threads::{Job, race};

const LINES: u64 = 4_096;
const BATCH: u64 = 64;

#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; 8]);

struct Ring {
    lines: Vec<Line>,
    /// Messages below this number are written.
    written: CachePadded<AtomicU64>,
    /// Messages below this number are read.
    read: CachePadded<AtomicU64>,
}

impl Ring {
    fn line(&self, number: u64) -> &[AtomicU64; 8] {
        &self.lines[(number % LINES) as usize].0
    }
}

/// Writes `messages`, each number into the words of its line in this order.
fn write(ring: &Ring, messages: u64, order: &[usize]) {
    for first in (0..messages).step_by(BATCH as usize) {
        while first + BATCH - ring.read.load(Acquire) > LINES {
            std::hint::spin_loop();
        }
        for number in first..first + BATCH {
            let line = ring.line(number);
            order.iter().for_each(|word| line[*word].store(number, Relaxed));
        }
        ring.written.store(first + BATCH, Release);
    }
}

/// Reads them; the sum of the words.
fn read(ring: &Ring, messages: u64, takes_over: bool) -> u64 {
    let (mut next, mut sum) = (0, 0);
    while next < messages {
        let end = ring.written.load(Acquire);
        if next == end {
            std::hint::spin_loop();
            continue;
        }
        for number in next..end {
            sum += ring.line(number).iter().map(|word| word.load(Relaxed)).max().unwrap_or(0);
        }
        if takes_over {
            for number in next..end {
                let word = &ring.line(number)[0];
                word.store(word.load(Relaxed), Relaxed);
            }
        }
        next = end;
        ring.read.store(next, Release);
    }
    sum
}

fn pass(order: &'static [usize], takes_over: bool, messages: u64) -> Outcome {
    let messages = messages.next_multiple_of(BATCH);
    let lines = (0..LINES).map(|_| Line::default()).collect();
    let ring = Arc::new(Ring { lines, written: CachePadded::default(), read: CachePadded::default() });
    let writer: Job = Box::new(|| {
        write(&ring, messages, order);
        0
    });
    let reader: Job = Box::new(|| read(&ring, messages, takes_over));
    let (seconds, sums) = race(vec![(0, writer), (1, reader)]);
    assert_eq!(sums[1], messages * (messages - 1) / 2, "nothing is lost or doubled");
    Outcome::rate(messages, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    let orders: [(&str, &[usize]); 4] = [
        ("one word", &[0]),
        ("all words in their order", &[0, 1, 2, 3, 4, 5, 6, 7]),
        ("all words, backwards", &[7, 6, 5, 4, 3, 2, 1, 0]),
        ("all words, here and there", &[5, 6, 3, 4, 1, 2, 7, 0]),
    ];
    let case = |(setting, order): (&'static str, &'static [usize]), (name, takes): (&str, bool)| {
        Case::new(setting, name, move |messages| pass(order, takes, messages))
    };
    let ways = [("reader leaves lines shared", false), ("reader takes them over", true)];
    orders.into_iter().flat_map(|order| ways.map(|way| case(order, way))).collect()
}
