//! docs/SEMANTICS.md and docs/RELIABILITY.md keep their word: every promise there is shown by tests that exist, in the file
//! that is named, and that run with all the others.
//!
//! A promise is a row of a table, `| promise | shown by |`; a test is a link whose text is its name and whose target is its
//! file: ``[`name`](../engine/tests/file.rs)``. A loom model is a test, too. A class of bugs is a row of a table with a third
//! column, which names the broken variants that a test of the row fails with: such a model, or a test that `.ci/twins.txt`
//! lists with it. That a test shows what it is said to show, no test can tell.
#![cfg(not(any(ringmain_loom, ringmain_shuttle, miri)))]

use std::fs;
use std::path::Path;

/// The heads of tables: of promises, and of classes of bugs.
const PROMISE: &str = "| promise | shown by |";
const CLASS: &str = "| class | shown by | made to fail by |";

/// The rows of the page's tables, without heads and rules.
fn promises(page: &str) -> Vec<(&str, &str)> {
    rows(page, PROMISE).into_iter().filter_map(|row| row.rsplit_once(" | ")).collect()
}

/// The rows of the page's tables with this head.
fn rows<'a>(page: &'a str, head: &str) -> Vec<&'a str> {
    let mut here = false;
    let mut rows = Vec::new();
    for line in page.lines() {
        here = if here { line.starts_with('|') } else { line == head };
        if here && line != head && !line.starts_with("|--") {
            rows.extend(line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")));
        }
    }
    rows
}

/// Everything that is wrong with the page's classes of bugs, as [`faults`] says of its promises. `twins` lists tests with
/// what they are broken by, as `.ci/twins.txt` does.
fn class_faults(page: &str, twins: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for row in rows(page, CLASS) {
        let [class, cell, broken] = row.split(" | ").collect::<Vec<_>>()[..] else {
            found.push(format!("no three columns: {row}"));
            continue;
        };
        found.extend(faults(&format!("{PROMISE}\n|--|\n| {class} | {cell} |\n"), &read));
        let models: String =
            tests(cell).iter().filter_map(|(name, file)| model(name, &read(file)?)).collect();
        let is_twin = |name: &str| tests(cell).iter().any(|(test, _)| is_listed(twins, test, name));
        let named: Vec<_> = broken.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            found.push(format!("nothing is named that makes one fail: {class}"));
        }
        let variants = named.into_iter().filter(|name| name.contains('.'));
        let unknown = variants.filter(|name| !models.contains(&format!("\"{name}\"")) && !is_twin(name));
        found.extend(unknown.map(|name| format!("no test of this row is broken by {name}: {class}")));
    }
    found
}

/// Whether `twins` has a line `package target path::to::test variant` of this test and this variant.
fn is_listed(twins: &str, test: &str, variant: &str) -> bool {
    twins.lines().any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        matches!(words[..], [_, _, path, twin] if twin == variant && path.split("::").last() == Some(test))
    })
}

/// What the loom model `name` is said to be broken by, if there is one in a file of this `text`.
fn model(name: &str, text: &str) -> Option<String> {
    let begins = |line: &str| {
        let line = line.trim();
        let rest = line.strip_prefix("model!(").unwrap_or(line).strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(", broken by ["))
    };
    let mut lines = text.lines().skip_while(|line| !begins(line)).peekable();
    lines.peek()?;
    let mut variants = String::new();
    for line in lines {
        variants.push_str(line);
        if line.contains(']') {
            break;
        }
    }
    Some(variants)
}

/// The tests that a cell names, each with its file, as seen from the page.
fn tests(cell: &str) -> Vec<(&str, &str)> {
    cell.split("<br>")
        .filter_map(|link| link.strip_prefix("[`")?.strip_suffix(')')?.split_once("`]("))
        .collect()
}

/// What is wrong with the test `name` in a file of this `text`, if anything is.
fn fault(name: &str, text: &str) -> Option<&'static str> {
    if model(name, text).is_some() {
        return None;
    }
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

/// Checks a page that has at least so many promises and so many classes.
fn check(name: &str, least: usize, classes: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace");
    let page = fs::read_to_string(root.join(name)).expect("the page is there");
    let counts = (promises(&page).len(), rows(&page, CLASS).len());
    assert!(counts.0 >= least && counts.1 >= classes, "{name}: {counts:?} only: is this the page?");
    let lines = page.lines().filter(|line| line.starts_with('|')).count();
    let heads = page.lines().filter(|line| [PROMISE, CLASS].contains(line)).count();
    assert_eq!(
        counts.0 + counts.1 + 2 * heads,
        lines,
        "{name}: each row is a head, a rule, a promise or a class"
    );
    let read = |file: &str| fs::read_to_string(root.join("docs").join(file)).ok();
    let twins = fs::read_to_string(root.join(".ci/twins.txt")).expect("the list of twins is there");
    let found = [faults(&page, read), class_faults(&page, &twins, read)].concat();
    assert!(found.is_empty(), "{name}: {found:#?}");
}

#[test]
fn every_promise_is_shown_by_tests_that_are_there_and_run() {
    check("docs/SEMANTICS.md", 61, 0);
}

#[test]
fn every_fault_and_every_class_of_bugs_has_its_tests() {
    check("docs/RELIABILITY.md", 18, 23);
}

#[test]
fn the_rules_for_classes_can_fail() {
    let file = "model!(one, broken by [\"a.b\"], {});\nmodel!(\n    /// Told.\n    two, broken by [\n        \"c.d\",\n    ], {\n\
                });\n#[test]\nfn runs() {}\n";
    let faults = |row: &str| {
        let page = format!("{CLASS}\n|---|---|---|\n| {row} |\n");
        let twins = "# package target test variant\nsome lib tests::runs e.f\nsome lib tests::one g.h\n";
        class_faults(&page, twins, |name| (name == "../a.rs").then(|| file.to_owned())).len()
    };
    let right = [
        "It. | [`one`](../a.rs) | `a.b`",
        "It. | [`one`](../a.rs)<br>[`two`](../a.rs) | `a.b`, `c.d`",
        "It. | [`runs`](../a.rs) | `e.f`",
        "It. | [`one`](../a.rs) | `a.b`, `g.h`",
        "It. | [`runs`](../a.rs) | `--cfg it`",
    ];
    let wrong = [
        "It. | [`one`](../a.rs)",
        "It. | [`three`](../a.rs) | `--cfg it`",
        "It. | [`one`](../a.rs) | `c.d`",
        "It. | [`runs`](../a.rs) | `a.b`",
        "It. | [`runs`](../a.rs) | `g.h`",
        "It. | [`runs`](../a.rs) | not yet",
        "It. | one | `--cfg it`",
    ];
    assert_eq!(right.map(faults), [0; 5]);
    assert_eq!(wrong.map(faults), [1; 7]);
}

#[test]
fn the_rules_can_fail() {
    let file = "#[test]\nfn runs() {}\n#[test]\n#[ignore = \"slow\"]\nfn waits() {}\nfn helps() {}\n\
                /// Told.\n#[test]\n#[cfg_attr(debug_assertions, ignore = \"slow\")]\nfn perhaps() {}\n";
    let page = |cell: &str| format!("{PROMISE}\n|---|---|\n| It does. | {cell} |\n");
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
