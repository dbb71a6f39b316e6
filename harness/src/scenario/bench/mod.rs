//! What every scenario stands on: the engine under test, the seats, and the books.

mod closing;
mod content;

pub(crate) use content::content;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::bandwidth;
use crate::cli::settings::Settings;
use crate::cli::{OverflowPolicy, Scenario, Wait};
use crate::clock::TscClock;
use crate::driver::{Session, Setup};
use crate::fault::Fault;
use crate::inbox::{self, Book, Content};
use crate::interrupt;
use crate::keys::Keying;
use crate::ledger::Tally;
use crate::limits::Limits;
use crate::memory;
use crate::noise::{Noise, ThreadMeter};
use crate::num;
use crate::overhead::Overhead;
use crate::pin::{self, CursorRole, Layout};
use crate::report::progress::Progress;
use crate::result::metrics::MemoryBandwidth;
use crate::sample::{self, Load, Sample, Stage};
use crate::scenario::pace;

/// How often a sample that the machine disturbed is taken again, and how many times in a run, so that a run on a bad day
/// still ends.
const RETAKES: u64 = 2;
const RETAKES_PER_RUN: u64 = 5;
/// With fewer messages, how fast they were published cannot be told from the length of a clock read.
const FEW: u64 = 64;
/// The share of disturbed samples above which a run is called noisy.
pub(crate) const DISTURBED: f64 = 0.25;

/// See the module.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) settings: &'a Settings,
    clock: TscClock,
    layout: Layout,
    session: Session,
    content: Content,
    keying: Keying,
    pub(crate) limits: Limits,
    overhead: Overhead,
    progress: &'a mut Progress,
    coordinator: ThreadMeter,
    /// The next number of each publisher.
    bases: Vec<u64>,
    /// The books of each subscription so far, warm-up included.
    tallies: Vec<Tally>,
    /// Noise of the samples that count.
    noise: Vec<Noise>,
    /// How many samples were taken again.
    retakes: u64,
    pinned: bool,
    publishers_cpu: Option<u64>,
    consumers_cpu: Option<u64>,
    /// Due times for a load that is replayed.
    recorded: Option<Arc<[u64]>>,
    /// Whether to note the last ack of each message, and to time each publish call, from now on.
    acks: bool,
    timed: bool,
    /// Allocations while samples ran, and the messages of those samples.
    allocations: (u64, u64),
}

impl<'a> Bench<'a> {
    /// Builds the topic and seats the roles.
    pub(crate) fn open(settings: &'a Settings, progress: &'a mut Progress) -> Result<Self, Fault> {
        memory::forget_peak();
        let clock = TscClock::new();
        let cursors: Vec<CursorRole> = (0..settings.subscriptions)
            .flat_map(|subscription| (0..settings.consumers).map(move |_| CursorRole { subscription }))
            .collect();
        let layout = match settings.scenario {
            // One seat from which the whole herd is released.
            Scenario::ThunderingHerd => Layout::herd(settings.publishers, &cursors, pin::available()),
            _ => Layout::new(settings.publishers, &cursors, &settings.pin, pin::available()),
        };
        let pinned = pin::pin(layout.coordinator);
        let (content, length, keying) = content(settings);
        // What nobody reads is not stored, and is written into one and the same buffer.
        let slots = if settings.subscriptions == 0 { 1 } else { settings.ring };
        let limits = Limits::measure(&clock, length, slots, layout.publishers.len());
        let overhead = Overhead::measure(&clock, &content, settings.read);
        let session = Session::open(&Setup {
            ring: settings.ring,
            shards: settings.shards,
            wait: settings.wait,
            overflow: settings.overflow,
            subscriptions: settings.subscriptions,
            mode: settings.mode,
            keyed: keying.keyed(),
        })?;
        Ok(Self {
            settings,
            clock,
            layout,
            session,
            content,
            keying,
            limits,
            overhead,
            progress,
            coordinator: ThreadMeter::read(),
            bases: vec![0; settings.publishers],
            tallies: vec![Tally::default(); settings.subscriptions],
            noise: Vec::new(),
            retakes: 0,
            pinned,
            publishers_cpu: None,
            consumers_cpu: None,
            recorded: None,
            acks: false,
            timed: false,
            allocations: (0, 0),
        })
    }

    /// From now on messages of a [`Load::Recorded`] are due at these times, in nanoseconds after its start.
    pub(crate) fn replay_at(&mut self, offsets: &Arc<[u64]>) {
        self.recorded = Some(Arc::clone(offsets));
    }

    /// Whether samples note the last ack of each message from now on: for few messages only.
    pub(crate) fn note_acks(&mut self, on: bool) {
        self.acks = on;
    }

    /// From now on each publish call of a closed loop is timed.
    pub(crate) fn time_calls(&mut self) {
        self.timed = true;
    }

    /// What memory carries.
    pub(crate) fn memory_bandwidth(&mut self) -> MemoryBandwidth {
        self.progress.begin("memory bandwidth");
        let measured = bandwidth::measure(&self.clock);
        // Its buffers are no part of what the scenario needs.
        memory::forget_peak();
        measured
    }

    /// The clock of the run.
    pub(crate) fn clock(&self) -> &TscClock {
        &self.clock
    }

    /// Messages that a sample sends at least, per publisher.
    pub(crate) fn least(&self) -> u64 {
        self.settings.least().div_ceil(num::count(self.settings.publishers))
    }

    /// A closed loop of this length, or as long as it takes to send four rings' worth, without times.
    pub(crate) fn closed_loop(&self, length: Duration) -> Load {
        Load::Closed { length, messages: self.least(), stamped: false }
    }

    /// An open loop at `rate`, of a sample's length, or as long as it takes to send four rings' worth.
    pub(crate) fn open_loop(&self, rate: f64) -> Load {
        self.open_loop_for(rate, self.settings.sample)
    }

    /// As above, but of this length.
    pub(crate) fn open_loop_for(&self, rate: f64, length: Duration) -> Load {
        Load::Open { rate, length: pace::open_loop(self.settings, rate, length) }
    }

    /// Load that is timed and discarded. Returns how long it took, in nanoseconds.
    pub(crate) fn warm_up(&mut self, load: impl FnOnce(Duration) -> Load) -> Result<u64, Fault> {
        if self.settings.warmup.is_zero() {
            return Ok(0);
        }
        Ok(self.run("warm-up", load(self.settings.warmup))?.nanos)
    }

    /// A sample that counts. One that the machine disturbed is taken again, at most twice; how often is reported.
    pub(crate) fn sample(&mut self, label: &str, load: Load) -> Result<Sample, Fault> {
        let mut sample = self.run(label, load)?;
        // Where threads share a CPU they wait for each other, and taking the sample again changes nothing.
        let most = if self.layout.polite { 0 } else { RETAKES };
        let limit = RETAKES_PER_RUN.min(self.retakes + most);
        while self.retakes < limit && !sample.noise.reasons().is_empty() {
            self.retakes += 1;
            self.progress.expect_more(Duration::from_nanos(sample.nanos));
            sample = self.run(label, load)?;
        }
        self.noise.push(sample.noise.clone());
        Ok(sample)
    }

    /// A sample that counts, taken once whatever the machine did to it.
    pub(crate) fn sample_once(&mut self, label: &str, load: Load) -> Result<Sample, Fault> {
        let sample = self.run(label, load)?;
        self.noise.push(sample.noise.clone());
        Ok(sample)
    }

    /// Runs a load and enters what became of it in the books.
    fn run(&mut self, label: &str, load: Load) -> Result<Sample, Fault> {
        let stage = Stage {
            session: &self.session,
            layout: &self.layout,
            clock: &self.clock,
            content: &self.content,
            read: self.settings.read,
            batch: self.settings.batch,
            waits: self.settings.wait != Wait::Spin,
            consumers: self.settings.consumers,
            bases: &self.bases,
            keying: &self.keying,
            recorded: self.recorded.as_ref(),
            acks: self.acks,
            timed: self.timed,
            inject: self.settings.inject,
        };
        let allocations = memory::allocations();
        let progress = &mut *self.progress;
        progress.begin(label);
        let sample = sample::run(&stage, load, &mut |view| progress.look(view))?;
        progress.end(sample.total(), sample.nanos);
        self.allocations.0 += memory::allocations() - allocations;
        self.allocations.1 += sample.total();
        self.pinned &= sample.pinned;
        for (cpu, used) in [
            (&mut self.publishers_cpu, sample.publishers.cpu),
            (&mut self.consumers_cpu, sample.consumers.cpu),
        ] {
            *cpu = cpu.unwrap_or(0).checked_add(used.unwrap_or(0)).filter(|_| used.is_some());
        }
        self.enter(&sample);
        if interrupt::requested() {
            return Err(Fault::interrupted());
        }
        if !sample.drained && self.tallies.iter().any(|tally| tally.lost() > 0) {
            let lost = num::grouped(self.tallies.iter().map(Tally::lost).max().unwrap_or(0));
            let why = match self.settings.overflow {
                OverflowPolicy::Detach => ", since --overflow detach gave up a subscription that fell behind",
                OverflowPolicy::Block | OverflowPolicy::DropOldest => "",
            };
            return Err(Fault::new(format!("{label}: {lost} messages never arrived{why}")));
        }
        let written = matches!(self.content, Content::Generated(_));
        let arrived = (self.settings.subscriptions > 0).then(|| sample.rate());
        let published = Some(sample.publish_rate()).filter(|_| sample.total() >= FEW);
        let mut rates = arrived.into_iter().chain(published);
        match rates.find_map(|rate| self.limits.refuse(rate, written)) {
            Some(reason) => Err(Fault::new(format!("{label}: {reason}"))),
            None => Ok(sample),
        }
    }

    fn enter(&mut self, sample: &Sample) {
        let mut books: BTreeMap<usize, Vec<Book>> = BTreeMap::new();
        for book in &sample.books {
            books.entry(book.subscription).or_default().push(book.clone());
        }
        for (subscription, books) in books {
            let tally = &mut self.tallies[subscription];
            tally.add(&inbox::close(&books, &sample.sent));
            tally.dropped = self.session.dropped(subscription);
        }
        for (base, sent) in self.bases.iter_mut().zip(&sample.sent) {
            *base += sent;
        }
    }

    /// The mean payload length in bytes.
    pub(crate) fn mean_length(&self) -> f64 {
        self.content.mean_length()
    }

    /// Tells why something is done once more, and how much longer it takes.
    pub(crate) fn again(&mut self, reasons: &[String], time: Duration) {
        self.progress.note(&format!("searching again: {}", reasons.join("; ")));
        self.progress.expect_more(time);
    }
}
