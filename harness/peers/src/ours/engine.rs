//! `ringmain`: topics and subscriptions with everything on that a user gets by default (but where it says so): default ring, default
//! waiting, verdicts, counters, leases with deadlines.
//!
//! Payloads are written into buffers that come back from the ring (`publish_with`). When all is published the
//! publisher's side closes the engine, which lets the readers go once they have read to the end.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use ringmain::{
    Close, Delivery, Dispatcher, Engine, InPlace, Publisher, Subscription, SubscriptionConfig, TopicConfig,
    Verdict,
};

use crate::latency::{Meter, Pace};
use crate::payload::{KILOBYTE, Read, Tally, fill, read_bytes};
use crate::peer::crossbeam::HANDED_OVER;
use crate::roles::{Done, Load, Place, Roles, Sink};

/// Deliveries that a leased reader asks for at once.
const PULLED: usize = 64;

/// An engine with one topic.
struct Out {
    engine: Engine,
    publisher: Publisher,
}

impl Sink for Out {
    #[inline]
    fn send(&mut self, seq: u64) {
        let published = self.publisher.publish_with(KILOBYTE, |buffer| fill(buffer, seq));
        assert!(published.is_ok(), "nobody has closed the engine yet");
    }
}

impl Drop for Out {
    /// All is published, or has failed: the readers need not wait for more.
    fn drop(&mut self) {
        self.engine.close(Close::Drain(Duration::from_secs(30)));
    }
}

/// An engine, its only topic's publisher, and as many subscriptions as the load has receivers.
fn set_up(load: &Load) -> (Out, Vec<Subscription>) {
    set_up_with(load, SubscriptionConfig::default())
}

fn set_up_with(load: &Load, subscription: SubscriptionConfig) -> (Out, Vec<Subscription>) {
    let engine = Engine::new();
    let config = TopicConfig::default().ring_slots(load.capacity);
    let topic = engine.create_topic("topic", config).expect("the table's capacities are powers of two");
    let subscribe = |index| topic.create_subscription(&format!("subscription-{index}"), subscription.clone());
    let subscriptions = (0..load.receivers).map(subscribe).collect::<Result<_, _>>();
    let publisher = topic.publisher();
    (Out { engine, publisher }, subscriptions.expect("the names differ and the topic is there"))
}

/// What a handler has counted; given away when the dispatcher drops the handler.
struct Counting {
    tally: Tally,
    read: Read,
    outcome: mpsc::Sender<Tally>,
}

impl Counting {
    #[inline]
    fn handle(&mut self, message: &InPlace<'_>) -> Verdict {
        self.tally.add(read_bytes(message.data(), self.read));
        Verdict::Ack
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // Nobody listens once the sample has failed for another reason.
        self.outcome.send(self.tally).ok();
    }
}

/// In place, all subscriptions through one public dispatcher.
pub(crate) fn in_place(load: &Load) -> Roles {
    let (out, subscriptions) = set_up(load);
    let (outcome, outcomes) = mpsc::channel();
    let mut dispatcher = Dispatcher::new();
    for subscription in &subscriptions {
        let mut counting = Counting { tally: Tally::default(), read: load.read, outcome: outcome.clone() };
        dispatcher = dispatcher.add(subscription, move |message| counting.handle(&message));
    }
    drop(outcome);
    let ticker = load.ticker.clone();
    Roles::of::<Bytes>(load).producer(load, out).reader(Place::Consumer(0), move || {
        // Until the engine is closed and all is read; the clock is read here, as for everybody, and not by a handler.
        dispatcher.run();
        let ended = Some(ticker.now());
        drop(dispatcher);
        Done { ended, tallies: outcomes.into_iter().collect(), latencies: None }
    })
}

/// Takes all messages as leased deliveries and shows each batch to `settle` once it is read.
fn lease(
    subscription: &Subscription,
    messages: u64,
    read: Read,
    mut settle: impl FnMut(&mut Vec<Delivery>),
) -> Tally {
    let mut tally = Tally::default();
    let mut deliveries = Vec::with_capacity(PULLED);
    while tally.count < messages {
        match subscription.pull_into(PULLED, &mut deliveries) {
            // Whether something came is what the next pull says.
            Ok(0) => _ = subscription.wait(Duration::from_secs(1)),
            Ok(_) => {
                deliveries.iter().for_each(|delivery| tally.add(read_bytes(delivery.data(), read)));
                settle(&mut deliveries);
            }
            // The tally will be found short.
            Err(_) => break,
        }
    }
    tally
}

fn ack_all(deliveries: &mut Vec<Delivery>) {
    assert!(Delivery::ack_all(deliveries).is_ok(), "no deadline passes within a sample");
}

fn ack_each(deliveries: &mut Vec<Delivery>) {
    for delivery in deliveries.drain(..) {
        assert!(delivery.ack().is_ok(), "no deadline passes within a sample");
    }
}

/// Leased, acknowledged by the thread that received them, as they were received: many at once.
pub(crate) fn leased(load: &Load) -> Roles {
    leased_and(load, ack_all)
}

/// The same, acknowledged one by one.
pub(crate) fn leased_one_by_one(load: &Load) -> Roles {
    leased_and(load, ack_each)
}

fn leased_and(load: &Load, settle: fn(&mut Vec<Delivery>)) -> Roles {
    let (out, mut subscriptions) = set_up(load);
    let (messages, read, ticker) = (load.messages, load.read, load.ticker.clone());
    let subscription = subscriptions.remove(0);
    Roles::of::<Bytes>(load).producer(load, out).reader(Place::Consumer(0), move || {
        let tally = lease(&subscription, messages, read, settle);
        Done { ended: Some(ticker.now()), tallies: vec![tally], latencies: None }
    })
}

/// Leased, handed over in batches and acknowledged by a third thread. As much may be outstanding as the channel that it is
/// held against holds, which is more than by default.
pub(crate) fn acked_elsewhere(load: &Load) -> Roles {
    // As much as the channel's third thread may be behind.
    let config = SubscriptionConfig::default().max_outstanding_messages(load.capacity);
    let (out, mut subscriptions) = set_up_with(load, config);
    let (messages, read, ticker) = (load.messages, load.read, load.ticker.clone());
    let subscription = subscriptions.remove(0);
    let (hand_over, handed) = crossbeam_channel::bounded(load.capacity / HANDED_OVER);
    Roles::of::<Bytes>(load)
        .producer(load, out)
        .reader(Place::Consumer(0), move || {
            let tally = lease(&subscription, messages, read, |deliveries| {
                let full = std::mem::replace(deliveries, Vec::with_capacity(PULLED));
                hand_over.send(full).expect("the third thread waits for the last delivery");
            });
            Done { tallies: vec![tally], ..Done::default() }
        })
        .reader(Place::Anywhere, move || {
            handed.into_iter().for_each(|mut deliveries| ack_all(&mut deliveries));
            Done { ended: Some(ticker.now()), ..Done::default() }
        })
}

/// Gives the meter away when the dispatcher drops the handler that owns it.
struct Metered(Option<Meter>, mpsc::Sender<Done>);

impl Drop for Metered {
    fn drop(&mut self) {
        if let Some(meter) = self.0.take() {
            // Nobody listens once the sample has failed for another reason.
            self.1.send(meter.done()).ok();
        }
    }
}

/// A paced stream of eight-byte messages, handled in place, with the default waiting.
pub(crate) fn open_loop(load: &Load) -> Roles {
    let (out, mut subscriptions) = set_up(load);
    let subscription = subscriptions.remove(0);
    let pace = Pace::new(load);
    let (outcome, done) = mpsc::channel();
    let mut metered = Metered(Some(Meter::new(&pace)), outcome);
    Roles::of::<u64>(load)
        .publisher(move || {
            pace.run(|seq| {
                let published = out.publisher.publish_with(8, |buffer| fill(buffer, seq));
                assert!(published.is_ok(), "nobody has closed the engine yet");
            });
        })
        .reader(Place::Consumer(0), move || {
            subscription.process(move |message| {
                if let (Some(meter), Some(word)) = (&mut metered.0, message.data().first_chunk()) {
                    meter.arrived(u64::from_le_bytes(*word));
                }
                Verdict::Ack
            });
            done.recv().unwrap_or_default()
        })
}
