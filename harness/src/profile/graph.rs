//! Flame graphs: of one profile, and of two.

use inferno::{differential, flamegraph};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// The profile that is committed in the folder.
#[derive(Debug)]
pub(super) struct Baseline {
    /// When it was committed last.
    pub(super) commit: String,
    pub(super) folded: String,
    /// What it is of; null where that is not committed.
    pub(super) meta: Value,
}

/// The committed profile `name`: not what lies in the folder, which the last run may have written.
pub(super) fn committed(profiles: &Path, name: &str) -> Option<Baseline> {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").current_dir(profiles).args(arguments).stdin(Stdio::null()).output().ok()?;
        let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
        Some(text).filter(|text| !text.trim().is_empty())
    };
    let folded = git(&["show", &format!("HEAD:./{name}/cpu.folded")])?;
    let commit = git(&["log", "-1", "--format=%H", "--", &format!("{name}/cpu.folded")])?.trim().to_owned();
    let meta = git(&["show", &format!("HEAD:./{name}/meta.json")]);
    let meta = meta.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Some(Baseline { commit, folded, meta })
}

/// A flame graph.
pub(super) fn flame(folded: &str, title: &str) -> Result<Vec<u8>, String> {
    draw(folded, title, "samples; width is what counts, left to right is the alphabet")
}

/// What `after` has more of (red) and less of (blue) than `before`, in the shape of `after`. Counts are scaled to one sum,
/// since two recordings are never equally long.
pub(super) fn difference(before: &str, after: &str, title: &str) -> Result<Vec<u8>, String> {
    let options = differential::Options { normalize: true, ..differential::Options::default() };
    let mut lines = Vec::new();
    differential::from_readers(options, before.as_bytes(), after.as_bytes(), &mut lines)
        .map_err(|error| format!("cannot compare with the committed profile: {error}"))?;
    let lines = String::from_utf8(lines).map_err(|error| error.to_string())?;
    draw(&lines, title, "against the committed profile: red grew, blue shrank")
}

fn draw(lines: &str, title: &str, subtitle: &str) -> Result<Vec<u8>, String> {
    let mut options = flamegraph::Options::default();
    options.title = title.to_owned();
    options.subtitle = Some(subtitle.to_owned());
    // One profile, one picture, whoever draws it.
    options.deterministic = true;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.lines(), &mut svg)
        .map_err(|error| format!("cannot draw the flame graph: {error}"))?;
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pictures_name_the_functions() {
        let (before, after) = ("a;publish 10\na;poll 10\n", "a;publish 30\na;poll 10\na;park 5\n");
        let flame = String::from_utf8(flame(after, "a title").unwrap()).unwrap();
        assert!(flame.contains("<svg") && flame.contains("publish") && flame.contains("a title"));
        let difference = String::from_utf8(difference(before, after, "a title").unwrap()).unwrap();
        assert!(difference.contains("park") && difference.contains("red grew"), "{difference}");
        // Scaled to one sum, poll went from a half to less than a quarter, though its count is what it was.
        let poll = difference.split("poll (10 samples").nth(1).and_then(|rest| rest.split(')').next());
        assert!(poll.is_some_and(|share| share.contains("; -")), "{difference}");
    }

    #[test]
    fn what_is_not_committed_is_no_baseline() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/cpu.folded"), "a 1\n").unwrap();
        assert!(committed(folder.path(), "a").is_none());
    }
}
