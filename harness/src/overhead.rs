//! What the harness itself costs per message.
//!
//! At ten million messages a second a clock read is a fifth of the budget, so the harness measures its own work
//! with the engine left out: pacing a message that is due, writing its payload, checking it on arrival and
//! recording its latency. The result carries these figures; they are part of every rate it reports, and nothing is
//! subtracted.

use serde::Serialize;
use std::hint::black_box;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::inbox::{Book, Content, Inbox};
use crate::keys::Keying;
use crate::num;
use crate::pacer::{Pacer, Schedule};
use crate::payload::{Header, Read};
use crate::publish::{self, PacedLane, Sink};

const REPEATS: usize = 7;
/// Messages per repeat: long enough for the clock, short enough not to be noticed.
const MESSAGES: u64 = 20_000;
/// Deliveries per turn in the consumer's part.
const TURN: u64 = 64;

/// The `harness` object of a result: nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overhead {
    /// One reading of the clock.
    pub(crate) clock_read_ns: f64,
    /// Deciding that a message is due and what time it carries.
    pub(crate) pacing_ns_per_message: f64,
    /// Writing the payload: the load's own work, which an application would do too. Absent for lines of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) write_ns_per_message: Option<f64>,
    /// Checking a delivery, entering it in the ledger and recording its latency.
    pub(crate) consumer_ns_per_message: f64,
}

impl Overhead {
    /// Measures it, in a few milliseconds, on the calling thread.
    pub(crate) fn measure(clock: &impl Clock, content: &Content, read: Read) -> Self {
        Self {
            clock_read_ns: per_unit(clock, MESSAGES, |clock| {
                for _ in 0..MESSAGES {
                    black_box(clock.now());
                }
            }),
            pacing_ns_per_message: per_unit(clock, MESSAGES, |clock| {
                let pacer = Pacer::new(Schedule::new(0, 1e9), MESSAGES);
                let mut lanes = [PacedLane { publisher: 0, base: 0, pacer }];
                let paced = publish::paced(clock, &mut lanes, u64::MAX, false, &mut Nowhere);
                black_box(paced.is_ok());
            }),
            write_ns_per_message: write(clock, content),
            consumer_ns_per_message: consumer(clock, content, read),
        }
    }
}

/// A sink that only looks at the times.
struct Nowhere;

impl Sink for Nowhere {
    fn send(
        &mut self,
        _publisher: usize,
        first: u64,
        count: u64,
        time: impl Fn(u64) -> u64,
    ) -> Result<(), Fault> {
        for i in 0..count {
            black_box((first + i, time(i)));
        }
        Ok(())
    }
}

fn write(clock: &impl Clock, content: &Content) -> Option<f64> {
    let Content::Generated(patterns) = content else { return None };
    let messages = messages_of(patterns.longest());
    let mut buffer = vec![0; patterns.longest()];
    Some(per_unit(clock, messages, |_| {
        for sequence in 0..messages {
            let pattern = patterns.of(sequence);
            pattern.fill(
                black_box(&mut buffer[..pattern.length()]),
                Header { publisher: 0, sequence, time: sequence },
            );
        }
    }))
}

fn consumer(clock: &impl Clock, content: &Content, read: Read) -> f64 {
    let payloads: Vec<Vec<u8>> = match content {
        Content::Generated(patterns) => (0..TURN)
            .map(|sequence| {
                let pattern = patterns.of(sequence);
                let mut buffer = vec![0; pattern.length()];
                pattern.fill(&mut buffer, Header { publisher: 0, sequence, time: clock.now() });
                buffer
            })
            .collect(),
        Content::Lines { lines, .. } => (0..TURN).map(|n| lines.payload(n).to_vec()).collect(),
    };
    let mut inbox = Inbox::new(Vec::new(), content.clone(), read);
    let turns = messages_of(payloads[0].len()).div_ceil(TURN);
    per_unit(clock, turns * TURN, |clock| {
        for _ in 0..turns {
            inbox.books = vec![Book::new(0, true, &[0], &Keying::Unkeyed)];
            for payload in &payloads {
                inbox.take(0, black_box(payload), || None);
            }
            inbox.settle(clock.now());
        }
    })
}

/// Fewer messages when each takes long: at most 64 MiB per repeat.
fn messages_of(length: usize) -> u64 {
    ((64 << 20) / num::count(length.max(1))).clamp(16, MESSAGES)
}

/// The median time of `work` over `units`, in nanoseconds.
fn per_unit<C: Clock>(clock: &C, units: u64, mut work: impl FnMut(&C)) -> f64 {
    let times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let begin = clock.now();
            work(clock);
            num::float(clock.now() - begin) / num::float(units)
        })
        .collect();
    let median = num::median(&times).unwrap_or_default();
    (median * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TscClock;
    use crate::mix::Patterns;
    use std::sync::Arc;

    #[test]
    fn every_part_costs_something() {
        let content = Content::Generated(Arc::new(Patterns::single(1_024)));
        let overhead = Overhead::measure(&TscClock::new(), &content, Read::Ends);
        assert!(overhead.clock_read_ns > 0.0, "{overhead:?}");
        assert!(overhead.write_ns_per_message.unwrap() > 0.0, "{overhead:?}");
        assert!(overhead.consumer_ns_per_message > 0.0, "{overhead:?}");
    }
}
