//! Which of the messages that came back must go before the ring, and which may not yet.
//!
//! A message that came back is redelivered before anything further is taken from the ring, but at most once until the
//! ring had its turn, so that a handler that always nacks starves nobody. Those that may go when a round begins must go
//! in it; what comes back in the middle of a round may wait for the next. What was taken from the ring and could not be
//! delivered then goes in rounds, too.

use super::subscription::{Returned, Sub};
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Round {
    state: State,
    /// Who is still to go, and who went.
    due: BTreeSet<u64>,
    went: BTreeSet<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// The ring had its turn: the next call begins a round.
    #[default]
    Over,
    /// It has not had it yet.
    Open,
    /// Which of the two is not known: nothing must go first, and everything may.
    Unclear,
}

impl Round {
    /// Whether the ring may have to have its turn first.
    pub(crate) fn may_be_open(&self) -> bool {
        self.state != State::Over
    }

    pub(crate) fn has_gone(&self, id: u64) -> bool {
        self.went.contains(&id)
    }

    pub(crate) fn is_unclear(&self) -> bool {
        self.state == State::Unclear
    }

    pub(crate) fn goes(&mut self, id: u64) {
        if self.state != State::Unclear {
            self.state = State::Open;
            self.due.remove(&id);
            self.went.insert(id);
        }
    }

    /// Something went that was taken from the ring before: the ring has not had its turn since.
    pub(crate) fn goes_first(&mut self) {
        if self.state == State::Over {
            self.state = State::Open;
        }
    }

    pub(crate) fn becomes_unclear(&mut self) {
        *self = Self { state: State::Unclear, ..Self::default() };
    }

    /// The ring had its turn.
    pub(crate) fn ends(&mut self) {
        *self = Self::default();
    }
}

impl Sub {
    /// Whether a message that came back must still go in this round.
    pub(crate) fn is_round_due(&self, now: Duration) -> bool {
        self.returned
            .iter()
            .any(|returned| self.round.due.contains(&returned.entry.id) && self.may_redeliver(returned, now))
    }

    /// Begins the next round, unless one is under way.
    pub(crate) fn begin_round(&mut self, now: Duration) {
        if self.round.may_be_open() {
            return;
        }
        let may_go = |returned: &&Returned| self.may_redeliver(returned, now);
        self.round.due = self.returned.iter().filter(may_go).map(|returned| returned.entry.id).collect();
        if !self.round.due.is_empty() {
            self.round.state = State::Open;
        }
    }
}
