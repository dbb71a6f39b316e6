//! One thread an engine, for what is due when nobody polls.
//!
//! It starts with the first lease, and sleeps until the earliest deadline. A lease that ends before that wakes it,
//! which in practice only the first one does: later leases end later.

use super::inner::SubscriptionInner;
use crate::clock::Clock;
use ringmain_ring::sync::{AtomicBool, AtomicU64, Mutex, Ordering, heavy_fence, light_fence, lock};
use ringmain_ring::{Notify, now};
use std::sync::{Arc, Weak};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Housekeeper {
    clock: Clock,
    /// Whether there is to be a thread at all.
    enabled: bool,
    started: AtomicBool,
    stopped: AtomicBool,
    /// When it will look next, on the engine's clock.
    wakes_at: AtomicU64,
    wake: Notify,
    subscriptions: Mutex<Vec<Weak<SubscriptionInner>>>,
}

impl Housekeeper {
    pub(crate) fn new(clock: Clock, enabled: bool) -> Arc<Self> {
        Arc::new(Self {
            clock,
            enabled,
            started: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            wakes_at: AtomicU64::new(u64::MAX),
            wake: Notify::new(),
            subscriptions: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn watch(self: &Arc<Self>, subscription: &Arc<SubscriptionInner>) {
        if !self.enabled {
            return;
        }
        subscription.set_housekeeper(self);
        let mut subscriptions = lock(&self.subscriptions);
        if subscriptions.len() == subscriptions.capacity() {
            subscriptions.retain(|other| other.strong_count() > 0);
        }
        subscriptions.push(Arc::downgrade(subscription));
    }

    /// A lease ends at `deadline`.
    #[inline]
    pub(crate) fn is_due_at(self: &Arc<Self>, deadline: u64) {
        // Pairs with the heavy fence in `run`: the look sees what is due, or we see that it is not planned.
        light_fence("housekeeper.begin.no_fence");
        if deadline < self.wakes_at.load(Ordering::Relaxed) {
            self.wake_earlier(deadline);
        }
    }

    #[cold]
    fn wake_earlier(self: &Arc<Self>, deadline: u64) {
        self.wakes_at.fetch_min(deadline, Ordering::Relaxed);
        self.wake.notify();
        if !self.started.swap(true, Ordering::Relaxed) {
            let this = Arc::clone(self);
            let spawned =
                std::thread::Builder::new().name("ringmain-leases".into()).spawn(move || this.run());
            if spawned.is_err() {
                // No thread to be had now: polls still expire what is due, and the next early lease tries again.
                self.started.store(false, Ordering::Relaxed);
            }
        }
    }

    fn run(&self) {
        while !self.stopped.load(Ordering::Relaxed) {
            let time = self.clock.now();
            let planned = self.wakes_at.load(Ordering::Relaxed);
            if planned > time {
                let deadline = (planned != u64::MAX).then(|| now() + Duration::from_nanos(planned - time));
                self.wake.wait_until(deadline, || {
                    self.stopped.load(Ordering::Relaxed) || self.wakes_at.load(Ordering::Relaxed) < planned
                });
                continue;
            }
            // What begins during the look lowers this again.
            self.wakes_at.store(u64::MAX, Ordering::Relaxed);
            // Pairs with the light fence in `is_due_at`.
            heavy_fence("housekeeper.look.no_fence");
            let subscriptions: Vec<_> = lock(&self.subscriptions).iter().filter_map(Weak::upgrade).collect();
            let mut earliest = u64::MAX;
            for subscription in subscriptions {
                subscription.expire_due();
                earliest = earliest.min(subscription.due());
            }
            self.wakes_at.fetch_min(earliest, Ordering::Relaxed);
        }
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.wake.notify();
    }
}
