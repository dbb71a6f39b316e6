//! House rules that no lint knows: atomics come from `sync` alone, `unsafe` stays in this crate, files stay short.
#![cfg(not(any(ringmain_loom, ringmain_shuttle, miri)))]

use std::fs;
use std::path::{Path, PathBuf};

/// Files that may name the standard library's atomics: the facade, and what must be real when the rest is modelled.
const NAMES_ATOMICS: [&str; 2] = ["ring/src/sync.rs", "ring/src/membarrier.rs"];
const MAX_LINES: usize = 400;

/// Every Rust file below the workspace's crates, by its path from the root, with its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace");
    let mut found = Vec::new();
    for name in ["ring", "fanout", "engine", "harness"] {
        collect(&root.join(name), &mut found);
    }
    let sources: Vec<_> = found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).expect("found below it").to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(&path).expect("a source file is readable text"))
        })
        .collect();
    assert!(sources.len() > 20, "the walk found {} files only", sources.len());
    sources
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder lists its entries").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A line without its comment. (A `//` inside a string ends it too early, which hides nothing that matters here.)
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// The lines of a file's code where `wrong` holds, as `path:line`.
fn offences(name: &str, text: &str, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = text.lines().zip(1..).filter(|(line, _)| wrong(code(line)));
    lines.map(|(_, number)| format!("{name}:{number}")).collect()
}

fn names_atomics(line: &str) -> bool {
    ["std::sync::atomic", "core::sync::atomic"].iter().any(|path| line.contains(path))
}

/// `unsafe` as a word: not in `forbid(unsafe_code)`, not in a name.
fn is_unsafe(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

#[test]
fn atomics_come_from_the_facade() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        // The peers are other people's programs in a harness of their own; this file quotes what it looks for.
        if name.starts_with("harness/peers/") || name == "ring/tests/house_rules.rs" {
            continue;
        }
        if !NAMES_ATOMICS.contains(&name.as_str()) {
            found.extend(offences(&name, &text, names_atomics));
        }
    }
    assert!(found.is_empty(), "atomics are taken from `ringmain_ring::sync`, but not at {found:?}");
}

#[test]
fn unsafe_stays_in_the_ring() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("ring/") && !name.starts_with("harness/peers/") {
            found.extend(offences(&name, &text, is_unsafe));
        }
    }
    assert!(found.is_empty(), "`unsafe` belongs in `ring`, but is at {found:?}");
}

#[test]
fn files_are_short() {
    let long = |(name, text): (String, String)| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("{name} ({lines} lines)"))
    };
    let found: Vec<_> = sources().into_iter().filter_map(long).collect();
    assert!(found.is_empty(), "a file has at most {MAX_LINES} lines; split by algorithm: {found:?}");
}

/// A file that its suite does not name is built by nobody, and nobody notices.
#[test]
fn no_test_is_left_out() {
    let sources = sources();
    let mut left_out = Vec::new();
    for (name, _) in &sources {
        let Some((suite, file)) = name.split_once("/tests/suite/").filter(|(_, file)| *file != "main.rs")
        else {
            continue;
        };
        let main = format!("{suite}/tests/suite/main.rs");
        let text = sources.iter().find(|(name, _)| *name == main).map_or("", |(_, text)| text.as_str());
        let module = format!("mod {};", file.trim_end_matches(".rs"));
        if !text.lines().any(|line| line == module) {
            left_out.push(name);
        }
    }
    assert!(left_out.is_empty(), "the suite's main.rs does not name {left_out:?}");
}

#[test]
fn the_rules_can_fail() {
    assert!(names_atomics(code("use std::sync::atomic::AtomicU64;")));
    assert!(!names_atomics(code("/// As `std::sync::atomic` does.")));
    assert!(is_unsafe(code("let x = unsafe { y };")));
    assert!(!is_unsafe(code("#![forbid(unsafe_code)] // no unsafe")));
}
