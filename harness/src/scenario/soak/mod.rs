//! `soak`: half the capacity for long, with everything coming and going.
//!
//! First the capacity: what the whole cast (see [`cast`]) settles when publishers do not hold back. Then half of
//! that for `--duration`, with handlers that panic, deliveries that are nacked or forgotten, dead letters, consumers,
//! publishers and subscriptions that come and go, and more threads than CPUs. Passes when the ledger of every
//! subscription balances, by the engine's counters and by the books kept here, and resident memory grows by less
//! than a tenth (and some megabytes, see `trend`) after its plateau. A run too short to tell fails, and one on a system that
//! does not tell resident memory is in doubt. Memory and latency are also told over time.

mod accounts;
mod books;
mod cast;
mod timetable;
mod trend;

pub(crate) use accounts::DEAD_LETTERS;
pub(crate) use books::{Desk, Fate, Kind, Settled};
pub(crate) use trend::{LIMIT, SLACK, is_too_much};

use std::time::Duration;

use self::accounts::accounts;
use self::books::{Books, Told};
use self::cast::{Cast, GENERATION, Phase, Stacks};
use self::trend::{Objection, Trend};
use super::Outcome;
use super::bench::{self, DISTURBED};
use crate::cli::settings::Settings;
use crate::cli::units::Capacity;
use crate::clock::TscClock;
use crate::driver::world::{Staged, SubscriptionStats, World};
use crate::driver::{self, Setup};
use crate::environment::Environment;
use crate::fault::Fault;
use crate::inbox::Content;
use crate::interrupt;
use crate::latency::{Recorder, Summary};
use crate::memory::{self, Memory};
use crate::noise::{Noise, StealMeter, ThreadMeter};
use crate::num;
use crate::overhead::Overhead;
use crate::pin::{self, CursorRole, Layout, Pinning};
use crate::report::progress::Progress;
use crate::result::metrics::{self, LatencyWindow, MemorySample, ScenarioMetrics};
use crate::result::{NoiseReport, Ran, Threads};
use crate::sample::View;
use crate::shared::Gauge;

/// The load, as a share of the capacity.
const SHARE: f64 = 0.5;
/// Runs of which the median is the capacity.
const SEARCHES: usize = 3;
/// Samples of memory, and windows of latency, over the whole run.
const SAMPLES: u64 = 120;
const WINDOWS: u64 = 20;

/// How long each run for the capacity takes.
fn search_length(settings: &Settings) -> Duration {
    Duration::from_millis(if settings.quick { 500 } else { 1_500 })
}

/// Runs the soak from beginning to end.
pub(crate) fn run(settings: &Settings, progress: &mut Progress) -> Result<Ran, Fault> {
    silence_staged_panics();
    memory::forget_peak();
    let clock = TscClock::new();
    let (content, _, _) = bench::content(settings);
    let Content::Generated(patterns) = &content else {
        return Err(Fault::new("a soak publishes written payloads only"));
    };
    let overhead = Overhead::measure(&clock, &content, settings.read);
    let world = World::open(&setup(settings), (**patterns).clone())?;
    let books = Books::new(settings.subscriptions);
    let next: Vec<Gauge> = (0..settings.publishers).map(|_| Gauge::default()).collect();
    let cast = Cast {
        world: &world,
        books: &books,
        clock: &clock,
        subscriptions: settings.subscriptions,
        consumers: pin::available().len().max(1) + 1,
        next: &next,
        visits: &Gauge::default(),
        generation: GENERATION,
        stacks: Stacks::USUAL,
    };
    let coordinator = ThreadMeter::read();
    let allocations = memory::allocations();
    let steal = StealMeter::read(pin::available());
    let mut course = Course::new(settings.sample);
    let soaked = soak(settings, &cast, &mut course, progress);
    let steal = steal
        .zip(StealMeter::read(pin::available()))
        .and_then(|(before, after)| before.percent_until(&after));
    let allocations = (memory::allocations() - allocations, world.published());
    let told = std::mem::take(&mut *books.open());
    let layout = layout(settings, &cast);
    let mut ran = Ran {
        environment: Environment::read(&layout, true, driver::ENGINE_VERSION),
        noise: NoiseReport::new(
            &[Noise { steal_percent: steal, ..Noise::default() }],
            0,
            Vec::new(),
            DISTURBED,
        ),
        memory: Memory::read(),
        threads: Threads::new(coordinator.used_until(&ThreadMeter::read()).cpu, None, None),
        overhead,
        allocations,
        accounts: accounts(&world, &told),
        errors: Vec::new(),
        outcome: None,
        incomplete: interrupt::requested(),
    };
    ran.errors.extend(told.faults.iter().cloned());
    ran.errors.extend(ran.accounts.iter().flat_map(|account| account.faults.clone()));
    match soaked {
        Ok(soaked) => {
            ran.conclude(outcome(settings, soaked, course, &told, &world, cast.threads()));
        }
        Err(fault) if !ran.errors.contains(&fault.to_string()) => ran.errors.push(fault.to_string()),
        Err(_) => {}
    }
    if interrupt::requested() {
        ran.errors.push(Fault::interrupted().to_string());
    }
    ran.errors.dedup();
    Ok(ran)
}

/// What was measured: the capacity, each search for it if it was not given, and the soak itself.
#[derive(Debug)]
struct Soaked {
    capacity: f64,
    searches: Vec<f64>,
    phase: Phase,
}

/// The capacity, then half of it.
fn soak(
    settings: &Settings,
    cast: &Cast<'_>,
    course: &mut Course,
    progress: &mut Progress,
) -> Result<Soaked, Fault> {
    progress.begin("warm-up");
    cast.play(None, settings.warmup, &mut |_| {})?;
    let mut searches = Vec::new();
    let capacity = match settings.capacity {
        Capacity::Given(rate) => rate,
        Capacity::Auto => {
            while searches.len() < SEARCHES && !interrupt::requested() {
                progress.begin(&format!("capacity, {} of {SEARCHES}", searches.len() + 1));
                let phase = cast.play(None, search_length(settings), &mut |_| {})?;
                progress.end(phase.published, phase.nanos);
                searches.push(phase.rate());
            }
            num::median(&searches).filter(|rate| *rate >= 2.0).ok_or_else(Fault::interrupted)?
        }
    };
    if interrupt::requested() {
        return Err(Fault::interrupted());
    }
    // What was fastest says nothing of what half of it is like.
    cast.books.open().latency = None;
    let rate = capacity * SHARE;
    progress.begin(&format!("soak at {}/s", num::signed(rate)));
    let (before, mut shown) = (cast.world.published(), 0);
    let phase = cast.play(Some(rate), settings.sample, &mut |elapsed| {
        course.look(elapsed, cast.books);
        if elapsed >= shown + 1_000_000_000 {
            shown = elapsed;
            let received = cast.world.published() - before;
            progress.look(View { received, elapsed, latency: None });
        }
    })?;
    course.close(phase.nanos, cast.books);
    Ok(Soaked { capacity, searches, phase })
}

/// Memory and latency over time.
#[derive(Debug)]
struct Course {
    every: u64,
    window: u64,
    next: u64,
    next_window: u64,
    memory: Trend,
    windows: Vec<LatencyWindow>,
    latency: Recorder,
}

impl Course {
    fn new(length: Duration) -> Self {
        let nanos = num::nanos(length);
        let (every, window) = ((nanos / SAMPLES).max(1), (nanos / WINDOWS).max(1));
        Self {
            every,
            window,
            next: 0,
            next_window: window,
            memory: Trend::default(),
            windows: Vec::new(),
            latency: Recorder::new(),
        }
    }

    fn look(&mut self, elapsed: u64, books: &Books) {
        if elapsed >= self.next {
            self.next = elapsed + self.every;
            if let Some(rss) = memory::resident() {
                let at_ms = num::millis(num::float(elapsed));
                self.memory.samples.push(MemorySample { at_ms, rss, heap_used: memory::heap_used() });
            }
        }
        if elapsed >= self.next_window {
            self.next_window += self.window;
            self.close(elapsed, books);
        }
    }

    /// Ends a window.
    fn close(&mut self, elapsed: u64, books: &Books) {
        let Some(latency) = books.open().latency.take() else { return };
        self.latency.merge(&latency);
        let until_ms = num::millis(num::float(elapsed));
        // Without what was recorded, a quarter of a megabyte each: it would be taken for growth of what is soaked.
        let latency = Summary { recorded: None, ..latency.summary() };
        self.windows.push(LatencyWindow { until_ms, latency });
    }
}

fn setup(settings: &Settings) -> Setup {
    Setup {
        ring: settings.ring,
        shards: settings.shards,
        wait: settings.wait,
        overflow: settings.overflow,
        subscriptions: settings.subscriptions,
        mode: settings.mode,
        keyed: false,
    }
}

/// For the environment only: all threads, and nobody pinned.
fn layout(settings: &Settings, cast: &Cast<'_>) -> Layout {
    let consumers = cast.threads() - settings.publishers;
    Layout::new(
        settings.publishers,
        &vec![CursorRole { subscription: 0 }; consumers],
        &Pinning::Off,
        pin::available(),
    )
}

fn outcome(
    settings: &Settings,
    soaked: Soaked,
    course: Course,
    told: &Told,
    world: &World,
    threads: usize,
) -> Outcome {
    let Course { memory, windows, latency, .. } = course;
    let Soaked { capacity, searches, phase } = soaked;
    let (failures, doubts) = match memory.verdict() {
        // One that was interrupted has failed for that, and could not see enough.
        Err(Objection::Failure(text)) if memory.grows() || !interrupt::requested() => (vec![text], vec![]),
        Err(Objection::Doubt(text)) => (vec![], vec![text]),
        Ok(()) | Err(Objection::Failure(_)) => (vec![], vec![]),
    };
    let stats: Vec<SubscriptionStats> = (0..settings.subscriptions).map(|one| world.stats(one)).collect();
    let sum = |of: fn(&SubscriptionStats) -> u64| stats.iter().map(of).sum();
    Outcome {
        messages_per_sec: phase.rate(),
        nanos: phase.nanos,
        latency: Some(latency.summary()),
        failures,
        doubts,
        metrics: ScenarioMetrics::Soak(Box::new(metrics::Soak {
            capacity,
            capacity_samples: searches,
            offered_rate: capacity * SHARE,
            unsent: Some(told.unsent).filter(|unsent| *unsent > 0),
            threads,
            consumers: told.consumers,
            publishers: told.publishers,
            visiting_subscriptions: told.subscriptions,
            panics: sum(|stats| stats.panics),
            nacked: sum(|stats| stats.nacked),
            expired: sum(|stats| stats.expired),
            redelivered: sum(|stats| stats.redelivered),
            dead_lettered: sum(|stats| stats.dead_lettered),
            plateau_rss: memory.plateau_and_end().map(|(plateau, _)| plateau),
            end_rss: memory.plateau_and_end().map(|(_, end)| end),
            rss_growth: memory.growth(),
            memory_over_time: memory.samples,
            latency_over_time: windows,
        })),
    }
}

/// Has the panic hook pass over panics that belong to the soak; any other is shown as always.
fn silence_staged_panics() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Staged>() {
            shown(info);
        }
    }));
}

/// How long it takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let searching = match settings.capacity {
        Capacity::Auto => search_length(settings) * u32::try_from(SEARCHES).unwrap_or(u32::MAX),
        Capacity::Given(_) => Duration::ZERO,
    };
    settings.warmup + searching + settings.sample
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    let capacity = match settings.capacity {
        Capacity::Auto => format!("capacity: {SEARCHES} closed loops of {:?}", search_length(settings)),
        Capacity::Given(rate) => format!("capacity: {}/s as given", num::signed(rate)),
    };
    vec![
        capacity,
        format!(
            "{:.0} % of it for {:?}: panics, nacks, forgotten leases, dead letters; consumers, publishers and \
             subscriptions come and go",
            SHARE * 100.0,
            settings.sample
        ),
    ]
}
