//! The table of pairs in `docs/MEMORY_ORDERING.md`: every two operations that may happen at the same time have a model in
//! which they do, and that model is there.
#![cfg(not(any(ringmain_loom, ringmain_shuttle, miri)))]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const RING: [&str; 8] = ["claim", "publish", "read", "park", "wake", "attach", "detach", "close"];
const LEASE: [&str; 4] = ["ack", "nack", "expire", "extend"];
/// What the batcher's hand-over may meet: others at it, who stages, who reads, who sleeps, and a close.
const HAND_OVER: [&str; 5] = ["hand-over", "stage", "read", "park", "close"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace")
}

/// Every pair that must be there, an operation with itself too.
fn wanted() -> Vec<(String, String)> {
    let pairs = |of: &[&str]| -> Vec<(String, String)> {
        let with_rest = |(index, one): (usize, &&str)| {
            of[index..].iter().map(|other| ((*one).to_owned(), (*other).to_owned())).collect::<Vec<_>>()
        };
        of.iter().enumerate().flat_map(with_rest).collect()
    };
    let hand_over = HAND_OVER.iter().map(|other| ("hand-over".to_owned(), (*other).to_owned()));
    let closing = LEASE[..2].iter().map(|lease| ((*lease).to_owned(), "close".to_owned()));
    pairs(&RING).into_iter().chain(pairs(&LEASE)).chain(hand_over).chain(closing).collect()
}

/// The pairs that the page has, with the models that it names.
fn told() -> BTreeMap<(String, String), Vec<String>> {
    let page = fs::read_to_string(root().join("docs/MEMORY_ORDERING.md")).expect("a page is readable text");
    let section = page.split("\n## Pairs\n").nth(1).expect("there is such a section");
    let section = section.split("\n## ").next().expect("a split has a first part");
    let row = |line: &str| {
        let (pair, models) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        let (one, other) = pair.split_once(" / ")?;
        let models = models.split(',').map(|model| model.trim().trim_matches('`').to_owned()).collect();
        Some(((one.to_owned(), other.to_owned()), models))
    };
    section.lines().filter_map(row).collect()
}

/// The models that the sources declare.
fn models() -> String {
    let mut text = String::new();
    for folder in ["ring/tests", "engine/tests"] {
        for entry in fs::read_dir(root().join(folder)).expect("there are tests") {
            let path = entry.expect("a folder lists its entries").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("loom_")) {
                text += &fs::read_to_string(path).expect("a test is readable text");
            }
        }
    }
    text
}

fn is_declared(model: &str, sources: &str) -> bool {
    let mut declared = sources.split("model!(").skip(1).filter_map(|model| {
        let lines = model.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("///"));
        lines.map(|line| line.split(',').next().unwrap_or(line).to_owned()).next()
    });
    declared.any(|name| name == model)
}

#[test]
fn every_pair_of_operations_has_a_model() {
    let (told, sources) = (told(), models());
    let missing: Vec<_> = wanted().into_iter().filter(|pair| !told.contains_key(pair)).collect();
    assert!(missing.is_empty(), "no row in docs/MEMORY_ORDERING.md for {missing:?}");
    for (pair, models) in told {
        assert!(!models.is_empty(), "{pair:?} has no model");
        for model in models {
            assert!(is_declared(&model, &sources), "{pair:?}: there is no model {model}");
        }
    }
}
