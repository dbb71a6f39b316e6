//! `harness profile` as people meet it, with and without `perf`. The harness that is run and `perf` are stand-ins, shell
//! scripts of built-ins only: what is tested is what is made of what they leave.
#![cfg(unix)]

mod baseline;
mod failing;
mod interrupted;
mod place;

use place::{PERF, Place, errors};
use std::path::Path;

#[test]
fn with_perf_everything_is_written() {
    let place = Place::new(&[("perf", PERF)]);
    let output = place.profile("--scenario saturation --level 90");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folder = place.out().join("saturation-90");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    assert_eq!(read("cpu.folded"), "consumer-open;poll 1\npublisher-open;publish 1\n");
    assert!(read("cpu.svg").contains("saturation at 90 % of capacity"));
    assert!(read("top.txt").contains("100.00 %         1  publish"));
    let meta = place.json("meta.json");
    let command = "harness --scenario saturation --levels 90 --iterations 1 --duration 10s --capacity 1000";
    assert_eq!(meta["command"], command);
    assert_eq!((&meta["samples"], &meta["samplesOfOtherThreads"]), (&2.into(), &2.into()));
    assert_eq!((&meta["perf"], &meta["held"]), (&"perf version 0.1".into(), &true.into()));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["cpu.folded", "cpu.svg", "top.txt", "threads.json", "meta.json"] {
        assert!(printed.contains(name), "{name} is not told of: {printed}");
    }
    assert!(!Path::new(&folder).join("diff.svg").exists(), "there is nothing to compare with");
}

#[test]
fn without_perf_the_remedy_is_one_line_and_the_threads_are_written() {
    let place = Place::new(&[]);
    let output = place.profile("--scenario saturation --level 90 --capacity 1000");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("perf is not installed") && line.contains("linux-perf"), "{line}");
    let threads = place.json("threads.json");
    let roles = threads["roles"].as_array().expect("roles");
    assert_eq!(roles.len(), 2, "the level's, not those of the closed loops: {threads}");
    assert_eq!((&roles[0]["spins"], &roles[0]["parks"]), (&9.into(), &3.into()));
    assert_eq!(roles[1]["runQueueMs"], 0.5);
    assert_eq!(place.json("meta.json")["files"], serde_json::json!(["threads.json"]));
    assert!(!place.out().join("saturation-90/cpu.svg").exists());
}

#[test]
fn perf_that_may_not_record_is_told_from_perf_that_is_not_there() {
    let refuses = "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho 'No permission' >&2\nexit 1\n";
    let place = Place::new(&[("perf", refuses)]);
    let output = place.profile("--scenario saturation --level 90 --capacity 1000");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("No permission") || line.contains("perf_event_paranoid"), "{line}");
    assert!(place.json("threads.json")["roles"].is_array());
}

#[test]
fn without_valgrind_the_remedy_is_one_line() {
    let place = Place::new(&[("perf", PERF)]);
    let output = place.profile("--scenario saturation --level 90 --capacity 1000 --callgrind");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("valgrind is not installed"), "{line}");
    assert!(place.json("meta.json").get("instructionsPerMessage").is_none());
}

#[test]
fn what_is_wrong_is_said_before_anything_is_run() {
    let place = Place::new(&[]);
    for (arguments, remedy) in [
        ("--scenario saturation", "--level 90"),
        ("--scenario throughput --level 90", "saturation"),
        ("--scenario nonsense", "throughput"),
        ("--scenario throughput --duration 1ms", "at least"),
        ("--scenario throughput -- --ring 1000", "power of two"),
        ("--scenario saturation --level 0", "0"),
        ("--scenario throughput -- --payload 1KB,10KB", "that is 2 runs, and a profile is of one"),
        ("--scenario all", "runs, and a profile is of one"),
    ] {
        let output = place.profile(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
        let [line] = &errors(&output)[..] else { panic!("{arguments}: {output:?}") };
        assert!(line.contains(remedy), "{arguments}: {line}");
        assert!(!place.out().exists(), "{arguments} left something");
    }
    // Where a profile cannot go nothing is run, either: this one would leave a file.
    let ran = place.directory.path().join("ran");
    place.install("../stand-in", &format!("#!/bin/sh\n: > '{}'\n", ran.display()));
    std::fs::write(place.out(), "a file").expect("a file");
    let output = place.profile("--scenario throughput");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("--out") && line.contains("give a directory that can be written"), "{line}");
    assert!(!ran.exists(), "it was run all the same");
}

#[test]
fn a_binary_that_leaves_no_result_is_told_what_it_should_be() {
    let place = Place::new(&[]);
    place.install("../stand-in", "#!/bin/sh\nexit 0\n");
    let output = place.profile("--scenario throughput");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(
        line.contains("stand-in left no result") && line.contains("give a harness as --binary"),
        "{line}"
    );
}

#[test]
fn a_binary_that_is_no_program_is_wrong_usage() {
    let place = Place::new(&[("perf", PERF)]);
    std::fs::remove_file(place.path().join("stand-in")).expect("it was there");
    let output = place.profile("--scenario throughput");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("cannot run --binary") && line.contains("give a harness"), "{line}");
}
