//! One thread, many receivers, a handler each.

use crate::batch::Event;
use crate::channel::Channel;
use crate::cursor_set::CursorSet;
use crate::error::Foreign;
use crate::receiver::Receiver;
use ringmain_ring::sync::{AtomicBool, Ordering};
use ringmain_ring::{spin_until, wait_any};
use std::fmt;
use std::sync::Arc;

/// Slots a receiver gets in one turn. Enough to make a turn's own cost vanish; few enough that 1 KiB messages stay in a
/// core's cache from the first receiver of a turn to the last.
const TURN: usize = 256;

type Handler<T> = Box<dyn FnMut(Event<'_, T>) + Send>;

/// Serves many receivers of one channel from one thread.
pub struct Dispatcher<T: Send + Sync + 'static> {
    set: CursorSet<T>,
    handlers: Vec<Handler<T>>,
    stop: StopHandle<T>,
    limit: usize,
}

impl<T: Send + Sync + 'static> Dispatcher<T> {
    /// No receivers yet.
    #[must_use]
    pub fn new(channel: &Channel<T>) -> Self {
        let stop = StopHandle { stopped: Arc::new(AtomicBool::new(false)), channel: channel.clone() };
        Self { set: CursorSet::new(channel), handlers: Vec::new(), stop, limit: TURN }
    }

    /// Slots a receiver gets in one turn, 256 unless set.
    #[must_use]
    pub fn turn_limit(mut self, slots: usize) -> Self {
        self.limit = slots.max(1);
        self
    }

    /// Serves `receiver` by `handler`, which is called a batch at a time, and may publish to the same channel only by
    /// `try_publish`.
    ///
    /// # Errors
    /// [`Foreign`] with the receiver when it reads another channel.
    pub fn add(
        &mut self,
        receiver: Receiver<T>,
        handler: impl FnMut(Event<'_, T>) + Send + 'static,
    ) -> Result<(), Foreign<Receiver<T>>> {
        self.set.add(receiver)?;
        self.handlers.push(Box::new(handler));
        Ok(())
    }

    /// One turn over all receivers; returns how many slots were read; as [`CursorSet::turn`](crate::CursorSet::turn) does.
    #[inline]
    pub fn poll(&mut self) -> usize {
        let Self { set, handlers, limit, .. } = self;
        set.turn(*limit, |member, event| handlers[member](event))
    }

    /// Polls until the channel is closed and read to its end, or [stopped](StopHandle::stop). Waits by the channel's
    /// strategy.
    pub fn run(&mut self) {
        loop {
            if self.stop.is_stopped() {
                return;
            }
            if self.poll() > 0 {
                continue;
            }
            let channel = self.set.channel().clone();
            if self.set.is_at_end() {
                return;
            }
            let set = &self.set;
            let mut ready = || set.has_work() || set.is_at_end() || self.stop.is_stopped();
            if !spin_until(channel.wait_strategy(), None, &mut ready) {
                wait_any(&[channel.data()], None, &mut ready);
            }
        }
    }

    /// Something to end [`run`](Self::run) with, from any thread.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle<T> {
        self.stop.clone()
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Dispatcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("set", &self.set).finish_non_exhaustive()
    }
}

/// Ends the [`run`](Dispatcher::run) of a dispatcher.
pub struct StopHandle<T: Send + Sync + 'static> {
    stopped: Arc<AtomicBool>,
    channel: Channel<T>,
}

impl<T: Send + Sync + 'static> StopHandle<T> {
    /// Lets the dispatcher finish its turn and return. For good: later runs return at once.
    pub fn stop(&self) {
        // Relaxed: the notification orders it for a dispatcher that sleeps; one that polls will see it soon.
        self.stopped.store(true, Ordering::Relaxed);
        self.channel.data().notify();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

impl<T: Send + Sync + 'static> Clone for StopHandle<T> {
    fn clone(&self) -> Self {
        Self { stopped: Arc::clone(&self.stopped), channel: self.channel.clone() }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for StopHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
