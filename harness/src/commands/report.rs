//! `harness report RESULT..`: one HTML file that shows results, and the hockey stick as a picture.

use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};

use super::{load, say};
use crate::Verdict;
use crate::report::html::{self, View};

/// The arguments of `harness report`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Result files; of several, the figures are shown side by side
    #[arg(required = true, value_name = "RESULT")]
    results: Vec<PathBuf>,
    /// The HTML file to write, or - for stdout [default: report.html, unless --svg is given]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write latency against load as a picture of its own
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Writes what was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, String> {
    let default = arguments.svg.is_none().then(|| PathBuf::from("report.html"));
    let output = arguments.output.clone().or(default);
    overwrites(arguments, output.as_deref())?;
    let results: Vec<Value> =
        arguments.results.iter().map(|path| load::result(path)).collect::<Result<_, _>>()?;
    let views = views(&arguments.results, &results);
    if let Some(path) = &arguments.svg {
        let picture = html::picture(&views);
        if picture.is_empty() {
            return Err(
                "--svg draws the levels of a saturation run, and no result has any; leave it out".to_owned()
            );
        }
        put(path, &picture)?;
    }
    if let Some(path) = output {
        put(&path, &html::page(&views))?;
    }
    Ok(Verdict::Passed)
}

/// Refuses to write over a result, and two files into one.
fn overwrites(arguments: &Arguments, output: Option<&Path>) -> Result<(), String> {
    let is_file = |path: &&Path| *path != Path::new("-");
    let outputs = [output, arguments.svg.as_deref()];
    for path in outputs.into_iter().flatten().filter(is_file) {
        if arguments.results.iter().any(|result| real(result) == real(path)) {
            return Err(format!(
                "{} is a result, and would be written over; give another file",
                path.display()
            ));
        }
    }
    match outputs {
        [Some(output), Some(svg)] if real(output) == real(svg) => {
            Err(format!("--output and --svg are both {}; give each a file of its own", output.display()))
        }
        _ => Ok(()),
    }
}

/// Where a file is, whatever it is called; one that is not there yet, by its folder.
fn real(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

/// Each result under its scenario, numbered where there are several.
fn views<'a>(paths: &[PathBuf], results: &'a [Value]) -> Vec<View<'a>> {
    let named = results.iter().zip(paths).enumerate();
    named
        .map(|(index, (result, path))| {
            let scenario = result["scenario"].as_str().unwrap_or("unknown");
            let name =
                if results.len() > 1 { format!("{} {scenario}", index + 1) } else { scenario.to_owned() };
            let file = path.file_name().unwrap_or(path.as_os_str());
            View { name, file: file.to_string_lossy().into_owned(), result }
        })
        .collect()
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    if path == Path::new("-") {
        return say(text);
    }
    std::fs::write(path, text).map_err(|error| {
        format!("cannot write {}: {error}; give a file where there is room, or - for stdout", path.display())
    })?;
    say(&format!("{}\n", path.display()))
}
