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
