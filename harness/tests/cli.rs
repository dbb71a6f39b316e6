//! The command line as people meet it: exit codes, one line of refusal, and nothing on stdout but the result.

mod common;

use common::{asked, refused};

#[test]
fn an_unknown_scenario_is_told_which_there_are() {
    let line = refused(&["--scenario", "nonsense"]);
    assert!(
        line.contains("unknown scenario 'nonsense'") && line.contains("throughput, firehose, fanout"),
        "{line}"
    );
}

#[test]
fn level_zero_is_refused_with_what_would_be_right() {
    let line = refused(&["--scenario", "saturation", "--levels", "50,0,90"]);
    assert!(line.contains("'0' is not a level") && line.contains("above 0"), "{line}");
}

#[test]
fn what_is_out_of_range_is_told_its_range() {
    for (arguments, part) in [
        ("--scenario saturation --levels -5", "'-5' is not a level; levels are percentages"),
        ("--scenario saturation --levels -5,50", "'-5' is not a level; levels are percentages"),
        ("--scenario throughput --messages -1", "'-1' is not a number; write a whole one, such as 5 or 1000"),
        ("--scenario throughput --iterations -1", "'-1' is not a number; write a whole one"),
        ("--scenario throughput --ring 1e3", "'1e3' is not a number; write a whole one"),
        ("--scenario throughput --duration -5s", "'-5s' is not a time; write a number and ms"),
        ("--scenario soak --duration 100000h", "'100000h' is too long; give less than 7 days, such as 24h"),
        ("--scenario saturation --capacity -1M", "'-1M' is not a capacity; write auto"),
        ("--scenario saturation --capacity 20000M", "100 to 10000M"),
        ("--scenario throughput --payload -1KB", "'-1KB' is not a size"),
        ("compare a b --threshold 0", "'0' is not a threshold; write a change in percent above 0"),
        ("compare a b --threshold -5", "'-5' is not a threshold"),
        ("compare a b --interleave --rounds 0", "give 1 to 1000"),
    ] {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let line = refused(&words);
        assert!(line.contains(part), "{arguments}: {line}");
    }
}

#[test]
fn a_cpu_that_does_not_exist_is_named_with_those_that_do() {
    let line = refused(&["--scenario", "saturation", "--pin", "0,9999"]);
    assert!(line.contains("CPU 9999") && line.contains("give of 0"), "{line}");
}

#[test]
fn a_cpu_that_is_named_twice_is_refused() {
    for pin in ["0,0", "0-1,1"] {
        let line = refused(&["--scenario", "throughput", "--pin", pin]);
        assert!(line.contains("twice") && line.contains("name each once"), "{line}");
    }
}

#[test]
fn a_batch_that_the_engine_would_refuse_is_refused_with_its_bound() {
    let line = refused(&["--scenario", "throughput", "--ring", "64", "--batch", "33", "--dry-run"]);
    assert!(line.contains("--batch 33") && line.contains("up to 32: with --ring 64"), "{line}");
    let large = ["--scenario", "saturation", "--payload", "1KB,1MB", "--batch", "64", "--dry-run"];
    assert!(refused(&large).contains("up to 32: with --ring 4096 and payloads of 1MB"));
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
fn options_without_effect_are_refused() {
    for (arguments, part) in [
        ("--scenario throughput --levels 50", "belongs to --scenario saturation"),
        ("--scenario saturation --messages 5", "belongs to --scenario throughput"),
        ("--scenario firehose --subscriptions 3", "--subscriptions does nothing in --scenario firehose"),
        ("--scenario soak --batch 3", "--batch does nothing in --scenario soak"),
        ("--scenario replay --publishers 3", "--publishers does nothing in --scenario replay"),
        ("--scenario thundering-herd --pin 0", "--pin does nothing in --scenario thundering-herd"),
        ("--scenario throughput --key-field k", "--input"),
        ("--scenario throughput --mix 1x1KB --payload 2KB", "leave one out"),
        ("--scenario replay", "takes --input FILE"),
    ] {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let line = refused(&words);
        assert!(line.contains(part), "{arguments}: {line}");
    }
}

#[test]
fn what_a_field_of_an_input_lacks_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"t\":1,\"k\":\"a\"}\n\n{\"t\":\"later\"}\n").unwrap();
    let path = file.path().to_str().unwrap();
    let replay = ["--scenario", "replay", "--input", path];
    let line = refused(&[&replay[..], &["--time-field", "t"]].concat());
    assert!(line.contains("line 3") && line.contains("RFC 3339"), "{line}");
    assert!(
        refused(&[&replay[..], &["--key-field", "user"]].concat()).contains("no line has a field 'user'")
    );
    assert!(refused(&[&replay[..], &["--speed", "2"]].concat()).contains("--time-field"));
}

#[test]
fn without_a_scenario_it_says_what_is_missing() {
    let line = refused(&[]);
    assert!(line.contains("--scenario") && line.contains("throughput, firehose, fanout"), "{line}");
    assert!(refused(&["frobnicate", "a"]).contains("frobnicate"));
}

#[test]
fn a_scenario_without_its_option_is_told_the_option() {
    let line = refused(&["saturation", "--levels", "50"]);
    assert!(line.contains("it is a scenario, so give --scenario saturation"), "{line}");
    assert!(refused(&["run"]).contains("--scenario with one of throughput, firehose"));
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
    let output = asked(&[
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
fn every_scenario_has_a_plan() {
    let output = asked(&["--scenario", "all", "--quick", "--dry-run"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for name in ["throughput:", "firehose:", "fanout:", "thundering-herd:", "saturation:", "soak:"] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert!(!text.contains("replay:"), "there is nothing to replay: {text}");
}

#[test]
fn help_and_version_go_to_stdout() {
    for option in ["--help", "--version"] {
        let output = asked(&[option]);
        assert!(output.status.success() && !output.stdout.is_empty() && output.stderr.is_empty());
    }
    let help = String::from_utf8(asked(&["--help"]).stdout).unwrap();
    assert!(help.contains("3 too noisy to tell"), "{help}");
    let help = String::from_utf8(asked(&["compare", "--help"]).stdout).unwrap();
    assert!(help.contains("3 it cannot be told"), "{help}");
}
