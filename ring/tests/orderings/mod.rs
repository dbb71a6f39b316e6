//! Finds every memory ordering stronger than relaxed, and every fence, by reading the sources.
//!
//! Each is written with a name (`sync::ordering`, `sync::fence`, `light_fence`, `heavy_fence`), by which a test weakens it
//! or takes it away. One without a name is an error, and so are two with the same.

#![allow(unreachable_pub, reason = "a module of a test program")]

pub mod report;
pub mod run;

use std::fs;
use std::path::{Path, PathBuf};

/// The crates whose atomics are modelled.
const CRATES: [&str; 3] = ["ring", "fanout", "engine"];
/// Where the names lead to: what is written here is what they stand for.
const FACADE: &str = "ring/src/sync";
/// What is there only while something else is broken.
const TWIN: &str = "twin";
const STRONGER: [&str; 4] = ["Acquire", "Release", "AcqRel", "SeqCst"];
const FENCES: [&str; 4] = ["fence", "light_fence", "heavy_fence", "compiler_fence"];

/// A memory ordering or a fence in the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    /// What is written there: an ordering, or how the fence is called.
    pub what: String,
    /// `path:function`.
    pub at: String,
}

/// One way to weaken one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// What to break: the place's name, or that and a half.
    pub name: String,
    /// What becomes of it.
    pub change: String,
    pub place: Place,
}

impl Place {
    /// The ways to weaken it.
    pub fn mutants(&self) -> Vec<Mutant> {
        let mutant = |half: &str, change: String| Mutant {
            name: format!("{}{half}", self.name),
            change,
            place: self.clone(),
        };
        match self.what.as_str() {
            "AcqRel" => vec![
                mutant("", "AcqRel to Relaxed".into()),
                mutant(".acquire", "AcqRel to Release".into()),
                mutant(".release", "AcqRel to Acquire".into()),
            ],
            what if FENCES.contains(&what) => vec![mutant("", format!("{what} removed"))],
            what => vec![mutant("", format!("{what} to Relaxed"))],
        }
    }
}

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace")
}

/// All places in the sources, in the order of their names; or what is wrong with them.
pub fn places() -> Result<Vec<Place>, Vec<String>> {
    let mut files = Vec::new();
    for name in CRATES {
        collect(&root().join(name).join("src"), &mut files);
    }
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.strip_prefix(root()).expect("found below it").to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&file).expect("a source file is readable text");
        if !name.starts_with(FACADE) {
            scan(&name, &text, &mut found, &mut wrong);
        }
    }
    found.retain(|place| place.name != TWIN);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in found.windows(2).filter(|pair| pair[0].name == pair[1].name) {
        wrong.push(format!("{} and {} are both called {}", pair[0].at, pair[1].at, pair[0].name));
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

/// The places in one file's text, and what is wrong there.
pub fn scan(file: &str, text: &str, found: &mut Vec<Place>, wrong: &mut Vec<String>) {
    let text = code(text);
    let mut function = "";
    let mut named_until = 0;
    for (at, word) in words(&text) {
        let rest = &text[at + word.len()..];
        if word == "fn" {
            function = words(rest).next().map_or("", |(_, name)| name);
        } else if FENCES.contains(&word) && rest.starts_with('(')
            || word == "ordering" && rest.starts_with('(')
        {
            let line = text[..at].lines().count().max(1);
            let arguments = &rest[1..rest.find(')').unwrap_or(rest.len())];
            named_until = at + word.len() + arguments.len();
            let mut arguments = arguments.split(',').map(str::trim);
            let name = arguments.next().and_then(|name| name.strip_prefix('"')?.strip_suffix('"'));
            let Some(name) = name else {
                wrong.push(format!("{file}:{line}: {word} has no name"));
                continue;
            };
            let what = if word == "ordering" {
                arguments.next().and_then(|what| what.strip_prefix("Ordering::")).unwrap_or("?")
            } else {
                word
            };
            let at = format!("{file}:{function}");
            found.push(Place { name: name.into(), what: what.into(), at });
        } else if STRONGER.contains(&word) && at > named_until {
            let line = text[..at].lines().count();
            wrong.push(format!("{file}:{line}: {word} has no name; write `ordering(\"where.what\", ..)`"));
        }
    }
}

/// Identifiers and keywords, with where they start.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(is_word)?;
        let end = text[start..].find(|c| !is_word(c)).map_or(text.len(), |length| start + length);
        at = end;
        Some((start, &text[start..end]))
    })
}

/// A file's text without its comments and its unit tests, which stand at its end. Strings stay, for names are strings.
fn code(text: &str) -> String {
    // (A module of tests in a file of its own is declared anywhere.)
    let attribute =
        |at: usize| ["#[cfg(test)]", "#[cfg(all(test"].iter().any(|cfg| text[at..].starts_with(cfg));
    let opens = |at: usize| {
        let module = text[at..].lines().nth(1).unwrap_or_default();
        module.starts_with("mod ") && !module.ends_with(';')
    };
    let tests = text.match_indices("#[cfg(").map(|(at, _)| at).find(|at| attribute(*at) && opens(*at));
    let mut kept = String::with_capacity(text.len());
    for line in text[..tests.unwrap_or(text.len())].lines() {
        let mut quoted = false;
        let mut before = ' ';
        let mut end = line.len();
        for (at, c) in line.char_indices() {
            match c {
                '"' if before != '\\' && before != '\'' => quoted = !quoted,
                '/' if before == '/' && !quoted => {
                    end = at - 1;
                    break;
                }
                _ => {}
            }
            before = c;
        }
        kept.push_str(&line[..end]);
        kept.push('\n');
    }
    kept
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a crate has sources") {
        let path = entry.expect("a folder lists its entries").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
}
