//! What is said, left and returned when something goes wrong on the way.

use crate::place::{PERF, Place, errors};
use std::process::Stdio;

const USUAL: &str = "--scenario saturation --level 90 --capacity 1000";

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
