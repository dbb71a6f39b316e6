//! What every scenario stands on: the engine under test, the seats, and the books.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Outcome;
use crate::cli::payloads::Payload;
use crate::cli::settings::{RINGS, Settings};
use crate::cli::{OverflowPolicy, Wait};
use crate::clock::TscClock;
use crate::driver::{self, Session, Setup};
use crate::environment::Environment;
use crate::fault::Fault;
use crate::inbox::{self, Book, Content};
use crate::ledger::Tally;
use crate::limits::Limits;
use crate::memory::{self, Memory};
use crate::noise::{Noise, ThreadMeter};
use crate::num;
use crate::overhead::Overhead;
use crate::payload::Pattern;
use crate::pin::{self, CursorRole, Layout};
use crate::report::progress::Progress;
use crate::result::{Account, NoiseReport, Ran, Threads};
use crate::sample::{self, Load, Sample, Stage};
use crate::shared::Stamps;

/// How often a sample that the machine disturbed is taken again, and how many times in a run, so that a run on a
/// bad day still ends.
const RETAKES: usize = 2;
const RETAKES_PER_RUN: u64 = 5;
/// The share of disturbed samples above which a run is called noisy.
const DISTURBED: f64 = 0.25;

/// See the module.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) settings: &'a Settings,
    clock: TscClock,
    layout: Layout,
    session: Session,
    content: Content,
    limits: Limits,
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
    /// Allocations while samples ran, and the messages of those samples.
    allocations: (u64, u64),
}

impl<'a> Bench<'a> {
    /// Builds the topic and seats the roles.
    pub(crate) fn open(settings: &'a Settings, progress: &'a mut Progress) -> Result<Self, Fault> {
        let clock = TscClock::new();
        let cursors: Vec<CursorRole> = (0..settings.subscriptions)
            .flat_map(|subscription| (0..settings.consumers).map(move |_| CursorRole { subscription }))
            .collect();
        let layout = Layout::new(settings.publishers, &cursors, &settings.pin, pin::available());
        let pinned = pin::pin(layout.coordinator);
        let (content, length) = content(settings);
        let limits = Limits::measure(&clock, length, settings.ring, layout.publishers.len());
        let overhead = Overhead::measure(&clock, &content, settings.read);
        let session = Session::open(&Setup {
            ring: settings.ring,
            shards: settings.shards,
            wait: settings.wait,
            overflow: settings.overflow,
            subscriptions: settings.subscriptions,
            mode: settings.mode,
        })?;
        Ok(Self {
            settings,
            clock,
            layout,
            session,
            content,
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
            allocations: (0, 0),
        })
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

    /// Load that is timed and discarded. Returns how long it took.
    pub(crate) fn warm_up(&mut self, load: impl FnOnce(Duration) -> Load) -> Result<u64, Fault> {
        if self.settings.warmup.is_zero() {
            return Ok(0);
        }
        let sample = self.run("warm-up", load(self.settings.warmup))?;
        Ok(sample.nanos)
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
        if !sample.drained && self.tallies.iter().any(|tally| tally.lost() > 0) {
            let lost = num::grouped(self.tallies.iter().map(Tally::lost).max().unwrap_or(0));
            let why = match self.settings.overflow {
                OverflowPolicy::Detach => ", since --overflow detach gave up a subscription that fell behind",
                OverflowPolicy::Block | OverflowPolicy::DropOldest => "",
            };
            return Err(Fault::new(format!("{label}: {lost} messages never arrived{why}")));
        }
        let published = num::float(sample.total()) * 1e9 / num::float(sample.nanos.max(1));
        let written = matches!(self.content, Content::Generated(_));
        let rates = [sample.rate(), published];
        match rates.into_iter().find_map(|rate| self.limits.refuse(rate)).filter(|_| written) {
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

    /// Closes the books against the engine's counters and puts the result together.
    pub(crate) fn close(self, outcome: Result<Outcome, Fault>) -> Result<Ran, Fault> {
        let mut errors = Vec::new();
        let accounts: Vec<Account> =
            (0..self.tallies.len()).map(|subscription| self.account(subscription)).collect();
        for account in &accounts {
            errors.extend(account.faults.iter().cloned());
        }
        let accepted = self.tallies.first().map_or(0, |tally| tally.accepted);
        let published = self.session.published();
        if outcome.is_ok() && published != accepted {
            errors.push(format!(
                "the engine counts {} published, the harness {}",
                num::grouped(published),
                num::grouped(accepted)
            ));
        }
        let mut doubts = Vec::new();
        let outcome = match outcome {
            Ok(mut outcome) => {
                errors.extend(std::mem::take(&mut outcome.failures));
                doubts.append(&mut outcome.doubts);
                Some(outcome)
            }
            Err(fault) => {
                errors.push(fault.to_string());
                None
            }
        };
        if !self.pinned {
            doubts.push("the system refused to pin a thread".to_owned());
        }
        let coordinator = self.coordinator.used_until(&ThreadMeter::read());
        Ok(Ran {
            environment: Environment::read(&self.layout, self.pinned, driver::ENGINE_VERSION),
            noise: NoiseReport::new(&self.noise, self.retaken, doubts, DISTURBED),
            memory: Memory::read(),
            threads: Threads::new(coordinator.cpu, self.publishers_cpu, self.consumers_cpu),
            overhead: self.overhead,
            allocations_per_message: (self.allocations.1 > 0)
                .then(|| num::float(self.allocations.0) / num::float(self.allocations.1)),
            accounts,
            errors,
            outcome,
        })
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

/// What payloads are made of, and how long the longest is.
fn content(settings: &Settings) -> (Content, usize) {
    match &settings.payload {
        Payload::Generated(length) => (Content::Generated(Arc::new(Pattern::new(*length))), *length),
        Payload::Input { lines, .. } => {
            // Twice the ring covers what is in it and what a turn has taken out of it.
            let in_flight = 4 * settings.ring * settings.shards;
            (Content::Lines(Arc::clone(lines), Arc::new(Stamps::new(in_flight))), lines.longest())
        }
    }
}
