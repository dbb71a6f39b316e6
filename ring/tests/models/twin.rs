//! Running a test's twins: the same test while the library is broken in one named place (`sync::broken`,
//! `sync::ordering`). A twin must fail.
//!
//! It runs in a process of its own, since a failed model leaves its threads in the middle of things, and unwinding them may
//! well abort.

use std::io::Write;
use std::process::Command;

/// Names the broken variant in a twin's process. Empty, nothing is broken, and each model tells what places it comes by
/// at which something might be; that is for `ordering_mutants`.
use ringmain_ring::sync::twins::VARIABLE as TWIN;
/// By what a twin ends when it has failed.
const FAILED: i32 = 101;

/// What is broken, if this is a twin's process. From here on a panic ends it.
pub fn broken() -> Option<String> {
    let twin = std::env::var(TWIN).ok()?;
    ringmain_ring::sync::twins::break_only(&twin);
    // No unwinding: the model is in the middle of things.
    std::panic::set_hook(Box::new(|panic| {
        // How the model checker's coroutines are cancelled, when all is explored.
        if panic.location().is_some_and(|location| location.file().contains("/generator-")) {
            return;
        }
        say(&format!("{panic}").replace('\n', " "));
        std::process::exit(FAILED);
    }));
    Some(twin)
}

/// Runs the test `name` once more for each of its twins, which must fail.
pub fn run(name: &str, twins: &[&str]) {
    for twin in twins {
        let output = Command::new(std::env::current_exe().expect("this is a program"))
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(TWIN, twin)
            .output()
            .expect("this program runs");
        assert_eq!(
            output.status.code(),
            Some(FAILED),
            "broken by {twin}, the model {name} must fail and does not"
        );
        let said = String::from_utf8_lossy(&output.stdout);
        let why = said.lines().find(|line| line.contains("panicked")).expect("a model fails by a panic");
        // By which file, not by which path.
        let why =
            why.split_once(".rs:").map_or(why, |(path, _)| &why[path.rfind('/').map_or(0, |at| at + 1)..]);
        say(&format!("twin {name} / {twin}: {}", why.trim().chars().take(150).collect::<String>()));
    }
}

/// Past the test harness's capture, for scripts that count.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("somebody listens");
}
