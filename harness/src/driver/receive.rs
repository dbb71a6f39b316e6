//! Receiving: in place, leased, or from a stream.
//!
//! In place, the engine's handlers must be free to move between threads, so they cannot borrow the consumer's
//! inbox, and a lock around it would cost more than everything else that a handler does. The inbox of a consumer
//! thread is therefore a thread-local: the dispatcher calls its handlers on the thread that polls it.
//!
//! A stream is polled by the consumer thread itself, which is its executor: a turn polls every stream until it has
//! nothing, and the wait that follows ends when one of them wakes the thread.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use futures_core::Stream;
use ringmain::{Delivery, DeliveryStream, Dispatcher, InPlace, RecvError, Subscription, Verdict};

use super::Session;
use crate::cli::Mode;
use crate::consume::Source;
use crate::fault::Fault;
use crate::handicap::{self, Handicap};
use crate::inbox::Inbox;
use crate::num;
use crate::pin::CursorRole;

/// Deliveries that a consumer takes from a subscription in one turn: as many as the engine's dispatcher does, but of
/// large messages no more than fit into a cache. What a turn has taken makes room when the turn is over, and a publisher
/// that waits for it waits for all of it.
const TURN: usize = 256;
const TURN_BYTES: f64 = 1024.0 * 1024.0;

/// The longest that a consumer waits before it looks around.
const WAIT: Duration = Duration::from_millis(5);

thread_local! {
    /// The inbox of this consumer thread; see the module.
    static INBOX: RefCell<Option<Inbox>> = const { RefCell::new(None) };
}

/// Enters a delivery in this thread's inbox.
#[inline]
fn take<'a>(cursor: usize, payload: &[u8], key: impl FnOnce() -> Option<&'a str>) {
    INBOX.with_borrow_mut(|inbox| {
        if let Some(inbox) = inbox {
            inbox.take(cursor, payload, key);
        }
    });
}

/// Wakes a consumer thread that sleeps until one of its streams has something.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The cursors of one consumer thread.
#[derive(Debug)]
pub(crate) struct Receiver {
    subscriptions: Vec<Subscription>,
    way: Way,
    /// Deliveries in a turn.
    turn: usize,
    handicap: Option<Handicap>,
}

/// How messages are received.
#[derive(Debug)]
enum Way {
    /// Read in the ring, by the engine's dispatcher.
    InPlace(Dispatcher),
    /// Taken under a lease and acknowledged one by one; the vector is reused from turn to turn.
    Leased(Vec<Delivery>),
    /// The same, from streams.
    Stream(Vec<DeliveryStream>, Waker),
}

impl Receiver {
    /// Serves `roles` on the calling thread, which must also be the one that polls.
    pub(crate) fn new(session: &Session, roles: &[CursorRole], inbox: Inbox) -> Self {
        let turn = num::index(num::floor(TURN_BYTES / inbox.mean_length())).clamp(1, TURN);
        INBOX.set(Some(inbox));
        let subscriptions: Vec<Subscription> =
            roles.iter().map(|role| session.subscriptions[role.subscription].clone()).collect();
        let way = match session.mode {
            Mode::InPlace => {
                let serve = |dispatcher: Dispatcher, (cursor, subscription): (usize, &Subscription)| {
                    dispatcher.add(subscription, move |message: InPlace<'_>| {
                        take(cursor, message.data(), || message.ordering_key());
                        Verdict::Ack
                    })
                };
                Way::InPlace(subscriptions.iter().enumerate().fold(Dispatcher::new().turn_limit(turn), serve))
            }
            Mode::Leased => Way::Leased(Vec::with_capacity(TURN)),
            Mode::Stream => {
                let streams = subscriptions.iter().map(Subscription::stream).collect();
                Way::Stream(streams, Arc::new(Unpark(std::thread::current())).into())
            }
        };
        Self { subscriptions, way, turn, handicap: Handicap::new() }
    }
}

/// Enters a delivery and acks it.
#[inline]
fn settle(cursor: usize, delivery: Delivery) -> Result<(), Fault> {
    take(cursor, delivery.data(), || delivery.ordering_key());
    delivery.ack().map_err(|error| Fault::new(format!("the engine refused an ack: {error}")))
}

fn refused(error: &RecvError) -> Fault {
    Fault::new(format!("the engine refused to deliver: {error}"))
}

impl Source for Receiver {
    #[inline]
    fn turn(&mut self) -> Result<usize, Fault> {
        let mut count = 0;
        match &mut self.way {
            Way::InPlace(dispatcher) => count = dispatcher.poll(),
            Way::Leased(deliveries) => {
                for (cursor, subscription) in self.subscriptions.iter().enumerate() {
                    // What a gap swallowed is in the engine's count of dropped messages; what is behind it is there now,
                    // and a turn without it would look as if nothing were.
                    while let Err(error) = subscription.pull_into(self.turn, deliveries) {
                        if !matches!(error, RecvError::Lagged(_)) {
                            return Err(refused(&error));
                        }
                    }
                    count += deliveries.len();
                    deliveries.drain(..).try_for_each(|delivery| settle(cursor, delivery))?;
                }
            }
            Way::Stream(streams, waker) => {
                let mut context = Context::from_waker(waker);
                for (cursor, stream) in streams.iter_mut().enumerate() {
                    for _ in 0..self.turn {
                        match Pin::new(&mut *stream).poll_next(&mut context) {
                            Poll::Ready(Some(Ok(delivery))) => {
                                count += 1;
                                settle(cursor, delivery)?;
                            }
                            Poll::Ready(Some(Err(RecvError::Lagged(_)))) => {}
                            Poll::Ready(Some(Err(error))) => return Err(refused(&error)),
                            Poll::Ready(None) => return Err(refused(&RecvError::Closed)),
                            Poll::Pending => break,
                        }
                    }
                }
            }
        }
        handicap::worked(&mut self.handicap, num::count(count));
        Ok(count)
    }

    fn wait(&mut self) {
        if let Way::Stream(..) = self.way {
            // The last turn left every stream pending, with this thread as the one to wake.
            std::thread::park_timeout(WAIT);
        } else if let Some(subscription) = self.subscriptions.first() {
            // What is published goes to every subscription, so that the first one stands for all. Whether there is
            // something to deliver shows at the next turn.
            let _ready = subscription.wait(WAIT);
        }
    }

    fn with_inbox<R>(&mut self, work: impl FnOnce(&mut Inbox) -> R) -> Option<R> {
        INBOX.with_borrow_mut(|inbox| inbox.as_mut().map(work))
    }
}
