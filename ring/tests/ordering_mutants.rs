//! Every memory ordering and every fence, weakened one at a time: `.ci/mutate-orderings` runs the models against each, and
//! writes `docs/ORDERING_MUTANTS.md`. What runs with all other tests keeps that page in step with the sources, and each
//! survivor justified.
#![cfg(not(any(ringmain_loom, ringmain_shuttle, miri)))]

mod orderings;

use orderings::report::{self, Fate, Row};
use orderings::{Mutant, places, root, run, scan};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;

const REPORT: &str = "docs/ORDERING_MUTANTS.md";
const ARGUMENTS: &str = "docs/MEMORY_ORDERING.md";

fn mutants() -> Vec<Mutant> {
    let places = places().unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")));
    assert!(places.len() > 100, "only {} places: does the scanner see the sources?", places.len());
    places.iter().flat_map(orderings::Place::mutants).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("a page is readable text")
}

#[test]
fn the_report_names_every_ordering_and_no_other() {
    let key = |name: &str, change: &str, at: &str| format!("{name}: {change} at {at}");
    let rows = report::parse(&page(REPORT));
    let told: BTreeSet<_> = rows.iter().map(|row| key(&row.name, &row.change, &row.at)).collect();
    let there: BTreeSet<_> =
        mutants().iter().map(|mutant| key(&mutant.name, &mutant.change, &mutant.place.at)).collect();
    let missing: Vec<_> = there.difference(&told).collect();
    let gone: Vec<_> = told.difference(&there).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "run .ci/mutate-orderings: missing {missing:#?}, gone {gone:#?}"
    );
}

#[test]
fn every_survivor_is_justified_and_nothing_else_is() {
    let rows = report::parse(&page(REPORT));
    let survivors: BTreeSet<_> = rows
        .iter()
        .filter(|row| matches!(row.fate, Fate::Survived(..)))
        .map(|row| row.name.clone())
        .collect();
    let justified: BTreeSet<_> = report::justified(&page(ARGUMENTS)).into_iter().collect();
    let missing: Vec<_> = survivors.difference(&justified).collect();
    assert!(missing.is_empty(), "{ARGUMENTS} does not say why these stay: {missing:#?}");
    let idle: Vec<_> = justified.difference(&survivors).collect();
    assert!(idle.is_empty(), "{ARGUMENTS} says that no model notices these, but one does: {idle:#?}");
}

#[test]
fn what_has_no_name_is_found() {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    let text = r#"
#[cfg(test)]
mod elsewhere;
        fn one() {
            x.store(1, ordering("a.b", Ordering::Release)); // Acquire: only talk
            let swap = ordering(
                "c.d",
                Ordering::AcqRel,
            );
        }
        fn two() {
            x.load(Ordering::Acquire);
            fence(Ordering::SeqCst);
            light_fence("e.no_fence");
            heavy_fence();
        }
#[cfg(test)]
mod tests { fn three() { x.load(Ordering::Acquire); } }
    "#;
    scan("file.rs", text, &mut found, &mut wrong);
    let found: Vec<_> = found.iter().map(|place| (&*place.name, &*place.what, &*place.at)).collect();
    let expected = [("a.b", "Release", "file.rs:one"), ("c.d", "AcqRel", "file.rs:one")];
    assert_eq!(found[..2], expected);
    assert_eq!(found[2..], [("e.no_fence", "light_fence", "file.rs:two")]);
    let lines: Vec<_> = wrong.iter().map(|wrong| wrong.split(' ').next().expect("it says where")).collect();
    assert_eq!(lines, ["file.rs:12:", "file.rs:13:", "file.rs:15:"], "{wrong:?}");
}

#[test]
fn a_page_reads_back_as_it_was_written() {
    let row = |name: &str, fate| Row {
        name: name.into(),
        change: "AcqRel to Acquire".into(),
        at: "ring/src/x.rs:f".into(),
        fate,
    };
    let rows = [
        row("a.b", Fate::Killed("model".into())),
        row("a.c", Fate::Survived(7, 9)),
        row("d", Fate::Survived(0, 0)),
    ];
    assert_eq!(report::parse(&report::render(&rows, 9)), rows);
    let page =
        format!("x\n\n## {}\n\n| `a.b`, `a.c` | because |\n\n## Next\n\n| `d` | no |\n", report::JUSTIFIED);
    assert_eq!(report::justified(&page), ["a.b", "a.c"]);
}

#[test]
#[ignore = "takes minutes, and wants the models built: run .ci/mutate-orderings"]
fn mutate() {
    let programs = std::env::var("RINGMAIN_MODEL_PROGRAMS").expect("the script says which programs");
    let programs: Vec<_> = programs.split_whitespace().map(|program| root().join(program)).collect();
    let models = run::models(&programs);
    let takes: std::time::Duration = models.iter().map(|model| model.takes).sum();
    println!("{} models, {} s as they are", models.len(), takes.as_secs());
    for model in &models {
        println!("{}: {} iterations, {} ms", model.name, model.iterations, model.takes.as_millis());
    }
    // A part of them, by hand: nothing is written then.
    let only = std::env::var("RINGMAIN_MUTANTS").ok();
    let mut mutants = mutants();
    mutants.retain(|mutant| only.as_ref().is_none_or(|only| mutant.name.contains(only.as_str())));
    // What an earlier run found that did not come to its end.
    let journal = std::env::var("RINGMAIN_MUTANTS_JOURNAL").expect("the script says where");
    let rows = report::parse(&fs::read_to_string(&journal).unwrap_or_default());
    let mut known: BTreeMap<_, _> = rows.into_iter().map(|row| (row.name, row.fate)).collect();
    let untried: Vec<_> =
        mutants.iter().filter(|mutant| !known.contains_key(&mutant.name)).cloned().collect();
    println!("{} mutants, of which {} are to be tried", mutants.len(), untried.len());
    let file = fs::File::options().create(true).append(true).open(&journal).expect("it can be written");
    let fates = run::run(&models, &untried, |mutant, fate| {
        println!("{}: {fate:?}", mutant.name);
        // One write a line, so that two threads' lines do not mix.
        let line = report::line(&Row::new(mutant, fate.clone()));
        (&file).write_all(line.as_bytes()).expect("it can be written");
    });
    known.extend(untried.into_iter().map(|mutant| mutant.name).zip(fates));
    let rows: Vec<_> = mutants.iter().map(|mutant| Row::new(mutant, known[&mutant.name].clone())).collect();
    let mut count = BTreeMap::new();
    for row in &rows {
        *count.entry(if matches!(row.fate, Fate::Killed(_)) { "killed" } else { "survived" }).or_insert(0) +=
            1;
    }
    println!("{} mutants: {count:?}", rows.len());
    if only.is_none() {
        fs::write(root().join(REPORT), report::render(&rows, models.len())).expect("the page can be written");
    }
}
