//! Which profile another is compared with, and which it may replace.

use crate::place::{PERF, Place};
use std::path::Path;
use std::process::Command;

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
