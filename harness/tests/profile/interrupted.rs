//! Ctrl-C, and whoever ends the command otherwise.

use crate::place::{PERF, Place, errors};
use std::io::Read;
use std::process::{Command, Output, Stdio};

/// Says that it runs, and does so until nobody holds the other end of its standard input.
const RUNS: &str =
    "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho running >&2\nread -r line\necho ended >&2\nexit 130\n";

/// What becomes of it when it is sent a signal while the stand-in runs. (The end of its standard error is that of both.)
fn signalled(place: &Place, signal: &str) -> Output {
    place.install("../stand-in", RUNS);
    let temporary = place.path().join("temporary");
    std::fs::create_dir(&temporary).expect("a directory");
    let mut command = place.command();
    command.args(["--out".as_ref(), place.out().as_os_str()]);
    command.args(["--scenario", "throughput"]).env("TMPDIR", &temporary);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the harness starts");
    let mut said = [0; 8];
    child.stderr.as_mut().expect("a pipe").read_exact(&mut said).expect("it runs");
    assert_eq!(&said, b"running\n");
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    child.wait_with_output().expect("it ends")
}

#[test]
fn ctrl_c_ends_the_run_and_leaves_nothing() {
    for programs in [&[][..], &[("perf", PERF)]] {
        let place = Place::new(programs);
        let output = signalled(&place, "-INT");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let lines = errors(&output);
        assert!(lines.iter().any(|line| line == "ended"), "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("error: interrupted: no profile"), "{lines:?}");
        assert!(place.names("temporary").is_empty(), "{:?}", place.names("temporary"));
        assert!(place.names("profiles").is_empty(), "{:?}", place.names("profiles"));
    }
}

#[test]
fn the_run_ends_with_the_command_however_that_ended() {
    for signal in ["-TERM", "-KILL"] {
        let place = Place::new(&[("perf", PERF)]);
        let output = signalled(&place, signal);
        assert_eq!(output.status.code(), None, "{output:?}");
        assert_eq!(errors(&output), ["ended"], "{output:?}");
    }
}
