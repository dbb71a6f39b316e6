//! `perf`: whether it is there and may record, recording, and its data as text.

use std::path::Path;
use std::process::{Command, Stdio};

/// A timer: virtual machines often hide the CPU's own counters, and a timer is always there.
pub(super) const EVENT: &str = "cpu-clock";
/// Not a round number, so that it does not keep step with anything that happens a thousand times a second.
pub(super) const HERTZ: u32 = 999;

/// The version of `perf`, when it may record; otherwise the remedy, in one line.
pub(super) fn probe(binary: &Path, work: &Path) -> Result<String, String> {
    let version = Command::new("perf").arg("--version").stdin(Stdio::null()).output();
    let version = match version {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => {
            return Err(without(&format!("perf does not work: {}", reason(&output.stderr)), INSTALL));
        }
        Err(_) => return Err(without("perf is not installed", INSTALL)),
    };
    let trial = command(&work.join("trial.data"), binary)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| without(&format!("perf does not run: {error}"), INSTALL))?;
    if trial.status.success() {
        return Ok(version);
    }
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    Err(match paranoid.trim().parse::<i32>() {
        Ok(level) if level > 2 => without(
            &format!("perf may not record (kernel.perf_event_paranoid is {level})"),
            "sudo sysctl kernel.perf_event_paranoid=1",
        ),
        _ => without(
            &format!("perf does not record: {}", reason(&trial.stderr)),
            "run as root, or give the container CAP_PERFMON",
        ),
    })
}

const INSTALL: &str = "install linux-perf (Debian), linux-tools-$(uname -r) (Ubuntu) or perf (Fedora, Arch), and run this again";

fn without(what: &str, remedy: &str) -> String {
    format!("{what}, so there is no CPU profile: {remedy}")
}

/// The first line that says why.
fn reason(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    // A heading, such as perf's `Error:`, says nothing.
    let says_something = |line: &&str| !line.is_empty() && !line.ends_with(':');
    text.lines().map(str::trim).find(says_something).unwrap_or("it does not say why").to_owned()
}

/// `perf record` of `binary`, whose arguments are still to be added.
pub(super) fn command(data: &Path, binary: &Path) -> Command {
    let mut command = Command::new("perf");
    let hertz = HERTZ.to_string();
    command
        .args(["record", "--quiet", "-e", EVENT, "-F", &hertz, "-g", "-o"])
        .arg(data)
        .arg("--")
        .arg(binary);
    command
}

/// What is said when the kernel's samples are missing.
pub(super) const USER_ONLY: &str = "no samples of the kernel: perf may record an ordinary user's own code alone, and what was \
     spent in system calls is left out; sudo sysctl kernel.perf_event_paranoid=1, or run as root";

/// Whether the kernel's samples are in it: `perf` leaves them out, without a word when it is quiet, where it may not record
/// them. `None` when it does not tell.
pub(super) fn has_kernel(data: &Path) -> Option<bool> {
    let output =
        Command::new("perf").args(["evlist", "-v", "-i"]).arg(data).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| with_kernel(&String::from_utf8_lossy(&output.stdout)))?
}

/// The same by the list of events, among which may be some of perf's own.
fn with_kernel(list: &str) -> Option<bool> {
    let event = list.lines().find(|line| line.starts_with(EVENT))?;
    Some(!event.contains("exclude_kernel: 1"))
}

/// What was recorded, as text: a header with name, process and thread a sample, then its stack.
pub(super) fn script(data: &Path) -> Result<Vec<u8>, String> {
    let output = Command::new("perf")
        // Inlined functions are left out: to look them up takes minutes, and `perf annotate` shows them.
        .args(["script", "--no-inline", "-F", "comm,pid,tid,time,event,ip,sym,dso", "-i"])
        .arg(data)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run perf script: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("perf script failed: {}", reason(&output.stderr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_perfs_own_says_nothing_of_the_kernel() {
        let own = "dummy:u: type: 1, exclude_kernel: 1, exclude_hv: 1\n";
        assert_eq!(with_kernel(&format!("{own}cpu-clock: type: 1, exclude_guest: 1\n")), Some(true));
        assert_eq!(with_kernel(&format!("cpu-clock:u: type: 1, exclude_kernel: 1\n{own}")), Some(false));
        assert_eq!(with_kernel(own), None);
    }

    #[test]
    fn the_reason_stands_below_the_headings() {
        let text = "Error:\n\nThis is why it failed:\nAccess to performance monitoring is limited.\nMore.\n";
        assert_eq!(reason(text.as_bytes()), "Access to performance monitoring is limited.");
        assert_eq!(reason(b"Error:\n"), "it does not say why");
    }
}
