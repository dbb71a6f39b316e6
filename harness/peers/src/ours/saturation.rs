//! Saturation by the harness: it runs as a program of its own, spinning, and its result file is read.
//!
//! One run serves all who ask. The harness finds the capacity, offers percentages of it in an open loop, and
//! says for each level whether it held, the percentiles, and the histogram. It fails its own run when messages
//! were lost; that fails this one, and so does a capacity that cannot be one. That it did not like the other figures does
//! not: they are judged here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::measure::Bench;

/// Percentages of the capacity.
pub(crate) const LEVELS: [u64; 3] = [50, 75, 90];
/// A level that must not hold: if it does, the capacity was set too low, and the others were easy.
const BEYOND: u64 = 125;
/// The least share of what a closed loop carries that may be called the capacity.
const LEAST_SHARE: f64 = 0.9;

/// What the harness says about one level.
#[derive(Clone, Debug, PartialEq)]
struct Level {
    held: bool,
    /// Nanoseconds.
    p99: f64,
    modes: usize,
}

/// The 99th percentile at half the capacity.
pub(crate) fn tail_at_half(bench: &Bench) -> Result<f64, String> {
    Ok(levels(bench)?[0].p99)
}

/// The 99th percentile at 90 % of it.
pub(crate) fn tail_at_most(bench: &Bench) -> Result<f64, String> {
    Ok(levels(bench)?[LEVELS.len() - 1].p99)
}

/// How many levels held.
pub(crate) fn held(bench: &Bench) -> Result<f64, String> {
    Ok(levels(bench)?.iter().filter(|level| level.held).count() as f64)
}

/// The most places around which the latencies of one level gather.
pub(crate) fn modes(bench: &Bench) -> Result<f64, String> {
    Ok(levels(bench)?.iter().map(|level| level.modes).max().unwrap_or(0) as f64)
}

/// Of the one run.
fn levels(bench: &Bench) -> Result<&'static [Level], String> {
    static LEVELS_FOUND: OnceLock<Result<Vec<Level>, String>> = OnceLock::new();
    match LEVELS_FOUND.get_or_init(|| run(bench)) {
        Ok(levels) => Ok(levels),
        Err(fault) => Err(fault.clone()),
    }
}

fn run(bench: &Bench) -> Result<Vec<Level>, String> {
    let harness = bench.harness.clone().map_or_else(build, Ok)?;
    let results = std::env::temp_dir().join(format!("ringmain-peers-{}", std::process::id()));
    let found = run_in(&harness, &results, bench.plan.quick);
    // What is left there is of no further use, and does no harm.
    std::fs::remove_dir_all(&results).ok();
    found
}

fn run_in(harness: &Path, results: &Path, quick: bool) -> Result<Vec<Level>, String> {
    let told = |what: &dyn std::fmt::Display| format!("{}: {what}", harness.display());
    std::fs::create_dir_all(results).map_err(|error| format!("{}: {error}", results.display()))?;
    let percentages: Vec<_> = LEVELS.into_iter().chain([BEYOND]).map(|level| level.to_string()).collect();
    let percentages = percentages.join(",");
    let mut command = Command::new(harness);
    command.args(["--scenario", "saturation", "--wait", "spin", "--levels", &percentages, "--results"]);
    command.arg(results).stdout(Stdio::null()).stderr(Stdio::piped());
    if quick {
        command.arg("--quick");
    }
    let output = command.output().map_err(|error| told(&error))?;
    let files = std::fs::read_dir(results).map_err(|error| told(&error))?;
    let file = files
        .flatten()
        .map(|file| file.path())
        .find(|path| path.extension().is_some_and(|end| end == "json"));
    let Some(file) = file else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(told(&format!("no result; {}", said.lines().last().unwrap_or("it said nothing"))));
    };
    let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
    read(&text).map_err(|fault| told(&fault))
}

/// Builds the harness by the cargo that is in use, and says where it is.
fn build() -> Result<PathBuf, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--release",
        "-p",
        "ringmain-harness",
        "--message-format=json",
        "--manifest-path",
    ]);
    let output = command.arg(manifest).output().map_err(|error| format!("cargo: {error}"))?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let built = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let harness = line["target"]["name"] == "harness";
        line["executable"].as_str().filter(|_| harness).map(PathBuf::from)
    });
    built.ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("cargo said nothing");
        format!("the harness was not built; build it and give it by --harness: {last}")
    })
}

/// The levels of a result file.
fn read(text: &str) -> Result<Vec<Level>, String> {
    let result: Value = serde_json::from_str(text).map_err(|error| format!("not a result: {error}"))?;
    let accounts = result["ledger"].as_array().filter(|accounts| !accounts.is_empty());
    for account in accounts.ok_or("the result has no ledger")? {
        for fault in ["lost", "duplicated", "outOfOrder", "corrupt"] {
            let count =
                account[fault].as_u64().ok_or_else(|| format!("the ledger does not say what is {fault}"))?;
            if count > 0 {
                return Err(format!("{fault}: {count}; messages were lost"));
            }
        }
        if account["balanced"] != true {
            return Err(format!("the ledger is not balanced: {account}"));
        }
    }
    let levels = result["metrics"]["levels"]
        .as_array()
        .ok_or_else(|| format!("the result has no levels; it says {}", result["errors"]))?;
    let share =
        result["metrics"]["capacityShare"].as_f64().ok_or("the result says nothing of its capacity")?;
    let at = |percent: u64| {
        let is_it = |level: &&Value| level["percent"].as_f64() == Some(percent as f64);
        levels.iter().find(is_it).ok_or_else(|| format!("no level of {percent} %"))
    };
    if share < LEAST_SHARE || at(BEYOND)?["held"] == true {
        return Err(format!(
            "the capacity was set too low ({:.0} % of what a closed loop carries; {BEYOND} % held: {}), so the levels say \
             nothing; run it again on a quieter machine",
            share * 100.0,
            at(BEYOND)?["held"],
        ));
    }
    LEVELS
        .iter()
        .map(|&percent| {
            let level = at(percent)?;
            let p99 = level["latency"]["p99"].as_f64().ok_or_else(|| format!("no p99 at {percent} %"))?;
            let buckets = level["latency"]["histogram"].as_array();
            let buckets = buckets.ok_or_else(|| format!("no histogram at {percent} %"))?;
            let bucket = |pair: &Value| Some((pair[0].as_f64()?, pair[1].as_f64()?));
            let histogram: Vec<_> = buckets.iter().filter_map(bucket).collect();
            Ok(Level { held: level["held"] == true, p99: p99 * 1e6, modes: count_modes(&histogram) })
        })
        .collect()
}

/// Modes of a histogram with a bucket per power of two, by the harness's own rule: a mode holds 5 % of all at
/// least, and between two of them the counts dip to half of the smaller one or less.
fn count_modes(histogram: &[(f64, f64)]) -> usize {
    let total: f64 = histogram.iter().map(|(_, count)| count).sum();
    let mut peaks: Vec<f64> = Vec::new();
    let (mut dip, mut last_bound) = (f64::INFINITY, None);
    for &(bound, count) in histogram {
        // A bucket that was left out is empty.
        if last_bound.is_some_and(|last: f64| bound > last * 3.0) {
            dip = 0.0;
        }
        last_bound = Some(bound);
        if count >= 0.05 * total {
            match peaks.last_mut() {
                Some(peak) if dip > 0.5 * peak.min(count) => {
                    if count > *peak {
                        *peak = count;
                        dip = f64::INFINITY;
                    }
                }
                _ => {
                    peaks.push(count);
                    dip = f64::INFINITY;
                }
            }
        }
        dip = dip.min(count);
    }
    peaks.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(lost: u64) -> Value {
        serde_json::json!({ "lost": lost, "duplicated": 0, "outOfOrder": 0, "corrupt": 0, "balanced": true })
    }

    fn result(lost: u64) -> String {
        result_of(lost, 0.95, false)
    }

    fn result_of(lost: u64, share: f64, beyond: bool) -> String {
        let level = |percent: u64, held, p99| {
            serde_json::json!({
                "percent": percent, "held": held,
                "latency": { "p99": p99, "histogram": [[0.000_256, 900], [0.000_512, 300], [0.004_096, 200]] },
            })
        };
        let levels = [
            level(50, true, 0.001),
            level(75, true, 0.002),
            level(90, false, 0.004),
            level(125, beyond, 9.0),
        ];
        let metrics = serde_json::json!({ "levels": levels, "capacityShare": share });
        serde_json::json!({ "metrics": metrics, "ledger": [ledger(lost)] }).to_string()
    }

    #[test]
    fn a_capacity_that_is_none_is_a_fault() {
        for (share, beyond) in [(0.85, false), (0.95, true)] {
            assert!(read(&result_of(0, share, beyond)).unwrap_err().contains("too low"));
        }
    }

    #[test]
    fn levels_are_read_in_nanoseconds() {
        let levels = read(&result(0)).unwrap();
        assert_eq!(levels[0], Level { held: true, p99: 1_000.0, modes: 2 });
        assert_eq!((levels[2].held, levels.len()), (false, 3));
    }

    #[test]
    fn a_lost_message_fails_the_run() {
        assert!(read(&result(1)).unwrap_err().contains("messages were lost"));
    }

    #[test]
    fn a_result_without_levels_is_a_fault() {
        let nothing = serde_json::json!({ "metrics": {}, "ledger": [ledger(0)], "errors": ["no capacity"] });
        assert!(read(&nothing.to_string()).unwrap_err().contains("no capacity"));
        assert!(read(r#"{"metrics":{}}"#).unwrap_err().contains("no ledger"));
        for field in ["lost", "corrupt", "balanced"] {
            let mut account = ledger(0);
            account.as_object_mut().unwrap().remove(field);
            let without = serde_json::json!({ "metrics": {}, "ledger": [account] }).to_string();
            assert!(read(&without).unwrap_err().contains("ledger"), "{field}");
        }
    }

    #[test]
    fn a_hill_is_one_mode_and_two_are_two() {
        let histogram = |counts: &[f64]| -> Vec<(f64, f64)> {
            let bounds = std::iter::successors(Some(256.0), |bound| Some(bound * 2.0));
            bounds.zip(counts.iter().copied()).filter(|(_, count)| *count > 0.0).collect()
        };
        for (counts, modes) in [
            (&[10.0, 500.0, 900.0, 300.0, 40.0][..], 1),
            (&[10.0, 900.0, 100.0, 30.0, 200.0, 10.0], 2),
            (&[900.0, 0.0, 100.0], 2),
            (&[900.0, 10.0, 40.0], 1),
            (&[], 0),
        ] {
            assert_eq!(count_modes(&histogram(counts)), modes, "{counts:?}");
        }
    }
}
