//! The ways in which a delivery fails, each to be had at will.

use super::number;
use ringmain::{Delivery, Dispatcher, Engine, InPlace, ManualClock, Subscription, Verdict};
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::time::Duration;

/// The default ack deadline.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Nack,
    /// A deadline of zero.
    Zero,
    Drop,
    /// The clock moves on by the ack deadline, and the engine is told.
    Expire,
    NackInPlace,
    Panic,
}

pub(crate) const FAILURES: [Failure; 6] =
    [Failure::Nack, Failure::Zero, Failure::Drop, Failure::Expire, Failure::NackInPlace, Failure::Panic];

/// The number and attempt of a delivery.
pub(crate) fn of(delivery: &Delivery) -> (u64, u32) {
    (number(delivery.data()), delivery.delivery_attempt())
}

/// Where a subscription is: enough to let its deliveries fail.
pub(crate) struct Failing<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) clock: &'a ManualClock,
    pub(crate) subscription: &'a Subscription,
}

impl Failing<'_> {
    /// Has one message delivered, if there is one now, and lets that fail. Returns its number and attempt.
    ///
    /// In place that is all of one turn, of which there should be one.
    pub(crate) fn fail(&self, failure: Failure) -> Option<(u64, u32)> {
        match failure {
            Failure::NackInPlace => self.turn(|_| Verdict::Nack),
            Failure::Panic => self.turn(|_| resume_unwind(Box::new("a handler"))),
            _ => {
                let delivery = self.subscription.try_recv().expect("neither closed nor detached")?;
                let told = of(&delivery);
                self.end(failure, delivery);
                Some(told)
            }
        }
    }

    fn end(&self, failure: Failure, delivery: Delivery) {
        match failure {
            Failure::Nack => delivery.nack().expect("in time"),
            Failure::Zero => {
                delivery.modify_ack_deadline(Duration::ZERO).expect("in time");
                delivery.ack().expect_err("it is nacked");
            }
            Failure::Expire => {
                self.clock.advance(DEADLINE);
                self.engine.tick();
                delivery.ack().expect_err("it has expired");
            }
            _ => drop(delivery),
        }
    }

    fn turn(&self, verdict: impl Fn(InPlace<'_>) -> Verdict + Send + 'static) -> Option<(u64, u32)> {
        let (told, tells) = mpsc::channel();
        let mut dispatcher = Dispatcher::new().turn_limit(1).add(self.subscription, move |message| {
            told.send((number(message.data()), message.delivery_attempt())).expect("somebody listens");
            verdict(message)
        });
        // What came back goes once before the ring has its turn, which may be due first.
        if dispatcher.poll() == 0 {
            dispatcher.poll();
        }
        drop(dispatcher);
        let mut told = tells.iter();
        let first = told.next();
        assert_eq!(told.next(), None, "one message a turn");
        first
    }
}
