//! `harness profile` as people meet it, with and without `perf`. The harness that is run and `perf` are stand-ins, shell
//! scripts of built-ins only: what is tested is what is made of what they leave.
#![cfg(unix)]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes a result where `--results` says.
const HARNESS: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = --results ] && results=$2; shift; done
[ -n "$results" ] || exit 0
printf '%s' '{"scenario": "saturation", "success": true, "config": {"subscriptions": 1},
 "environment": {"commitHash": "abc", "rustcVersion": "rustc 1.95.0"}, "noise": {"noisy": false},
 "metrics": {"messagesPerSec": 900.0, "capacity": 1000.0,
             "levels": [{"percent": 90.0, "offeredRate": 900.0, "achievedRate": 899.0, "held": true}]},
 "threads": {"coordinatorCpuMs": 1.5, "roles": [
   {"role": "publisher", "load": "full", "samples": 4, "spins": 0, "waits": 0, "yields": 0},
   {"role": "publisher", "load": "open", "samples": 2, "spins": 9, "waits": 0, "yields": 0, "parks": 3},
   {"role": "consumer", "load": "open", "samples": 2, "spins": 5, "waits": 5, "yields": 0, "runQueueMs": 0.5}
 ]}}' > "$results/saturation.json"
"#;

/// Records nothing, and tells what a recording might have been.
const PERF: &str = r#"#!/bin/sh
case "$1" in
--version) echo "perf version 0.1" ;;
record)
    while [ "$1" != -- ]; do [ "$1" = -o ] && data=$2; shift; done
    shift
    printf 'recorded' > "$data"
    exec "$@"
    ;;
script)
    printf 'harness 10/10  1.0: cpu-clock: \n\t5580 main+0x8 (/bin/harness)\n\n'
    printf 'publisher-full 10/11  1.1: cpu-clock: \n\t5590 closed_loop+0x8 (/bin/harness)\n\n'
    printf 'publisher-open 10/12  1.2: cpu-clock: \n\t5590 publish+0x8 (/bin/harness)\n\n'
    printf 'consumer-open 10/13  1.2: cpu-clock: \n\t55a0 poll+0x8 (/bin/harness)\n\n'
    ;;
esac
"#;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new(programs: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("bin")).expect("a directory");
        let place = Self { directory };
        place.install("../stand-in", HARNESS);
        programs.iter().for_each(|(name, text)| place.install(name, text));
        place
    }

    /// Puts a program on the PATH, which has nothing else.
    fn install(&self, name: &str, text: &str) {
        let path = self.directory.path().join("bin").join(name);
        std::fs::write(&path, text).expect("a program");
        let mut permissions = std::fs::metadata(&path).expect("a program").permissions();
        permissions.set_mode(0o755);
        std::fs::set_permissions(&path, permissions).expect("permissions");
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("profiles")
    }

    fn profile(&self, arguments: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_harness"))
            .arg("profile")
            .args(["--binary".as_ref(), self.directory.path().join("stand-in").as_os_str()])
            .args(["--out".as_ref(), self.out().as_os_str()])
            .args(arguments.split_whitespace())
            .env("PATH", self.directory.path().join("bin"))
            .output()
            .expect("the harness starts")
    }

    fn json(&self, name: &str) -> Value {
        let path = self.out().join("saturation-90").join(name);
        serde_json::from_slice(&std::fs::read(path).expect(name)).expect("JSON")
    }
}

fn errors(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}

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
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(
        line.contains("stand-in left no result") && line.contains("give a harness as --binary"),
        "{line}"
    );
}
