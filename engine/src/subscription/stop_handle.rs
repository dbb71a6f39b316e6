//! How a dispatcher's `run` is ended, from elsewhere.

use ringmain_ring::Notify;
use ringmain_ring::sync::{AtomicBool, Ordering};
use std::sync::Arc;

/// Ends the [`run`](super::Dispatcher::run) of a [`Dispatcher`](super::Dispatcher), after its turn and for good.
#[derive(Debug, Clone)]
pub struct StopHandle {
    inner: Arc<Stop>,
}

#[derive(Debug)]
struct Stop {
    stopped: AtomicBool,
    notify: Notify,
}

impl StopHandle {
    pub(super) fn new() -> Self {
        Self { inner: Arc::new(Stop { stopped: AtomicBool::new(false), notify: Notify::new() }) }
    }

    /// Stops the dispatcher.
    pub fn stop(&self) {
        // Relaxed: the notification orders it for a dispatcher that sleeps; one that polls will see it soon.
        self.inner.stopped.store(true, Ordering::Relaxed);
        self.inner.notify.notify();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.inner.stopped.load(Ordering::Relaxed)
    }

    /// What is notified when the dispatcher is stopped.
    pub(super) fn notify(&self) -> &Notify {
        &self.inner.notify
    }
}
