//! What every scenario stands on: the engine under test, the seats, and the books.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Outcome;
use crate::bandwidth;
use crate::cli::payloads::Payload;
use crate::cli::settings::{RINGS, Settings};
use crate::cli::{OverflowPolicy, Scenario, Wait};
use crate::clock::TscClock;
use crate::driver::{self, Session, Setup};
use crate::environment::Environment;
use crate::fault::Fault;
use crate::inbox::{self, Book, Content};
use crate::input::Lines;
use crate::interrupt;
use crate::keys::Keying;
use crate::ledger::Tally;
use crate::limits::Limits;
use crate::memory::{self, Memory};
use crate::mix::Patterns;
use crate::noise::{Noise, ThreadMeter};
use crate::num;
use crate::overhead::Overhead;
use crate::pin::{self, CursorRole, Layout};
use crate::report::progress::Progress;
use crate::result::metrics::MemoryBandwidth;
use crate::result::{Account, NoiseReport, Ran, Threads};
use crate::sample::{self, Load, Sample, Stage};
use crate::shared::Stamps;

/// How often a sample that the machine disturbed is taken again, and how many times in a run, so that a run on a
/// bad day still ends.
const RETAKES: usize = 2;
const RETAKES_PER_RUN: u64 = 5;
/// With fewer messages, how fast they were published cannot be told from the length of a clock read.
const FEW: u64 = 64;
/// The share of disturbed samples above which a run is called noisy.
pub(super) const DISTURBED: f64 = 0.25;
/// Different payloads that are published by reference in turn: enough to tell a swapped one.
const REFERENCED: usize = 16;

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
    retaken: u64,
    pinned: bool,
    undrained: u64,
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
            retaken: 0,
            pinned,
            undrained: 0,
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
        let slots = num::count(self.settings.ring * self.settings.shards);
        (RINGS * slots).div_ceil(num::count(self.settings.publishers))
    }

    /// An open loop at `rate`: of a sample's length, or as long as it takes to send four rings' worth.
    pub(crate) fn open_loop(&self, rate: f64) -> Load {
        let least = num::float(self.least() * num::count(self.settings.publishers)) / rate;
        let long_enough = Duration::try_from_secs_f64(least).unwrap_or(self.settings.sample);
        // A quick run would rather be quick.
        let length =
            if self.settings.quick { self.settings.sample } else { self.settings.sample.max(long_enough) };
        Load::Open { rate, length }
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
        for _ in 0..if self.layout.polite { 0 } else { RETAKES } {
            if sample.noise.reasons().is_empty() || self.retaken == RETAKES_PER_RUN {
                break;
            }
            self.retaken += 1;
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
        self.undrained += u64::from(!sample.drained);
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

    /// Closes the books of a scenario that is a single part.
    pub(crate) fn close(self, outcome: Result<Outcome, Fault>) -> Ran {
        match outcome {
            Ok(mut outcome) => {
                let doubts = std::mem::take(&mut outcome.doubts);
                let mut ran = self.close_part(None, doubts);
                ran.conclude(outcome);
                ran
            }
            Err(fault) => self.close_part(Some(&fault), Vec::new()),
        }
    }

    /// Closes the books against the engine's counters and puts together all but the outcome. `doubts` are about the machine.
    pub(crate) fn close_part(self, failed: Option<&Fault>, mut doubts: Vec<String>) -> Ran {
        let mut errors = Vec::new();
        let accounts: Vec<Account> =
            (0..self.tallies.len()).map(|subscription| self.account(subscription)).collect();
        for account in &accounts {
            errors.extend(account.faults.iter().cloned());
        }
        let accepted: u64 = self.bases.iter().sum();
        let published = self.session.published();
        // A sample that broke down was not entered in the harness's books.
        if published != accepted && failed.is_none_or(Fault::is_interrupt) {
            errors.push(format!(
                "the engine counts {} published, the harness {}",
                num::grouped(published),
                num::grouped(accepted)
            ));
        }
        let interrupted = interrupt::requested().then(Fault::interrupted);
        errors.extend(failed.or(interrupted.as_ref()).map(Fault::to_string));
        if !self.pinned {
            doubts.push("the system refused to pin a thread".to_owned());
        }
        let coordinator = self.coordinator.used_until(&ThreadMeter::read());
        Ran {
            environment: Environment::read(&self.layout, self.pinned, driver::ENGINE_VERSION),
            noise: NoiseReport::new(&self.noise, self.retaken, doubts, DISTURBED),
            memory: Memory::read(),
            threads: Threads::new(coordinator.cpu, self.publishers_cpu, self.consumers_cpu),
            overhead: self.overhead,
            allocations: self.allocations,
            accounts,
            errors,
            outcome: None,
            incomplete: interrupt::requested(),
        }
    }

    /// One subscription's books beside the engine's.
    fn account(&self, subscription: usize) -> Account {
        let name = format!("subscription {subscription}");
        let tally = self.tallies[subscription];
        let counters = self.session.counters(subscription);
        let mut faults = tally.faults(&name);
        let mut compare = |what: &str, engine: u64, harness: u64| {
            if engine != harness {
                let (engine, harness) = (num::grouped(engine), num::grouped(harness));
                faults.push(format!("{name}: the engine counts {engine} {what}, the harness {harness}"));
            }
        };
        let received = tally.received + tally.duplicated;
        compare("delivered", counters.delivered, received);
        compare("acked", counters.acked, received);
        compare("left in the backlog", counters.backlog, 0);
        Account { name, tally, counters, faults }
    }
}

/// What payloads are made of, how long the longest is, and in what order they arrive.
pub(super) fn content(settings: &Settings) -> (Content, usize, Keying) {
    let dealt = settings.keys.map_or(Keying::Unkeyed, |keys| Keying::Dealt(num::count(keys)));
    // Twice the ring covers what is in it and what a turn has taken out of it.
    let in_flight = 4 * settings.ring * settings.shards;
    let listed = |lines: &Arc<Lines>, referenced| Content::Lines {
        lines: Arc::clone(lines),
        stamps: Arc::new(Stamps::new(in_flight)),
        referenced,
    };
    match &settings.payload {
        Payload::Generated(length) => {
            (Content::Generated(Arc::new(Patterns::single(*length))), *length, dealt)
        }
        Payload::Mixed(mix) => {
            let patterns = Patterns::mixed(&mix.0);
            // The limit is about bytes, so that the mean stands for all.
            let mean = num::index(num::whole(patterns.mean_length()));
            (Content::Generated(Arc::new(patterns)), mean, dealt)
        }
        Payload::Referenced(length) => {
            (listed(&Arc::new(Lines::generated(REFERENCED, *length)), true), *length, Keying::Unkeyed)
        }
        Payload::Input { lines, .. } => {
            let keying = if lines.keyed() { Keying::Lines(Arc::clone(lines)) } else { Keying::Unkeyed };
            (listed(lines, false), lines.longest(), keying)
        }
    }
}
