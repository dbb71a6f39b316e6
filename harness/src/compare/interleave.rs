//! Two builds in turn: A B B A A B B A ...
//!
//! Two runs at different times do not compare on a shared machine, since the machine is another by then. Run in
//! turn, whatever drifts drifts for both, and with the order swapped every round a steady drift cancels out. Each
//! command is a line of the harness of some build; it is given a `--results` of its own, and the one result it
//! leaves there is taken.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::interrupt;

/// Runs both commands `rounds` times each, or fewer, as soon as `enough` says so of what there is after a round. `told`
/// hears of every run: the round, the side, and its result.
pub(crate) fn run(
    commands: [&str; 2],
    rounds: usize,
    enough: &dyn Fn(&[Value], &[Value]) -> bool,
    told: &mut dyn FnMut(usize, &str, &Value),
) -> Result<[Vec<Value>; 2], String> {
    let words = [split(commands[0])?, split(commands[1])?];
    let mut sides: [Vec<Value>; 2] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            let result = once(&words[side]);
            if interrupt::requested() {
                return so_far(sides);
            }
            let result = result?;
            told(round + 1, ["A", "B"][side], &result);
            sides[side].push(result);
        }
        let [Some(base), Some(current)] = [sides[0].last(), sides[1].last()] else { continue };
        if let Some(difference) = super::difference(base, current) {
            return Err(format!("{difference}; give two commands that run the same, A being BASE"));
        }
        if enough(&sides[0], &sides[1]) {
            break;
        }
    }
    Ok(sides)
}

/// After a Ctrl-C: the rounds that both sides have done. (The commands were told as well, and the run that was under way is cut
/// short.)
fn so_far(mut sides: [Vec<Value>; 2]) -> Result<[Vec<Value>; 2], String> {
    let rounds = sides.iter().map(Vec::len).min().unwrap_or(0);
    sides.iter_mut().for_each(|side| side.truncate(rounds));
    if rounds > 0 {
        Ok(sides)
    } else {
        Err("interrupted before both had run once: nothing is compared".to_owned())
    }
}

/// Splits a command line as a shell would.
fn split(line: &str) -> Result<Vec<String>, String> {
    let words = shlex::split(line).filter(|words| !words.is_empty());
    let words =
        words.ok_or_else(|| format!("'{line}' is no command line; quote it as a shell would have it"))?;
    if words.iter().any(|word| word == "--results" || word.starts_with("--results=")) {
        return Err(format!("'{line}' has a --results of its own; leave it out, each run is given one"));
    }
    Ok(words)
}

/// One run, and its only result. A run that fails its criteria has a result all the same.
fn once(words: &[String]) -> Result<Value, String> {
    let line = words.join(" ");
    let directory = tempfile::tempdir().map_err(|error| {
        format!("cannot make a directory for results: {error}; set TMPDIR to one with room")
    })?;
    let output = Command::new(&words[0])
        .args(&words[1..])
        .arg("--results")
        .arg(directory.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run '{line}': {error}; give a command line of the harness"))?;
    let mut results = results(directory.path())?;
    match (results.pop(), results.len()) {
        (Some(result), 0) => Ok(result),
        (Some(_), more) => {
            Err(format!("'{line}' left {} results; give a command that runs one scenario once", more + 1))
        }
        (None, _) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let why = stderr.lines().last().map_or_else(|| output.status.to_string(), str::to_owned);
            Err(format!("'{line}' left no result ({why}); give a command line that runs a scenario"))
        }
    }
}

fn results(directory: &Path) -> Result<Vec<Value>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    let mut results = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            results.push(crate::commands::load::result(&path)?);
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_as_a_shell_would() {
        assert_eq!(split("a/harness --input 'my file'").unwrap(), ["a/harness", "--input", "my file"]);
        assert!(split("harness 'open").unwrap_err().contains("quote"));
        assert!(split("").is_err());
        assert!(split("harness --results=x").unwrap_err().contains("leave it out"));
    }

    #[test]
    fn after_a_ctrl_c_the_rounds_that_both_have_done_count() {
        let done = |count: usize| vec![Value::Null; count];
        assert_eq!(so_far([done(3), done(2)]).unwrap().map(|side| side.len()), [2, 2]);
        assert!(so_far([done(1), done(0)]).unwrap_err().contains("nothing is compared"));
    }
}
