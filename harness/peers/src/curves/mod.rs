//! `ringmain-peers curves`: what the engine carries as one thing grows and all else stays as it is by default.
//!
//!     ringmain-peers curves --docs docs        all axes, some five minutes; figures, pictures and page rewritten
//!     ringmain-peers curves --only ring,wait   some axes, as text
//!     ringmain-peers curves --quick            whether it works, not how fast; in a debug build, too
//!
//! The points of an axis are contenders of one case, so what `measure` does for those holds here: they take turns, each
//! sample is checked message by message and has a probe of the cache-line distance on either side, and samples are
//! sorted by where the CPUs were.
//!
//! `axis` is the table, `contender` what runs at a point, `reading` what was found; `chart` draws it and `page` tells it.

mod axis;
mod chart;
mod contender;
mod page;
mod reading;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Ticker;
use crate::machine::Cpus;
use crate::measure::{Bench, Plan};
use crate::out::{remark, say};
use axis::{Axis, WAIT};
use reading::Found;

/// What every axis may take, however long those before it took.
const LEAST: Duration = Duration::from_secs(12);
/// A sample of the wait strategies, and how long they may go on. Fifty threads that begin with nothing in cache are a sixth
/// slower within the first tenth of a second, and it is not their beginning that is asked for.
const WAIT_SAMPLE: Duration = Duration::from_secs(1);
const WAIT_LIMIT: Duration = Duration::from_secs(150);

/// What is asked for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Axes to measure, separated by commas; all when absent.
    #[arg(long, value_delimiter = ',', value_parser = axis::NAMES)]
    only: Vec<String>,
    /// Where the documents are: DIR/curves gets a file and a picture an axis, and DIR/SCALING.md, if it is there, the
    /// figures. Nothing is written when absent.
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
    /// Samples of each point in one placement class; 5 when absent, 1 when quick.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeats: Option<u16>,
    /// How long a sample takes, in milliseconds; when absent 100, of `wait` 1,000, and 5 when quick.
    #[arg(long, value_parser = clap::value_parser!(u64).range(5..=60_000))]
    sample_ms: Option<u64>,
    /// How long an axis may go on until its points have their samples, in seconds; when absent 45, `wait` 150, and 4 when quick.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    axis_seconds: Option<u64>,
    /// How long all of them may take together, in seconds.
    #[arg(long, default_value_t = 340, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// A third of the points, but for those that take long, with one short sample each: whether it works, not how fast.
    #[arg(long)]
    quick: bool,
}

/// Measures the axes that were asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let quick = arguments.quick;
    if cfg!(debug_assertions) && !quick {
        return Err("this is a debug build, whose figures mean nothing; build with --release".into());
    }
    let (repeats, sample, limit) = if quick { (1, 5, 4) } else { (5, 100, 45) };
    let plan = Plan {
        repeats: arguments.repeats.map_or(repeats, usize::from),
        sample: Duration::from_millis(arguments.sample_ms.unwrap_or(sample)),
        limit: Duration::from_secs(arguments.axis_seconds.unwrap_or(limit)),
        quick,
    };
    let mut bench = Bench { cpus: Cpus::find()?, ticker: Ticker::new(), plan, harness: None };
    let shortly = if quick { "quick, whether it works and not how fast; " } else { "" };
    let machine = format!("{shortly}{}, {} CPUs", model(), bench.cpus.len());
    let mut axes = axis::all();
    axes.retain(|axis| arguments.only.is_empty() || arguments.only.iter().any(|only| only == axis.name));
    let (begin, all) = (bench.ticker.now(), Duration::from_secs(arguments.seconds));
    let others_left = (0..u32::try_from(axes.len()).unwrap_or(u32::MAX)).rev();
    for (mut axis, others) in axes.into_iter().zip(others_left) {
        let spent = Duration::from_nanos(bench.ticker.nanos(begin, bench.ticker.now()));
        let free = all.saturating_sub(spent).saturating_sub(LEAST * others);
        let is_long = axis.name == WAIT && !quick;
        let own = |long: Duration, given: bool, usual: Duration| if is_long && !given { long } else { usual };
        bench.plan.sample = own(WAIT_SAMPLE, arguments.sample_ms.is_some(), plan.sample);
        let limit = own(WAIT_LIMIT, arguments.axis_seconds.is_some(), plan.limit);
        bench.plan.limit = limit.min(free.max(LEAST));
        if quick {
            axis.thin_out();
        }
        let case = axis.case();
        remark(&format!("{}: {} points", axis.name, case.contenders.len()));
        let start = bench.ticker.now();
        let series = bench.run(&case).map_err(|fault| format!("{}: {fault}", axis.name))?;
        let found = Found::new(&axis, &series, &machine, &today());
        remark(&format!(", {} s\n", bench.ticker.nanos(start, bench.ticker.now()) / 1_000_000_000));
        say(&crate::report::table(&case, &series, &[]))?;
        say(&if axis.name == WAIT { page::table(&axis, &found) } else { page::caption(&axis, &found) })?;
        if let Some(docs) = &arguments.docs {
            write(docs, &axis, &found, quick)?;
        }
    }
    Ok(())
}

/// The axis' file, its picture, and its part of the page.
fn write(docs: &Path, axis: &Axis, found: &Found, quick: bool) -> Result<(), String> {
    let curves = docs.join("curves");
    std::fs::create_dir_all(&curves).map_err(|error| format!("{}: {error}", curves.display()))?;
    let store = |path: PathBuf, text: &str| {
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    store(curves.join(format!("{}.json", axis.name)), &format!("{:#}\n", found.json(axis, quick)))?;
    if let Some(svg) = (axis.name != WAIT).then(|| chart::svg(axis, found)).flatten() {
        store(curves.join(format!("{}.svg", axis.name)), &svg)?;
    }
    let path = docs.join("SCALING.md");
    match std::fs::read_to_string(&path) {
        Ok(page) => store(path, &page::put(&page, axis, found)),
        Err(_) => Ok(()), // without a page there is nothing to fill
    }
}

/// The CPU's name, as far as the system tells.
fn model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("a CPU without a name", |(_, name)| name).trim().to_owned()
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}
