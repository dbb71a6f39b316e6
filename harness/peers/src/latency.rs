//! Latency, two ways: a paced stream of 100,000 messages a second, and one message passed to and fro.
//!
//! Paced means open loop: message `n` is due `n` periods after the first, and its latency counts from when it
//! was due, not from when the publisher got round to it. The publisher spins until then; it has a CPU to
//! itself. Readers wait in whatever way their contender does by default.

use std::sync::{Arc, OnceLock};

use hdrhistogram::Histogram;

use crate::clock::Ticker;
use crate::payload::Tally;
use crate::roles::{Done, Load, Place, Roles};

/// Messages a second in a paced stream.
pub(crate) const PACED_RATE: u64 = 100_000;
const LONGEST_NANOS: u64 = 60_000_000_000;

/// When each message is due. Known to the publisher and, once the first message is out, to the meter.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    start: Arc<OnceLock<u64>>,
    period: f64,
    messages: u64,
    ticker: Ticker,
}

impl Pace {
    pub(crate) fn new(load: &Load) -> Self {
        let period = load.ticker.ticks(1_000_000_000 / PACED_RATE);
        Self { start: Arc::default(), period, messages: load.messages, ticker: load.ticker.clone() }
    }

    /// Calls `send` for each message when it is due, or at once when that has passed.
    pub(crate) fn run(&self, mut send: impl FnMut(u64)) {
        let start = *self.start.get_or_init(|| self.ticker.now());
        for seq in 0..self.messages {
            let due = self.due(start, seq);
            while self.ticker.now() < due {
                std::hint::spin_loop();
            }
            send(seq);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run lasts seconds, not centuries"
    )]
    fn due(&self, start: u64, seq: u64) -> u64 {
        start + (seq as f64 * self.period) as u64
    }
}

/// The reader's side of a paced stream: takes the time of each arrival.
#[derive(Debug)]
pub(crate) struct Meter {
    pace: Pace,
    tally: Tally,
    latencies: Histogram<u64>,
    ended: u64,
}

impl Meter {
    pub(crate) fn new(pace: &Pace) -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST_NANOS, 3).expect("constant bounds are valid");
        Self { pace: pace.clone(), tally: Tally::default(), latencies, ended: 0 }
    }

    /// Message `seq` is here.
    #[inline]
    pub(crate) fn arrived(&mut self, seq: u64) {
        self.ended = self.pace.ticker.now();
        // The publisher set the start before it sent anything.
        let start = self.pace.start.get().copied().unwrap_or(self.ended);
        self.latencies.saturating_record(self.pace.ticker.nanos(self.pace.due(start, seq), self.ended));
        self.tally.add(seq);
    }

    /// Whether messages are still to come.
    #[inline]
    pub(crate) fn listening(&self) -> bool {
        self.tally.count < self.pace.messages
    }

    pub(crate) fn done(self) -> Done {
        Done { ended: Some(self.ended), tallies: vec![self.tally], latencies: Some(self.latencies) }
    }
}

/// One end of a pair of one-way connections.
pub(crate) trait Port: Send + 'static {
    fn send(&mut self, value: u64);
    fn receive(&mut self) -> u64;
}

/// `near` sends and awaits the echo of each message; `far` echoes.
pub(crate) fn ping_pong(load: &Load, mut near: impl Port, mut far: impl Port) -> Roles {
    let (messages, ticker) = (load.messages, load.ticker.clone());
    Roles::of::<u64>(load)
        .publisher(move || {
            for seq in 0..messages {
                near.send(seq);
                let echo = near.receive();
                assert_eq!(echo, seq, "the echo of message {seq} is another message");
            }
        })
        .reader(Place::Consumer(0), move || {
            let mut tally = Tally::default();
            for _ in 0..messages {
                let value = far.receive();
                far.send(value);
                tally.add(value);
            }
            Done { ended: Some(ticker.now()), tallies: vec![tally], latencies: None }
        })
}
