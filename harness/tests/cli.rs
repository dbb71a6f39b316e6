//! The command line as people meet it: exit codes, one line of refusal, and nothing on stdout but the result.

use std::process::{Command, Output};

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harness")).args(arguments).output().expect("the harness starts")
}

/// Runs it, expects exit code 2, nothing on stdout and one line on stderr, and returns the line.
fn refused(arguments: &[&str]) -> String {
    let output = harness(arguments);
    let line = String::from_utf8(output.stderr).expect("messages are text");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert!(output.stdout.is_empty(), "{arguments:?} wrote to stdout");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    line
}

#[test]
fn an_unknown_scenario_is_told_which_there_are() {
    let line = refused(&["--scenario", "nonsense"]);
    assert!(
        line.contains("unknown scenario 'nonsense'") && line.contains("throughput and saturation"),
        "{line}"
    );
}

#[test]
fn a_scenario_that_is_to_come_says_so() {
    for name in ["firehose", "fanout", "thundering-herd", "soak", "replay", "all"] {
        let line = refused(&["--scenario", name]);
        assert!(line.contains("not built yet") && line.contains("throughput and saturation"), "{line}");
    }
}

#[test]
fn level_zero_is_refused_with_what_would_be_right() {
    let line = refused(&["--scenario", "saturation", "--levels", "50,0,90"]);
    assert!(line.contains("'0' is not a level") && line.contains("above 0"), "{line}");
}

#[test]
fn a_cpu_that_does_not_exist_is_named_with_those_that_do() {
    let line = refused(&["--scenario", "saturation", "--pin", "0,9999"]);
    assert!(line.contains("CPU 9999") && line.contains("give of 0"), "{line}");
}

#[test]
fn an_unreadable_file_is_named() {
    let line = refused(&["--scenario", "throughput", "--input", "/no/such/file"]);
    assert!(line.contains("/no/such/file") && line.contains("newline-delimited"), "{line}");
}

#[test]
fn a_file_without_messages_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = refused(&["--scenario", "throughput", "--input", file.path().to_str().unwrap()]);
    assert!(line.contains("at least one line"), "{line}");
}

#[test]
fn options_of_scenarios_to_come_are_not_accepted_in_silence() {
    for option in ["--mix", "--ordering-keys", "--key-field", "--time-field"] {
        let line = refused(&["--scenario", "throughput", option, "x"]);
        assert!(line.contains(option), "{line}");
    }
    let line = refused(&["--scenario", "throughput", "--mode", "stream"]);
    assert!(line.contains("in-place") && line.contains("leased"), "{line}");
}

#[test]
fn options_without_effect_are_refused() {
    assert!(
        refused(&["--scenario", "throughput", "--levels", "50"]).contains("belongs to --scenario saturation")
    );
    assert!(
        refused(&["--scenario", "saturation", "--messages", "5"])
            .contains("belongs to --scenario throughput")
    );
}

#[test]
fn without_a_scenario_it_says_what_is_missing() {
    assert!(refused(&[]).contains("--scenario"));
    assert!(refused(&["frobnicate", "a"]).contains("frobnicate"));
}

#[test]
fn a_results_directory_that_cannot_be_is_refused_before_anything_runs() {
    let line = refused(&["--scenario", "throughput", "--results", "/dev/null/results"]);
    // A debug build is refused first.
    assert!(line.contains("/dev/null/results") || line.contains("debug build"), "{line}");
}

#[cfg(debug_assertions)]
#[test]
fn a_debug_build_refuses_to_measure() {
    let line = refused(&["--scenario", "throughput", "--quick"]);
    assert!(line.contains("debug build") && line.contains("--release"), "{line}");
}

#[test]
fn a_dry_run_tells_the_plan_and_measures_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let results = directory.path().join("results");
    let output = harness(&[
        "--scenario",
        "saturation",
        "--levels",
        "50,75,90,100,110,125",
        "--dry-run",
        "--results",
        results.to_str().unwrap(),
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(text.contains("levels 50, 75, 90, 100, 110, 125 %") && text.contains("about"), "{text}");
    assert!(!results.exists());
}

#[test]
fn help_and_version_go_to_stdout() {
    for option in ["--help", "--version"] {
        let output = harness(&[option]);
        assert!(output.status.success() && !output.stdout.is_empty() && output.stderr.is_empty());
    }
}
