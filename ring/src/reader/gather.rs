//! Adaptive gathering: a reader that is close behind a busy writer lets it get ahead.
//!
//! A reader on the writer's heels takes each cache line while it is being written, and both pay for the fight. Pausing
//! for a moment (about [`PAUSE`]) when fewer than [`NEAR`] messages are ready lets the writer work undisturbed; but it
//! is nothing but delay when the writer was not hindered. Which of the two it is cannot be told from a batch's size; it
//! shows in the rate. So the reader tries it: it takes the rate of a stretch without pauses, then of a stretch with
//! pauses, and goes on pausing only if that was faster by [`GAIN`]. If not, the next try comes twice as late. A writer
//! that keeps its own pace, however fast, is thus left alone but for eight looks in a thousand, one that waits for an
//! answer but for one, and an idle ring never pauses anybody. (Measured: docs/decisions/0010.)
//!
//! A stretch in which the reader gave its CPU to other threads has no rate, since that is mostly how long they kept it. So
//! where threads have to take turns, nobody pauses, which would keep the writer from running.

use crate::sync;
use crate::wait::{now, times_given_way, times_spun_long};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A batch of this size or more is worth reading at once.
const NEAR: u64 = 64;
/// How long to let the writer get ahead.
const PAUSE: Duration = Duration::from_nanos(2_500);
/// By what factor pausing must raise the rate.
const GAIN: f64 = 1.2;
/// Looks of a stretch whose rate is taken: without pauses, and with.
const FREE: u32 = 64;
const TRIAL: u32 = 8;
/// Pauses before the question is asked again.
const GATHER: u32 = 1_024;
/// Looks without a pause after a trial in vain: at first, and at most. Not longer: a reader that rests while the writer
/// is hindered lets it fall behind by all that time.
const REST: u32 = 1 << 9;
const LONGEST_REST: u32 = 1 << 10;
/// Looks in vain, one after another, that make a ring idle.
const IDLE: u32 = 16;
/// And that make it one on which little is published: a microsecond, or a few.
const LONG_IDLE: u32 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not pausing, not counting.
    Resting,
    /// Not pausing, and taking the rate.
    Free,
    /// Pausing, and taking the rate.
    Trial,
    /// Pausing.
    Gathering,
}

/// A reader's memory of whether pausing pays.
#[derive(Debug)]
pub(crate) struct Gather {
    phase: Phase,
    /// Looks, or pauses, until the phase ends.
    left: u32,
    next_rest: u32,
    /// Looks in vain since something was found.
    vain: u32,
    /// Whether what was found last had been waited for for long.
    waited_long: bool,
    /// How often the thread had spun for long by then.
    spun_long: u32,
    /// When the stretch began, and at which message.
    began: Option<(Instant, u64)>,
    /// How often the thread had given way by then.
    given_way: u32,
    /// Messages a second without pauses.
    free_rate: f64,
}

impl Default for Gather {
    fn default() -> Self {
        Self {
            phase: Phase::Free,
            left: FREE,
            next_rest: REST,
            vain: IDLE,
            waited_long: false,
            spun_long: 0,
            began: None,
            given_way: 0,
            free_rate: 0.0,
        }
    }
}

impl Gather {
    /// Given that `ready` messages were found before the one numbered `end`, maybe pauses and calls `look` again, which
    /// says how many are ready then and up to where.
    #[inline]
    pub(crate) fn after(&mut self, ready: u64, end: u64, look: impl FnOnce() -> (u64, u64)) -> u64 {
        if ready == 0 {
            self.vain = self.vain.saturating_add(1);
            return 0;
        }
        let idle = self.vain >= IDLE;
        let spun_long = times_spun_long();
        self.waited_long = self.vain >= LONG_IDLE || spun_long != self.spun_long;
        (self.spun_long, self.vain) = (spun_long, 0);
        if cfg!(miri) || sync::MODELLED {
            return ready;
        }
        if idle {
            self.began = None; // a stretch with a gap in it has no rate
            return ready;
        }
        match self.phase {
            Phase::Resting | Phase::Free if self.left > 0 => {
                self.left -= 1;
                if self.phase == Phase::Free && self.began.is_none() {
                    self.begin(end, FREE);
                }
                ready
            }
            Phase::Trial | Phase::Gathering if ready >= NEAR && self.left > 0 => ready,
            _ => self.turn(ready, end, look),
        }
    }

    /// Whether what was found last had been waited for for long.
    #[inline]
    pub(super) fn waited_long(&self) -> bool {
        self.waited_long
    }

    #[cold]
    fn begin(&mut self, end: u64, looks: u32) {
        self.began = Some((now(), end));
        self.given_way = times_given_way();
        self.left = looks;
    }

    /// Whether the thread has given way since the last stretch began whose rate was taken.
    fn gave_way(&self) -> bool {
        self.given_way != times_given_way()
    }

    /// The rate since the stretch began, if it had no gap.
    fn rate(&mut self, end: u64) -> Option<f64> {
        let (began, first) = self.began.take()?;
        if self.gave_way() {
            return None;
        }
        let seconds = now().duration_since(began).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate, of far fewer than 2^52 messages")]
        let messages = end.wrapping_sub(first) as f64;
        (seconds > 0.0).then_some(messages / seconds)
    }

    #[cold]
    fn turn(&mut self, ready: u64, end: u64, look: impl FnOnce() -> (u64, u64)) -> u64 {
        let pausing = matches!(self.phase, Phase::Trial | Phase::Gathering);
        if pausing && self.gave_way() {
            self.rest();
            return ready;
        }
        match self.phase {
            Phase::Resting => self.enter(Phase::Free, FREE),
            Phase::Free => match self.rate(end) {
                Some(rate) => {
                    self.free_rate = rate;
                    self.phase = Phase::Trial;
                    self.begin(end, TRIAL);
                    return self.pause(ready, look);
                }
                None => self.enter(Phase::Free, FREE),
            },
            Phase::Trial | Phase::Gathering if self.left > 0 => return self.pause(ready, look),
            Phase::Trial => {
                let faster = self.rate(end).is_some_and(|rate| rate > self.free_rate * GAIN);
                if faster {
                    self.next_rest = REST;
                    self.enter(Phase::Gathering, GATHER);
                    return self.pause(ready, look);
                }
                self.rest();
            }
            Phase::Gathering => self.enter(Phase::Free, FREE),
        }
        ready
    }

    fn enter(&mut self, phase: Phase, left: u32) {
        (self.phase, self.left, self.began) = (phase, left, None);
    }

    /// The trial was in vain.
    fn rest(&mut self) {
        let rest = self.next_rest;
        self.next_rest = (rest * 2).min(LONGEST_REST);
        self.enter(Phase::Resting, rest);
    }

    #[inline]
    fn pause(&mut self, ready: u64, look: impl FnOnce() -> (u64, u64)) -> u64 {
        self.left -= 1;
        for _ in 0..pause_hints() {
            sync::spin_hint();
        }
        let (now_ready, _) = look();
        // A writer that was hindered would have got ahead. This one waits, maybe for an answer: no need to try again.
        if self.phase == Phase::Trial && now_ready == ready {
            self.rest();
        }
        now_ready
    }
}

/// How many spin hints make a [`PAUSE`]: they take from 3 to 45 ns, by CPU, so it is measured once.
fn pause_hints() -> u32 {
    static HINTS: OnceLock<u32> = OnceLock::new();
    *HINTS.get_or_init(|| {
        const SAMPLE: u32 = 2_000;
        // The fastest of a few: an interruption only ever makes one slower.
        let fastest = (0..5)
            .map(|_| {
                let start = now();
                for _ in 0..SAMPLE {
                    sync::spin_hint();
                }
                now().duration_since(start)
            })
            .min()
            .unwrap_or(PAUSE);
        let hints = PAUSE.as_nanos() * u128::from(SAMPLE) / fastest.as_nanos().max(1);
        u32::try_from(hints).unwrap_or(SAMPLE).clamp(16, SAMPLE)
    })
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle)), not(miri)))]
mod tests {
    use super::*;
    use crate::wait::{WaitStrategy, spin_until};
    use std::cell::Cell;

    /// Looks `looks` times, a message each; a pause brings `gain` more. Returns how many pauses there were.
    fn run(gather: &mut Gather, looks: u32, gain: u64) -> u32 {
        let end = Cell::new(0u64);
        let pauses = Cell::new(0);
        for _ in 0..looks {
            end.set(end.get() + 1);
            gather.after(1, end.get(), || {
                pauses.set(pauses.get() + 1);
                end.set(end.get() + gain);
                (1 + gain, end.get())
            });
        }
        pauses.get()
    }

    #[test]
    fn an_idle_ring_is_read_at_once() {
        let mut gather = Gather::default();
        for _ in 0..1000 {
            for _ in 0..IDLE {
                gather.after(0, 0, || panic!("nothing is ready"));
            }
            assert_eq!(gather.after(1, 1, || panic!("the ring was idle")), 1);
        }
    }

    #[test]
    fn pauses_that_raise_the_rate_go_on() {
        let mut gather = Gather::default();
        // A look takes some 10 ns, a pause 2.5 us: a hundred thousand messages a pause are faster by far.
        assert!(run(&mut gather, 4_096, 100_000) > 3_000);
    }

    #[test]
    fn who_gives_way_does_not_pause_as_well() {
        let mut gather = Gather::default();
        let give_way = || assert!(!spin_until(WaitStrategy::Park, None, || false));
        for _ in 0..100 {
            assert_eq!(run(&mut gather, FREE / 2, 100_000), 0);
            give_way();
        }
        assert!(run(&mut gather, 4_096, 100_000) > 1_000);
        give_way();
        assert_eq!(run(&mut gather, REST, 100_000), 0, "it has stopped");
    }

    #[test]
    fn pauses_in_vain_become_rare() {
        let mut gather = Gather::default();
        assert!(run(&mut gather, 100_000, 1) <= TRIAL * (100_000 / LONGEST_REST + 2));
    }

    #[test]
    fn a_writer_that_waits_for_an_answer_is_tried_once_and_not_eight_times() {
        let mut gather = Gather::default();
        assert!(run(&mut gather, 100_000, 0) <= 100_000 / LONGEST_REST + 2);
    }
}
