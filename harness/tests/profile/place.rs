//! A place with stand-ins for the harness that is run, for `perf`, and for whatever else a test needs.

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes a result where `--results` says.
pub(crate) const HARNESS: &str = r#"#!/bin/sh
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
pub(crate) const PERF: &str = r#"#!/bin/sh
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

pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(programs: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("bin")).expect("a directory");
        let place = Self { directory };
        place.install("../stand-in", HARNESS);
        programs.iter().for_each(|(name, text)| place.install(name, text));
        place
    }

    /// Puts a program on the PATH, which has nothing else.
    pub(crate) fn install(&self, name: &str, text: &str) {
        let path = self.directory.path().join("bin").join(name);
        std::fs::write(&path, text).expect("a program");
        let mut permissions = std::fs::metadata(&path).expect("a program").permissions();
        permissions.set_mode(0o755);
        std::fs::set_permissions(&path, permissions).expect("permissions");
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.directory.path().join("profiles")
    }

    pub(crate) fn profile(&self, arguments: &str) -> Output {
        self.command()
            .args(["--out".as_ref(), self.out().as_os_str()])
            .args(arguments.split_whitespace())
            .output()
            .expect("the harness starts")
    }

    /// The command, without `--out`.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .arg("profile")
            .args(["--binary".as_ref(), self.directory.path().join("stand-in").as_os_str()])
            .env("PATH", self.directory.path().join("bin"));
        command
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What there is in a folder, in the order of the alphabet.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(folder)).expect(folder);
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        let path = self.out().join("saturation-90").join(name);
        serde_json::from_slice(&std::fs::read(path).expect(name)).expect("JSON")
    }
}

pub(crate) fn errors(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}
