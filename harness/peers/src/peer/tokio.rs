//! `tokio`'s broadcast channel, made lossless, with a task for every receiver.
//!
//! The channel overwrites what slow receivers have not read. So that nothing lags, each receiver keeps a
//! count of what it has read in a cache line of its own, and the publisher does not run further ahead of the
//! least of them than the channel holds. Receivers take all that is ready before they say so and wait.
//!
//! Where the tasks run is a matter of taste, so all three ways run: receivers on a current-thread runtime
//! beside a publishing thread; everything on one current-thread runtime; everything on a multi-thread runtime
//! with a worker on each CPU.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use crossbeam_utils::CachePadded;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast::{self, Receiver, Sender, error::TryRecvError};

use crate::clock::Ticker;
use crate::machine::Cpus;
use crate::payload::{Message, Read, Tally};
use crate::roles::{Done, Load, Patience, Place, Roles, Sink};

/// A receiver says how far it is at least this often.
const REPORT_EVERY: u64 = 64;

type Progress = Arc<Vec<CachePadded<AtomicU64>>>;

/// The publisher's end, and how far it may run.
struct Throttled<T> {
    sender: Sender<T>,
    progress: Progress,
    capacity: u64,
    limit: u64,
}

impl<T: Message> Throttled<T> {
    /// Whether message `seq` fits without overwriting one that somebody has yet to read.
    #[inline]
    fn fits(&mut self, seq: u64) -> bool {
        if seq >= self.limit {
            // Acquire pairs with the receivers' Release: their reads are over. The channel has its own edges
            // besides.
            let least = self.progress.iter().map(|count| count.load(Acquire)).min().unwrap_or(seq);
            self.limit = least + self.capacity;
        }
        seq < self.limit
    }

    #[inline]
    fn send(&mut self, seq: u64) {
        assert!(self.sender.send(T::new(seq)).is_ok(), "the receivers outlive the publisher");
    }

    async fn publish(mut self, messages: u64) {
        for seq in 0..messages {
            while !self.fits(seq) {
                tokio::task::yield_now().await;
            }
            self.send(seq);
        }
    }
}

/// The publisher on a thread of its own.
struct Out<T>(Throttled<T>, Patience);

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        while !self.0.fits(seq) {
            self.1.wait();
        }
        self.0.send(seq);
    }
}

/// One receiver's task.
async fn receive<T: Message>(
    mut receiver: Receiver<T>,
    progress: Progress,
    index: usize,
    messages: u64,
    read: Read,
    ticker: Ticker,
) -> (u64, Tally) {
    let mut tally = Tally::default();
    while tally.count < messages {
        match receiver.try_recv() {
            Ok(message) => {
                tally.add(message.read(read));
                if tally.count.is_multiple_of(REPORT_EVERY) {
                    progress[index].store(tally.count, Release);
                }
            }
            Err(TryRecvError::Empty) => {
                progress[index].store(tally.count, Release);
                let Ok(message) = receiver.recv().await else { break };
                tally.add(message.read(read));
            }
            // The tally will be found short.
            Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => break,
        }
    }
    progress[index].store(messages, Release);
    (ticker.now(), tally)
}

/// Starts all receivers on a runtime; the future ends when they have.
fn receivers<T: Message>(
    load: &Load,
    runtime: &Runtime,
    out: &Throttled<T>,
) -> impl Future<Output = Done> + use<T> {
    let tasks: Vec<_> = (0..load.receivers)
        .map(|index| {
            let (receiver, progress) = (out.sender.subscribe(), out.progress.clone());
            runtime.spawn(receive(receiver, progress, index, load.messages, load.read, load.ticker.clone()))
        })
        .collect();
    async move {
        let mut done = Done::default();
        for task in tasks {
            let (ended, tally) = task.await.expect("a receiver's task does not panic");
            done.ended = done.ended.max(Some(ended));
            done.tallies.push(tally);
        }
        done
    }
}

fn throttled<T: Message>(load: &Load) -> Throttled<T> {
    let (sender, _) = broadcast::channel(load.capacity);
    let progress = Arc::new((0..load.receivers).map(|_| CachePadded::new(AtomicU64::new(0))).collect());
    Throttled { sender, progress, capacity: load.capacity as u64, limit: load.capacity as u64 }
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime without drivers needs nothing from the system")
}

/// Receivers on one thread, the publisher on another.
pub(crate) fn beside<T: Message>(load: &Load) -> Roles {
    let (runtime, out) = (current_thread(), throttled::<T>(load));
    let receivers = receivers(load, &runtime, &out);
    Roles::of::<T>(load)
        .producer(load, Out(out, load.patience()))
        .reader(Place::Consumer(0), move || runtime.block_on(receivers))
}

/// Everything on one thread.
pub(crate) fn together<T: Message>(load: &Load) -> Roles {
    let (runtime, out) = (current_thread(), throttled::<T>(load));
    let (receivers, messages) = (receivers(load, &runtime, &out), load.messages);
    let (started, start) = std::sync::mpsc::channel();
    Roles::of::<T>(load).publisher(move || started.send(()).unwrap_or(())).reader(
        Place::Consumer(0),
        move || {
            start.recv().ok();
            runtime.block_on(async {
                let publisher = tokio::spawn(out.publish(messages));
                let done = receivers.await;
                publisher.await.expect("the publisher's task does not panic");
                done
            })
        },
    )
}

/// A worker on each CPU, and the publisher a task like the receivers.
pub(crate) fn many_threads<T: Message>(load: &Load) -> Roles {
    let cpus = Cpus::find().expect("the run checked the CPUs before it measured");
    let (workers, next) = (cpus.len(), AtomicUsize::new(0));
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .on_thread_start(move || {
            let place = Place::Producer(next.fetch_add(1, Relaxed));
            cpus.pin(place, workers).expect("the run tried every CPU before it measured");
        })
        .build()
        .expect("a runtime without drivers needs nothing from the system");
    let out = throttled::<T>(load);
    let (receivers, messages, handle) =
        (receivers(load, &runtime, &out), load.messages, runtime.handle().clone());
    Roles::of::<T>(load)
        .publisher(move || {
            let task = handle.spawn(out.publish(messages));
            handle.block_on(task).expect("the publisher's task does not panic");
        })
        .reader(Place::Anywhere, move || runtime.block_on(receivers))
}
