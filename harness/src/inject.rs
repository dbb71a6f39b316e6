//! Faults on purpose: does the harness notice?
//!
//! A load tool that never complains is not to be believed, so its tests make it lie: stall, lose a message, repeat or
//! swap one, publish too slowly, or count too much, by the hidden option `--inject`. Each of these must fail the run or
//! show in its figures, and the result says what was injected, so that none is taken for a measurement.

use std::time::Duration;

use crate::cli::units;
use crate::clock::{self, Clock, TscClock};
use crate::num;

/// A fault, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Inject {
    /// Publishers stop once, after a thousand messages of each sample, for so long.
    Stall(Duration),
    /// Publishers take at least so long for each message.
    SlowPublisher(Duration),
    /// Consumers do not enter their so-many-th delivery.
    Drop(u64),
    /// They enter it twice.
    Repeat(u64),
    /// They enter it after the next one.
    Reorder(u64),
    /// Every message counts as so many.
    Inflate(u64),
}

/// `stall=100ms`, `slow-publisher=10ms`, `drop=N`, `repeat=N`, `reorder=N` or `inflate=N`.
pub(crate) fn parse(text: &str) -> Result<Inject, String> {
    let wrong = || {
        format!(
            "'{text}' is not a fault; write stall=TIME, slow-publisher=TIME, drop=N, repeat=N, reorder=N or inflate=N"
        )
    };
    let (name, amount) = text.split_once('=').ok_or_else(wrong)?;
    let number = || amount.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(wrong);
    let time = || units::duration(amount).map_err(|_| wrong());
    Ok(match name {
        "stall" => Inject::Stall(time()?),
        "slow-publisher" => Inject::SlowPublisher(time()?),
        "drop" => Inject::Drop(number()?),
        "repeat" => Inject::Repeat(number()?),
        "reorder" => Inject::Reorder(number()?),
        "inflate" => Inject::Inflate(number()?),
        _ => return Err(wrong()),
    })
}

impl std::fmt::Display for Inject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stall(time) => write!(f, "stall={time:?}"),
            Self::SlowPublisher(time) => write!(f, "slow-publisher={time:?}"),
            Self::Drop(n) => write!(f, "drop={n}"),
            Self::Repeat(n) => write!(f, "repeat={n}"),
            Self::Reorder(n) => write!(f, "reorder={n}"),
            Self::Inflate(n) => write!(f, "inflate={n}"),
        }
    }
}

impl Inject {
    /// How many messages each counts as.
    pub(crate) fn factor(inject: Option<Self>) -> f64 {
        match inject {
            Some(Self::Inflate(factor)) => num::float(factor),
            _ => 1.0,
        }
    }
}

/// What a publisher thread is held up by.
#[derive(Debug)]
pub(crate) struct Brake {
    inject: Inject,
    clock: TscClock,
    sent: u64,
}

impl Brake {
    /// A brake, if the fault is one.
    pub(crate) fn new(inject: Option<Inject>) -> Option<Self> {
        inject
            .filter(|inject| matches!(inject, Inject::Stall(_) | Inject::SlowPublisher(_)))
            .map(|inject| Self { inject, clock: TscClock::new(), sent: 0 })
    }

    /// Holds up a publisher that is about to send `count` messages.
    pub(crate) fn hold(&mut self, count: u64) {
        /// Messages before a stall.
        const BEFORE: u64 = 1_000;
        let before = self.sent;
        self.sent += count;
        match self.inject {
            Inject::Stall(time) if before < BEFORE && self.sent >= BEFORE => clock::sleep(time),
            Inject::SlowPublisher(time) => {
                let end = self.clock.now() + num::nanos(time) * count;
                while self.clock.now() < end {}
            }
            _ => {}
        }
    }
}

/// What stands between the engine and a consumer's books.
#[derive(Debug)]
pub(crate) struct Meddler {
    inject: Inject,
    passed: u64,
    /// Held back until the next delivery of the same cursor.
    kept: Option<(usize, Vec<u8>, Option<String>)>,
}

impl Meddler {
    /// A meddler, if the fault is one.
    pub(crate) fn new(inject: Option<Inject>) -> Option<Self> {
        inject
            .filter(|inject| matches!(inject, Inject::Drop(_) | Inject::Repeat(_) | Inject::Reorder(_)))
            .map(|inject| Self { inject, passed: 0, kept: None })
    }

    /// Passes a delivery on by `enter`, or does not, or twice, or later.
    pub(crate) fn pass(
        &mut self,
        cursor: usize,
        payload: &[u8],
        key: Option<&str>,
        mut enter: impl FnMut(usize, &[u8], Option<&str>),
    ) {
        self.passed += 1;
        match self.inject {
            Inject::Drop(n) if n == self.passed => return,
            Inject::Repeat(n) if n == self.passed => enter(cursor, payload, key),
            Inject::Reorder(n) if n == self.passed => {
                self.kept = Some((cursor, payload.to_vec(), key.map(str::to_owned)));
                return;
            }
            _ => {}
        }
        enter(cursor, payload, key);
        if let Some((cursor, payload, key)) = self.kept.take_if(|(kept, ..)| *kept == cursor) {
            enter(cursor, &payload, key.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_read_back_as_they_are_written() {
        for text in ["stall=100ms", "slow-publisher=10ms", "drop=5", "repeat=1", "reorder=7", "inflate=1000"]
        {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "drop", "drop=0", "stall=never", "lie=1"] {
            assert!(parse(wrong).unwrap_err().contains("stall=TIME"), "{wrong}");
        }
    }

    #[test]
    fn a_meddler_drops_repeats_and_swaps_the_one_that_it_is_told() {
        let passed = |inject: &str| {
            let mut meddler = Meddler::new(parse(inject).ok()).unwrap();
            let mut entered = Vec::new();
            for payload in [b"a", b"b", b"c"] {
                meddler.pass(0, payload, None, |_, payload, _| entered.push(payload[0]));
            }
            String::from_utf8(entered).unwrap()
        };
        assert_eq!([passed("drop=2"), passed("repeat=2"), passed("reorder=2")], ["ac", "abbc", "acb"]);
        assert!(Meddler::new(parse("stall=1s").ok()).is_none() && Brake::new(parse("drop=1").ok()).is_none());
    }
}
