//! What is said, left and returned when something goes wrong on the way.

use crate::place::{HARNESS, PERF, Place, errors};
use std::process::Stdio;

const USUAL: &str = "--scenario saturation --level 90 --capacity 1000";

#[test]
fn a_run_that_failed_says_why_and_fails_the_command() {
    let place = Place::new(&[("perf", PERF)]);
    let failed = r#""success": false, "errors": ["3 messages were lost", "90 % did not hold"]"#;
    place.install("../stand-in", &HARNESS.replace(r#""success": true"#, failed));
    let output = place.profile(USUAL);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let [lost, held] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(lost.contains("the run failed") && lost.contains("3 messages were lost"), "{lost}");
    assert!(held.contains("90 % did not hold"), "{held}");
    assert_eq!(place.json("meta.json")["success"], false);
    assert!(String::from_utf8_lossy(&output.stdout).contains("meta.json"), "the files are told all the same");
}

#[test]
fn without_perf_nothing_of_an_earlier_profile_is_left() {
    let place = Place::new(&[("perf", PERF)]);
    assert!(place.profile(USUAL).status.success());
    std::fs::write(place.out().join("saturation-90/notes.txt"), "mine").expect("a file");
    std::fs::remove_file(place.path().join("bin/perf")).expect("perf was there");
    assert_eq!(place.profile(USUAL).status.code(), Some(1));
    assert_eq!(place.names("profiles/saturation-90"), ["meta.json", "notes.txt", "threads.json"]);
    assert_eq!(place.names("profiles"), ["saturation-90"], "nothing temporary is left");
}

#[test]
fn an_earlier_profile_stays_whole_when_what_was_recorded_cannot_be_read() {
    let place = Place::new(&[("perf", PERF)]);
    assert!(place.profile(USUAL).status.success());
    let before = place.json("meta.json");
    place.install("perf", &PERF.replace("script)", "script) echo 'no data' >&2; exit 1 ;;\nother)"));
    place.install("../stand-in", &HARNESS.replace("899.0", "898.0").replace("\"spins\": 9", "\"spins\": 8"));
    let output = place.profile(USUAL);
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("perf script failed: no data"), "{line}");
    assert_eq!(output.status.code(), Some(1), "it is no wrong usage: {line}");
    assert_eq!(place.json("meta.json"), before);
    assert_eq!(place.json("threads.json")["roles"][0]["spins"], 9);
    assert_eq!(place.names("profiles"), ["saturation-90"], "nothing temporary is left");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_takes_nothing_is_no_wrong_usage() {
    let place = Place::new(&[("perf", PERF)]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut command = place.command();
    command.args(["--out".as_ref(), place.out().as_os_str()]).args(USUAL.split(' '));
    let output = command.stdout(full).stderr(Stdio::piped()).output().expect("the harness starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(errors(&output)[0].contains("cannot write to stdout"), "{output:?}");
    assert!(place.json("meta.json").is_object());
}

#[test]
fn what_perf_says_below_its_headings_is_told() {
    let refuses = "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\n\
                   printf 'Error:\\nThis is why it failed:\\nNo permission for anything.\\n' >&2\nexit 1\n";
    let place = Place::new(&[("perf", refuses)]);
    let output = place.profile(USUAL);
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("No permission for anything.") || line.contains("perf_event_paranoid"), "{line}");
    assert!(!line.contains("Error:,") && !line.contains("failed:"), "{line}");
}

#[test]
fn options_that_a_profile_gives_itself_are_refused_before_anything_is_run() {
    let place = Place::new(&[]);
    for (options, remedy) in [
        ("--results x", "leave --results out"),
        ("--results=x", "leave --results out"),
        ("--dry-run", "leave --dry-run out"),
    ] {
        let output = place.profile(&format!("--scenario throughput -- {options}"));
        let [line] = &errors(&output)[..] else { panic!("{options}: {output:?}") };
        assert_eq!(output.status.code(), Some(2), "{options}: {line}");
        assert!(line.contains(remedy), "{options}: {line}");
        assert!(!place.out().exists(), "{options} left something");
    }
}

#[test]
fn histograms_beside_the_result_are_no_second_run() {
    let place = Place::new(&[("perf", PERF)]);
    place.install("../stand-in", &format!("{HARNESS}printf 'log' > \"$results/saturation.hlog\"\n"));
    let output = place.profile(&format!("{USUAL} -- --hdr-log"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn samples_of_the_kernel_that_are_missing_are_told() {
    let evlist = |text: &str| PERF.replace("script)", &format!("evlist) echo '{text}' ;;\nscript)"));
    let place = Place::new(&[("perf", &*evlist("cpu-clock:u: type: 1, exclude_kernel: 1, exclude_hv: 1"))]);
    let output = place.profile(USUAL);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("sysctl kernel.perf_event_paranoid=1") && line.contains("root"), "{line}");
    assert_eq!(place.json("meta.json")["kernelSamples"], false);
    place.install("perf", &evlist("cpu-clock: type: 1, exclude_guest: 1"));
    let output = place.profile(USUAL);
    assert!(output.status.success() && errors(&output).is_empty(), "{output:?}");
    assert_eq!(place.json("meta.json")["kernelSamples"], true);
}
