//! docs/SEMANTICS.md keeps its word: every promise there is shown by tests that exist, in the file that it names, and that
//! run with all the others.
//!
//! A promise is a row of a table, `| promise | shown by |`; a test is a link whose text is its name and whose target is its
//! file: ``[`name`](../engine/tests/file.rs)``. That a test shows what it is said to show, no test can tell.
#![cfg(not(any(ringmain_loom, miri)))]

use std::fs;
use std::path::Path;

const PAGE: &str = "docs/SEMANTICS.md";

/// The rows of the page's tables, without heads and rules.
fn promises(page: &str) -> Vec<(&str, &str)> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | "))
        .filter(|(promise, _)| *promise != "promise")
        .collect()
}

/// The tests that a cell names, each with its file, as seen from the page.
fn tests(cell: &str) -> Vec<(&str, &str)> {
    cell.split("<br>")
        .filter_map(|link| link.strip_prefix("[`")?.strip_suffix(')')?.split_once("`]("))
        .collect()
}

/// What is wrong with the test `name` in a file of this `text`, if anything is.
fn fault(name: &str, text: &str) -> Option<&'static str> {
    let mut attributes = Vec::new();
    for line in text.lines().map(str::trim) {
        let is_it = line
            .strip_prefix("fn ")
            .is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')));
        if is_it {
            return if attributes.iter().any(|attribute: &&str| attribute.contains("ignore")) {
                Some("is ignored")
            } else if attributes.contains(&"#[test]") {
                None
            } else {
                Some("is no test")
            };
        }
        if line.starts_with("#[") {
            attributes.push(line);
        } else if !line.starts_with("//") {
            attributes.clear();
        }
    }
    Some("is not there")
}

/// Everything that is wrong with a page; `read` gives the text of a file that it names.
fn faults(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (promise, cell) in promises(page) {
        let tests = tests(cell);
        if tests.is_empty() || tests.len() != cell.split("<br>").count() {
            found.push(format!("nothing shows, or something that is no link to a test: {promise}"));
        }
        for (name, file) in tests {
            match read(file) {
                None => found.push(format!("{file}, where {name} should be, is not there")),
                Some(text) => {
                    found.extend(fault(name, &text).map(|fault| format!("{name} in {file} {fault}")))
                }
            }
        }
    }
    found
}

#[test]
fn every_promise_is_shown_by_tests_that_are_there_and_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace");
    let page = fs::read_to_string(root.join(PAGE)).expect("the page is there");
    assert!(promises(&page).len() > 60, "{} promises only: is this the page?", promises(&page).len());
    let rows = page.lines().filter(|line| line.starts_with('|')).count();
    let heads = page.lines().filter(|line| *line == "| promise | shown by |").count();
    assert_eq!(promises(&page).len() + 2 * heads, rows, "each row is a head, a rule or a promise");
    let found = faults(&page, |file| fs::read_to_string(root.join("docs").join(file)).ok());
    assert!(found.is_empty(), "{PAGE}: {found:#?}");
}

#[test]
fn the_rules_can_fail() {
    let file = "#[test]\nfn runs() {}\n#[test]\n#[ignore = \"slow\"]\nfn waits() {}\nfn helps() {}\n\
                /// Told.\n#[test]\n#[cfg_attr(debug_assertions, ignore = \"slow\")]\nfn perhaps() {}\n";
    let page = |cell: &str| format!("| promise | shown by |\n|---|---|\n| It does. | {cell} |\n");
    let faults = |cell: &str| faults(&page(cell), |name| (name == "../a.rs").then(|| file.to_owned())).len();
    assert_eq!(faults("[`runs`](../a.rs)"), 0);
    for wrong in [
        "",
        "runs",
        "[`runs`](../b.rs)",
        "[`run`](../a.rs)",
        "[`waits`](../a.rs)",
        "[`perhaps`](../a.rs)",
        "[`helps`](../a.rs)",
        "[`runs`](../a.rs)<br>and others",
    ] {
        assert_eq!(faults(wrong), 1, "{wrong}");
    }
}
