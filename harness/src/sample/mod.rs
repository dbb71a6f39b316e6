//! One sample: threads started together, load offered, everything drained, noise noted.
//!
//! The coordinator (the calling thread) probes the placement, starts one thread per seat of the layout, lets them
//! all begin at one moment, and then sleeps but for a look once a second. Each thread measures itself and hands in
//! a report at the end; nothing is shared in between but a few counters. A thread that fails or panics ends the
//! sample with a fault, after the engine has been closed so that nobody waits for it.

mod assemble;
pub(crate) mod herd;
mod roles;
mod watchdog;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::Scope;
use std::time::Duration;

use crate::acks::LastAcks;
use crate::backlog::Backlog;
use crate::clock::{self, Clock, TscClock};
use crate::consume::{Consumed, Shared};
use crate::driver::Session;
use crate::fault::Fault;
use crate::inbox::{Book, Content, Inbox};
use crate::inject::Inject;
use crate::keys::Keying;
use crate::latency::Recorder;
use crate::noise::{self, Gaps, Noise, StealMeter, ThreadUse};
use crate::num;
use crate::payload::Read;
use crate::pin::Layout;
use crate::shared::Gauge;
use crate::threads::Role;
use watchdog::Watchdog;

/// How long after the last thread is ready the sample starts.
const LEAD: u64 = 1_000_000;
/// An open loop stops after this many times its length, whatever is still unsent.
const OVERTIME: u64 = 2;

/// What a sample offers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// As fast as it goes, for `length`, and at least `messages` per publisher. `stamped` has every message carry
    /// the time of its publish call, at the cost of a clock read per call; without it latencies mean nothing and
    /// are not reported.
    Closed { length: Duration, messages: u64, stamped: bool },
    /// Exactly `messages` per publisher, as fast as it goes.
    Count { messages: u64 },
    /// `rate` messages a second for `length`, all publishers together.
    Open { rate: f64, length: Duration },
    /// One message of each publisher, all released together.
    Herd(Herd),
    /// The messages at the times in [`Stage::recorded`], by a single publisher.
    Recorded,
}

/// What the publishers of a herd are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Herd {
    /// A thread each.
    Threads,
    /// Tasks on an executor with a thread per CPU.
    Tasks,
}

impl Load {
    /// The name of its kind, which its threads carry: short, since the kernel keeps 15 bytes of a thread's name.
    fn name(self) -> &'static str {
        match self {
            Self::Closed { .. } | Self::Count { .. } => "full",
            Self::Open { .. } => "open",
            Self::Herd(_) => "herd",
            Self::Recorded => "replay",
        }
    }
}

/// What the threads need to know.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) session: &'a Session,
    pub(crate) layout: &'a Layout,
    pub(crate) clock: &'a TscClock,
    pub(crate) content: &'a Content,
    pub(crate) read: Read,
    pub(crate) batch: u64,
    /// Whether consumers wait in the engine rather than poll on.
    pub(crate) waits: bool,
    /// Consumers per subscription.
    pub(crate) consumers: usize,
    /// The next number of each publisher.
    pub(crate) bases: &'a [u64],
    pub(crate) keying: &'a Keying,
    /// When each message is due, for [`Load::Recorded`].
    pub(crate) recorded: Option<&'a Arc<[u64]>>,
    /// Whether to note when each message was acked last.
    pub(crate) acks: bool,
    /// Whether to time each publish call of a closed loop.
    pub(crate) timed: bool,
    pub(crate) inject: Option<Inject>,
}

/// What a sample measured.
#[derive(Debug)]
pub(crate) struct Sample {
    /// From the first publish (or the first due time) to the last delivery, in nanoseconds.
    pub(crate) nanos: u64,
    /// From the first publish to when the last one had returned.
    pub(crate) publishing: u64,
    /// Sent by each publisher.
    pub(crate) sent: Vec<u64>,
    /// Due, but not sent when the time was up.
    pub(crate) unsent: u64,
    /// The books of each cursor.
    pub(crate) books: Vec<Book>,
    /// Absent when the load carried no times.
    pub(crate) latency: Option<Recorder>,
    /// How long each publish call took, if that was timed.
    pub(crate) calls: Option<Recorder>,
    /// When each message was acked last, if that was noted.
    pub(crate) acks: Option<LastAcks>,
    /// What went wrong in single publish calls.
    pub(crate) refusals: Vec<String>,
    pub(crate) backlog: Backlog,
    pub(crate) noise: Noise,
    pub(crate) publishers: ThreadUse,
    pub(crate) consumers: ThreadUse,
    /// Whether every thread is where the layout put it.
    pub(crate) pinned: bool,
    /// Whether everything sent had arrived when the consumers stopped.
    pub(crate) drained: bool,
    /// As how many messages each counts: 1, but for an injected fault.
    factor: f64,
}

impl Sample {
    /// Messages sent by all publishers.
    pub(crate) fn total(&self) -> u64 {
        self.sent.iter().sum()
    }

    /// Messages that every subscription received: fewer than were sent where a policy drops some.
    pub(crate) fn delivered(&self) -> u64 {
        let mut received = BTreeMap::new();
        for book in &self.books {
            *received.entry(book.subscription).or_insert(0) += book.received();
        }
        received.into_values().min().unwrap_or(0)
    }

    /// Deliveries that all subscriptions received together.
    pub(crate) fn deliveries(&self) -> u64 {
        self.books.iter().map(Book::received).sum()
    }

    /// Deliveries that were to be made to `subscriptions`.
    pub(crate) fn expected(&self, subscriptions: usize) -> u64 {
        self.total() * num::count(subscriptions)
    }

    /// Delivered messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.factor * num::float(self.delivered()) * 1e9 / num::float(self.nanos.max(1))
    }

    /// Published messages a second, however long they took to arrive.
    pub(crate) fn publish_rate(&self) -> f64 {
        self.factor * num::float(self.total()) * 1e9 / num::float(self.publishing.max(1))
    }
}

/// What the coordinator shows while it waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    /// Received by the first subscription since the sample began.
    pub(crate) received: u64,
    /// Nanoseconds since the sample began.
    pub(crate) elapsed: u64,
    /// A recent latency in nanoseconds.
    pub(crate) latency: Option<u64>,
}

/// What a role thread hands in when it is done.
enum Report {
    Publisher { published: Published, ended: u64, used: ThreadUse, pinned: bool },
    Consumer { consumed: Consumed, cursors: Vec<usize>, inbox: Box<Inbox>, used: ThreadUse, pinned: bool },
}

/// What the publishers of a thread did.
struct Published {
    /// What each publisher sent.
    lanes: Vec<(usize, u64)>,
    unsent: u64,
    /// When the first message was sent or due.
    began: u64,
    /// When the last one was sent, if that is not when the thread was done.
    ended: Option<u64>,
    gaps: Gaps,
    calls: Option<Recorder>,
    refusals: Vec<String>,
}

/// Runs one sample. `watch` is called about once a second.
pub(crate) fn run(stage: &Stage<'_>, load: Load, watch: &mut dyn FnMut(View)) -> Result<Sample, Fault> {
    let layout = stage.layout;
    let cpus = layout.cpus();
    let roles: Vec<_> = layout.consumers.iter().flat_map(|seat| seat.roles.iter().copied()).collect();
    let shared = Shared::new(layout.publishers.len(), roles);
    let before = layout.pair().and_then(|(first, second)| noise::distance(first, second, stage.clock));
    let stolen = StealMeter::read(&cpus);
    let reports = std::thread::scope(|scope| {
        let (submit, reports) = mpsc::channel();
        for thread in 0..layout.publishers.len() {
            let (submit, shared) = (submit.clone(), &shared);
            let role = move || hand_in(&submit, || roles::publisher(stage, shared, thread, load));
            spawn(scope, Role::Publisher.thread_name(load.name()), role);
        }
        let mut first = 0;
        for seat in &layout.consumers {
            let cursors: Vec<usize> = (first..first + seat.roles.len()).collect();
            first += seat.roles.len();
            let (submit, shared) = (submit.clone(), &shared);
            let role = move || hand_in(&submit, || roles::consumer(stage, shared, seat.cpu, cursors, load));
            spawn(scope, Role::Consumer.thread_name(load.name()), role);
        }
        drop(submit);
        start(stage, &shared);
        let collected = collect(stage, &shared, load, &reports, watch);
        if collected.is_err() {
            // Whoever waits in the engine for a thread that is gone must not wait for ever.
            stage.session.abort();
        }
        collected
    })?;
    let stolen = stolen.zip(StealMeter::read(&cpus)).and_then(|(before, after)| before.percent_until(&after));
    let after = layout.pair().and_then(|(first, second)| noise::distance(first, second, stage.clock));
    Ok(assemble::assemble(
        stage,
        load,
        reports,
        Noise {
            steal_percent: stolen,
            placement_before_ns: before,
            placement_after_ns: after,
            ..Noise::default()
        },
    ))
}

/// Starts a thread with a name, by which profiles tell roles and loads apart.
fn spawn<'scope>(scope: &'scope Scope<'scope, '_>, name: String, role: impl FnOnce() + Send + 'scope) {
    let spawned = std::thread::Builder::new().name(name).spawn_scoped(scope, role);
    drop(spawned.expect("the system gives a sample its threads"));
}

/// Runs a role and submits its report, also when it panics.
fn hand_in(submit: &mpsc::Sender<Result<Report, Fault>>, role: impl FnOnce() -> Result<Report, Fault>) {
    let report = catch_unwind(AssertUnwindSafe(role)).unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Fault::new(format!("a thread of the harness panicked: {}", text.unwrap_or("no message"))))
    });
    // The coordinator may have left already, with another thread's fault.
    submit.send(report).unwrap_or(());
}

/// Waits until all threads are ready and gives them their common start.
fn start(stage: &Stage<'_>, shared: &Shared) {
    let threads = num::count(stage.layout.publishers.len() + stage.layout.consumers.len());
    let patience = stage.clock.now() + num::nanos(watchdog::PATIENCE);
    while shared.ready.get() < threads && stage.clock.now() < patience {
        clock::sleep(Duration::from_micros(200));
    }
    shared.start.raise(stage.clock.now() + LEAD);
}

/// Waits for the reports, looking up once a second.
fn collect(
    stage: &Stage<'_>,
    shared: &Shared,
    load: Load,
    reports: &mpsc::Receiver<Result<Report, Fault>>,
    watch: &mut dyn FnMut(View),
) -> Result<Vec<Report>, Fault> {
    let begun = stage.clock.now();
    let mut watchdog = match load {
        Load::Closed { length, .. } | Load::Open { length, .. } => Some(Watchdog::new(length)),
        // What ends when it has sent what it has, however long that takes.
        Load::Count { .. } | Load::Herd(_) | Load::Recorded => None,
    };
    let mut collected = Vec::new();
    let mut next_look = begun + 1_000_000_000;
    loop {
        let now = stage.clock.now();
        match reports.recv_timeout(Duration::from_nanos(next_look.saturating_sub(now))) {
            Ok(report) => collected.push(report?),
            Err(RecvTimeoutError::Disconnected) => return Ok(collected),
            Err(RecvTimeoutError::Timeout) => {
                let elapsed = stage.clock.now() - begun;
                let arrived = || shared.received.iter().map(Gauge::get).sum();
                if watchdog.as_mut().is_some_and(|watchdog| watchdog.gives_up(elapsed, arrived())) {
                    return Err(Fault::new(format!(
                        "a sample did not end within {}, and nothing arrives any more: the machine is too busy, or somebody \
                         waits who should not; run it again on a quieter one",
                        num::seconds(elapsed)
                    )));
                }
                let latency = Some(shared.latency.get()).filter(|latency| *latency > 0);
                watch(View { received: shared.received(0), elapsed, latency });
                next_look += 1_000_000_000;
            }
        }
    }
}
