//! Instructions per operation, counted by callgrind: they do not depend on what else the machine does.
//!
//! The engine's example `publish_cost` does one thing a given number of times on one thread. Run for two numbers of
//! messages, the difference in instructions by the difference in messages is what one message costs; whatever is done
//! once falls out of it.

use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

use super::build;
use crate::num;

/// What is counted: see the example.
const MODES: [&str; 5] = ["publish", "slice", "enqueue", "publish-idle", "enqueue-idle"];
/// Messages of the two runs.
const FEW: u64 = 10_000;
const MANY: u64 = 20_000;

/// The instructions of a message in each mode. `Err` is the remedy, in one line.
pub(super) fn measure(root: &Path) -> Result<Value, String> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err(
            "valgrind is not installed, so there are no instruction counts: install the package valgrind \
                    and run this again"
                .to_owned(),
        );
    }
    let example = build::example(root, "publish_cost")?;
    let mut counts = Map::new();
    for mode in MODES {
        let few = collected(&example, mode, FEW)?;
        let many = collected(&example, mode, MANY)?;
        counts.insert(mode.to_owned(), json!(per_message(few, many)?));
    }
    Ok(Value::Object(counts))
}

/// Runs the example under callgrind.
fn collected(example: &Path, mode: &str, messages: u64) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(example)
        .args([mode, &messages.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    total(&text).filter(|_| output.status.success()).ok_or_else(|| {
        let last = text.lines().last().unwrap_or("it does not say why");
        format!("callgrind counted nothing for {mode}: {last}")
    })
}

/// The count in callgrind's summary, `==1== Collected : 123`.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// What one message costs, to a tenth of an instruction.
fn per_message(few: u64, many: u64) -> Result<f64, String> {
    let more = many.checked_sub(few).filter(|more| *more >= MANY - FEW).ok_or_else(|| {
        format!("{many} instructions for {MANY} messages and {few} for {FEW} is less than one a message")
    })?;
    Ok((10.0 * num::float(more) / num::float(MANY - FEW)).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_two_runs_is_divided_by_the_difference_in_messages() {
        let summary = |count: u64| format!("==7== Events    : Ir\n==7== Collected : {count}\n==7==\n");
        let count = |count| total(&summary(count)).unwrap();
        assert!((per_message(count(1_500_000), count(3_001_000)).unwrap() - 150.1).abs() < 1e-9);
        assert_eq!(total("==7== Command: x\n"), None);
    }

    #[test]
    fn less_than_an_instruction_a_message_is_refused() {
        assert!(per_message(1_000_000, 1_005_000).is_err());
        assert!(per_message(1_000_000, 900_000).is_err());
    }
}
