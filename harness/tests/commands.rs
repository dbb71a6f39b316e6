//! The sub-commands as people meet them: exit codes, one line of refusal, and nothing on stdout but the result.

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
fn completions_name_the_options_and_the_sub_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = harness(&["completions", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        for word in ["saturation", "completions", "levels"] {
            assert!(text.contains(word), "{shell} is not told of {word}");
        }
    }
    assert!(refused(&["completions", "tcsh"]).contains("bash"));
}
