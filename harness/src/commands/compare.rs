//! `harness compare BASE CURRENT`: whether the second result is worse than the first.
//!
//! `--interleave` takes two command lines in place of files and runs them in turn, `--rounds` times each, or for as long
//! as it takes to know what they are about. Either way scenario and configuration must be the same. Exit code 1 on a
//! regression, and when CURRENT broke down or failed where BASE did not; 2 when the two do not compare; 3 when a figure
//! is worse by too few values to tell, or was measured at no distance of the CPUs that both sides met, and under
//! `--strict` when anything beyond the threshold cannot be told from noise.

use clap::Args;
use serde_json::{Value, json};
use std::path::Path;

use super::{load, remark, say};
use crate::cli::Color;
use crate::compare::{self, Comparison, Finding, Row, Trouble, Unit};
use crate::interrupt;
use crate::num;
use crate::report::Paint;
use crate::{Verdict, cli};

/// Rounds, unless it is said how many: enough for a verdict on a quiet machine, and as many as anybody will wait for.
const FEWEST_ROUNDS: usize = 10;
const MOST_ROUNDS: usize = 60;
/// How often it is asked whether that was enough.
const STEP: usize = 5;

/// What it exits with, below its options.
const EXIT: &str = "Exit codes: 0 no regression, 1 a regression, 2 they do not compare, 3 it cannot be told";

/// The arguments of `harness compare`.
#[derive(Debug, Args)]
#[command(after_help = EXIT)]
pub(crate) struct Arguments {
    /// The result to compare with; with --interleave the command line of a harness
    base: String,
    /// The result that may be worse; with --interleave a command line, too
    current: String,
    /// Run the two command lines in turn, A B B A, and compare all their results
    #[arg(long)]
    interleave: bool,
    /// How often each command line is run [default: until the rate is known to within 0.7 thresholds; 10 to 60 times]
    #[arg(long, requires = "interleave", allow_hyphen_values = true, value_parser = cli::units::rounds, value_name = "N")]
    rounds: Option<usize>,
    /// The change in percent beyond which a difference counts
    #[arg(long, default_value = "10", allow_hyphen_values = true, value_parser = cli::units::threshold, value_name = "PERCENT")]
    threshold: f64,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Exit 3 whenever a change beyond the threshold cannot be told from noise
    #[arg(long)]
    strict: bool,
    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// Compares, prints, and judges.
pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, String> {
    let [base, current] = sides(arguments)?;
    if let Some(difference) = compare::difference(&base[0], &current[0]) {
        return Err(format!("{difference}; compare results of the same scenario and configuration"));
    }
    let comparison = Comparison::new(&base, &current, arguments.threshold / 100.0)?;
    let notes = notes(&base, &current, &comparison.rows, arguments.interleave);
    let finding = comparison.finding();
    let is_untold = finding == Finding::Inconclusive || comparison.untold().next().is_some();
    let verdict = match finding {
        Finding::Regression => Verdict::Failed,
        _ if comparison.is_open() || arguments.strict && is_untold => Verdict::Noisy,
        Finding::Inconclusive | Finding::Improvement | Finding::Same => Verdict::Passed,
    };
    say(&if arguments.json {
        object(&base[0], &comparison, &notes, arguments)
    } else {
        let mut text =
            table(&base[0], &comparison, &notes, arguments.interleave, Paint::new(arguments.color));
        if verdict == Verdict::Noisy {
            text.push_str("exit 3: what cannot be told may be worse\n");
        }
        text
    })?;
    Ok(verdict)
}

fn sides(arguments: &Arguments) -> Result<[Vec<Value>; 2], String> {
    if !arguments.interleave {
        let one = |path: &String| Ok::<_, String>(vec![load::result(Path::new(path))?]);
        return Ok([one(&arguments.base)?, one(&arguments.current)?]);
    }
    interrupt::listen_for("judging the rounds so far")?;
    let rounds = arguments.rounds;
    let threshold = arguments.threshold / 100.0;
    let enough = |base: &[Value], current: &[Value]| {
        rounds.is_none()
            && base.len() >= FEWEST_ROUNDS
            && base.len().is_multiple_of(STEP)
            && compare::is_sure(base, current, threshold)
    };
    let most = rounds.unwrap_or(MOST_ROUNDS);
    let of = if rounds.is_some() { "of" } else { "of at most" };
    compare::interleave([&arguments.base, &arguments.current], most, &enough, &mut |round, side, result| {
        let rate = result["metrics"]["messagesPerSec"].as_f64();
        let rate = rate.map_or_else(|| "no rate".to_owned(), |rate| Unit::PerSecond.text(rate));
        remark(&format!("compare: round {round} {of} {most}, {side}: {rate}"));
    })
}

/// What a reader should know before believing any of it.
fn notes(base: &[Value], current: &[Value], rows: &[Row], interleaved: bool) -> Vec<String> {
    let mut notes = Vec::new();
    for name in ["cpuModel", "cpuCores", "kernel", "pinning"] {
        let (left, right) = (&base[0]["environment"][name], &current[0]["environment"][name]);
        if left != right {
            notes.push(format!("not the same machine: {name} is {left} in BASE and {right} in CURRENT"));
        }
    }
    for (side, results) in [("BASE", base), ("CURRENT", current)] {
        let noisy = results.iter().filter(|result| result["noise"]["noisy"] == true).count();
        if noisy > 0 {
            notes.push(format!("{noisy} of {} results of {side} are too noisy to trust", results.len()));
        }
    }
    if let Some(level) = compare::level(base, current) {
        let level = num::percent(level);
        notes.push(format!(
            "latencies are those at {level} % of the capacity, which held in all of these runs"
        ));
    } else if base[0]["scenario"] == "saturation" {
        notes.push("latencies are not compared: no level held in all of these runs".to_owned());
    }
    if let Some(level) = compare::rate_level(base, current) {
        let level = num::percent(level);
        notes.push(format!("the capacity was given: the rate is what was achieved at {level} % of it"));
    }
    notes.extend(compare::one_part(&base[0]));
    let lopsided = compare::lopsided(base, current).into_iter();
    notes.extend(lopsided.map(|(name, side)| format!("{name} is not compared: only {side} has it")));
    let placements = rows.iter().map(|row| row.placements).max().unwrap_or(1);
    if let Some(apart) = rows.iter().find_map(|row| row.apart.as_ref()) {
        let remedy = if interleaved {
            "give more --rounds"
        } else {
            "--interleave runs both until they have met at one"
        };
        notes.push(format!(
            "the CPUs were at no common distance: {apart}; rates follow that distance, so that nothing tells which build is \
             faster; {remedy}"
        ));
    }
    if placements > 1 {
        notes.push(format!(
            "the CPUs were {placements} distances apart in turn: compared within each; base and current are of the most frequent"
        ));
    }
    if !interleaved {
        notes.push(
            "two runs at different times differ by what the machine did meanwhile, too; --interleave runs both in turn"
                .to_owned(),
        );
    }
    notes
}

fn object(base: &Value, comparison: &Comparison, notes: &[String], arguments: &Arguments) -> String {
    let object = json!({
        "scenario": base["scenario"],
        "thresholdPercent": arguments.threshold,
        "finding": comparison.finding().name(),
        "troubles": comparison.troubles.iter().map(Trouble::text).collect::<Vec<_>>(),
        "untold": comparison.untold().map(|row| row.metric.name).collect::<Vec<_>>(),
        "metrics": comparison.rows.iter().map(Row::object).collect::<Vec<_>>(),
        "notes": notes,
    });
    format!("{object:#}\n")
}

fn table(base: &Value, comparison: &Comparison, notes: &[String], interleaved: bool, paint: Paint) -> String {
    let scenario = base["scenario"].as_str().unwrap_or("unknown");
    let mut lines = vec![
        paint.strong(&format!("{scenario}: CURRENT against BASE")),
        String::new(),
        format!(
            "{:<11} {:>14} {:>14} {:>8}  {:<19} {:>6}  {:>7}  finding",
            "metric", "base", "current", "change", "95 % interval", "p", "values"
        ),
    ];
    let rows = &comparison.rows;
    lines.extend(rows.iter().map(|row| line(row, paint)));
    lines.push(String::new());
    let of = |finding| {
        let names = rows.iter().filter(|row| row.finding == finding).map(|row| row.metric.name);
        names.collect::<Vec<_>>().join(", ")
    };
    let broke = comparison.troubles.iter().any(|trouble| trouble.is_worse);
    lines.push(match comparison.finding() {
        Finding::Regression if broke => {
            paint.bad("regression: CURRENT broke down or failed, where BASE did not")
        }
        Finding::Regression => paint.bad(&format!("regression: {}", of(Finding::Regression))),
        Finding::Inconclusive => "inconclusive: no regression shown, and none ruled out".to_owned(),
        Finding::Improvement => paint.good(&format!("improvement: {}", of(Finding::Improvement))),
        Finding::Same => paint.good("no difference"),
    });
    lines.extend(comparison.troubles.iter().map(|trouble| paint.bad(&trouble.text())));
    lines.extend(comparison.untold().map(|row| untold(row, interleaved)));
    lines.extend(notes.iter().map(|note| paint.faint(&format!("note: {note}"))));
    lines.join("\n") + "\n"
}

/// What could hide in a row that cannot be told, and what would tell it.
fn untold(row: &Row, interleaved: bool) -> String {
    let name = row.metric.name;
    if row.apart.is_some() {
        return format!("cannot be told: {name}, measured at no common distance of the CPUs");
    }
    let remedy = match (interleaved, row.has_too_few()) {
        (true, _) => "more --rounds tell",
        (false, true) => "--interleave, or more iterations, tell",
        (false, false) => "--interleave tells",
    };
    if row.has_too_few() {
        let (change, (base, current)) = (change(row), row.values);
        return format!("cannot be told: {name}, {change} by {base} and {current} values ({remedy})");
    }
    format!("cannot be told: {name}, anywhere within {} ({remedy})", interval(row))
}

fn line(row: &Row, paint: Paint) -> String {
    let (unit, interval) = (row.metric.unit, interval(row));
    let finding = match row.finding {
        Finding::Regression => paint.bad("regression"),
        Finding::Improvement => paint.good("improvement"),
        other => other.name().to_owned(),
    };
    let caveat = row.caveat().filter(|_| row.finding != Finding::Same);
    format!(
        "{:<11} {:>14} {:>14} {:>8}  {interval:<19} {:>6}  {:>7}  {finding}{}",
        row.metric.name,
        unit.text(row.base),
        unit.text(row.current),
        change(row),
        row.probability.map_or_else(|| "-".to_owned(), |probability| format!("{probability:.3}")),
        format!("{}, {}", num::count(row.values.0), num::count(row.values.1)),
        caveat.map_or_else(String::new, |caveat| format!(" ({caveat})")),
    )
}

fn interval(row: &Row) -> String {
    row.interval()
        .map_or_else(|| "-".to_owned(), |(low, high)| format!("{} .. {} %", share(low), share(high)))
}

fn change(row: &Row) -> String {
    row.change.map_or_else(|| "-".to_owned(), |change| format!("{} %", share(change)))
}

/// A share in percent; from tenfold on the digits say nothing.
fn share(value: f64) -> String {
    if value > 9.99 { ">+999".to_owned() } else { format!("{:+.1}", value * 100.0) }
}
