//! Which profile another is compared with, and which it may replace.

use crate::place::{HARNESS, PERF, Place, errors};
use std::path::Path;
use std::process::{Command, Output};

/// A workspace to look at, in git, with profiles as they would be committed.
fn workspace() -> Place {
    let place = Place::new(&[("perf", PERF)]);
    let git = std::env::split_paths(&std::env::var_os("PATH").expect("a PATH"))
        .map(|directory| directory.join("git"))
        .find(|file| file.is_file())
        .expect("git is on the PATH");
    std::os::unix::fs::symlink(git, place.path().join("bin/git")).expect("a link");
    std::fs::write(place.path().join("Cargo.toml"), "[profile.profiling]\n").expect("a file");
    std::fs::create_dir(place.path().join("harness")).expect("a directory");
    std::fs::write(place.path().join("harness/Cargo.toml"), "").expect("a file");
    git_in(place.path(), &["init", "--quiet"]);
    place
}

fn git_in(directory: &Path, arguments: &[&str]) {
    let named = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
    let status = Command::new("git").current_dir(directory).args(named).args(arguments).status();
    assert!(status.expect("git runs").success(), "{arguments:?}");
}

fn commit(place: &Place) {
    git_in(place.path(), &["add", "profiles"]);
    git_in(place.path(), &["commit", "--quiet", "-m", "profiles"]);
}

/// Runs it from within the workspace, without `--out`.
fn within(place: &Place, arguments: &str) -> Output {
    let mut command = place.command();
    command.current_dir(place.path()).args(arguments.split_whitespace()).output().expect("the harness starts")
}

/// A profile of `throughput` whose configuration is that of a run, and of this CPU.
fn committed(config: &str, cpu: &str) -> Place {
    let place = workspace();
    let environment = format!(r#""environment": {{"cpuModel": "{cpu}", "#);
    let text = HARNESS
        .replace(r#""config": {"subscriptions": 1}"#, &format!(r#""config": {config}"#))
        .replace(r#""environment": {"#, &environment)
        .replace(r#""load": "open""#, r#""load": "full""#);
    place.install("../stand-in", &text);
    let output = within(&place, "--scenario throughput");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    commit(&place);
    place
}

/// What `--scenario throughput` comes to.
const CONFIG: &str = r#"{"publishers": 1, "subscriptions": 1, "consumers": 1, "sampleMs": 10000.0, "warmupMs": 300.0,
 "iterations": 1, "mode": "in-place", "shards": 1, "ring": 4096, "overflow": "block", "wait": "spin-then-park", "batch": 1,
 "read": "ends", "quick": false, "payload": "written", "payloadBytes": 1024}"#;

fn diff(place: &Place) -> bool {
    place.path().join("profiles/throughput/diff.svg").exists()
}

#[test]
fn the_same_again_is_compared_however_long_it_took() {
    let place = committed(CONFIG, "a CPU");
    for arguments in ["--scenario throughput", "--scenario throughput --duration 5s -- --warmup 1s"] {
        let output = within(&place, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments}: {output:?}");
        assert!(errors(&output).is_empty() && diff(&place), "{arguments}: {output:?}");
    }
}

#[test]
fn another_configuration_asks_for_a_place_of_its_own_before_it_is_run() {
    let place = committed(CONFIG, "a CPU");
    let ran = place.path().join("ran");
    place.install("../stand-in", &format!("#!/bin/sh\n: > '{}'\n", ran.display()));
    let before = std::fs::read(place.path().join("profiles/throughput/meta.json")).expect("meta.json");
    let output = within(&place, "--scenario throughput -- --mode leased --publishers 2");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("give --out") && line.contains("publishers is 1"), "{line}");
    assert!(!ran.exists(), "it was run all the same");
    let after = std::fs::read(place.path().join("profiles/throughput/meta.json")).expect("meta.json");
    assert_eq!(before, after);
}

/// The run to come says that it was of this configuration.
fn configured(place: &Place, config: &str) {
    let harness = HARNESS
        .replace(r#""config": {"subscriptions": 1}"#, &format!(r#""config": {config}"#))
        .replace(r#""load": "open""#, r#""load": "full""#);
    place.install("../stand-in", &harness);
}

#[test]
fn another_configuration_is_not_compared_where_it_was_told_to_go() {
    let place = committed(CONFIG, "a CPU");
    configured(&place, &CONFIG.replace("in-place", "leased"));
    let out = place.out();
    let output = within(&place, &format!("--scenario throughput --out {} -- --mode leased", out.display()));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("no diff.svg") && line.contains("mode is \"in-place\""), "{line}");
    assert!(!diff(&place));
    let picture = std::fs::read_to_string(out.join("throughput/cpu.svg")).expect("a picture");
    assert!(picture.contains("throughput, mode leased"), "the title says so");
}

#[test]
fn another_configuration_that_shows_only_in_the_result_replaces_nothing() {
    let place = committed(CONFIG, "a CPU");
    configured(&place, &CONFIG.replace("4096", "8192"));
    let before = std::fs::read(place.path().join("profiles/throughput/meta.json")).expect("meta.json");
    let output = within(&place, "--scenario throughput");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("ring is 4096") && line.contains("--out"), "{line}");
    let after = std::fs::read(place.path().join("profiles/throughput/meta.json")).expect("meta.json");
    assert_eq!(before, after);
}

#[test]
fn another_cpu_is_not_compared() {
    let place = committed(CONFIG, "a CPU");
    let text = std::fs::read_to_string(place.path().join("stand-in")).expect("a program");
    place.install("../stand-in", &text.replace("a CPU", "another CPU"));
    let output = within(&place, "--scenario throughput");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let [line] = &errors(&output)[..] else { panic!("{output:?}") };
    assert!(line.contains("no diff.svg") && line.contains("another CPU"), "{line}");
    assert!(!diff(&place));
}

#[test]
fn a_relative_target_directory_is_that_of_where_one_stands() {
    let place = workspace();
    let cargo = "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --target-dir ] && target=$2; shift; done\n\
                 /bin/mkdir -p \"$target/profiling\"\n/bin/cp \"$STAND_IN\" \"$target/profiling/harness\"\n";
    place.install("cargo", cargo);
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["profile", "--scenario", "saturation", "--level", "90", "--capacity", "1000"])
        .current_dir(place.path().join("harness"))
        .env("PATH", place.path().join("bin"))
        .env("STAND_IN", place.path().join("stand-in"))
        .env("CARGO_TARGET_DIR", "built")
        .output()
        .expect("the harness starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(place.names("harness/built"), ["frame-pointers"], "as cargo itself would have it");
}
