//! What the system's files say of the machine.

use serde::Serialize;
use std::path::Path;

use crate::environment::{has_hypervisor, line, value};
use crate::pin;

/// One cache of the first CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cache {
    pub(crate) level: String,
    pub(crate) kind: String,
    pub(crate) size: String,
    /// The CPUs that share it, as a list of ranges.
    pub(crate) shared_by: String,
}

/// The machine on paper.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_model: Option<String>,
    /// The CPUs that this process may use.
    pub(crate) cpus: Vec<usize>,
    /// The CPUs that the system has, as a list of ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) online: Option<String>,
    /// Pairs of CPUs that are two threads of one core, as lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) siblings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) caches: Vec<Cache>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) numa_nodes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) governor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) virtualized: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<String>,
    /// Runnable threads over the last minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<f64>,
    /// Share of CPU time that the hypervisor took since the system started, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steal_percent: Option<f64>,
    /// Where `perf` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) perf: Option<String>,
    /// What the kernel lets an ordinary user see: above 1 no samples of the kernel, above 2 nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) perf_event_paranoid: Option<i64>,
    /// Whether this process may see all of it whatever that says, as root may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) perf_privileged: Option<bool>,
    /// Whether the kernel has the system call that makes publishing free of fences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) membarrier: Option<bool>,
}

impl Facts {
    /// Reads the machine.
    pub(crate) fn read() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let loadavg = line("/proc/loadavg");
        Self {
            cpu_model: value(&cpuinfo, "model name").map(str::to_owned),
            cpus: pin::available().to_vec(),
            online: line("/sys/devices/system/cpu/online"),
            siblings: siblings(pin::available()),
            caches: caches(),
            numa_nodes: numa_nodes(),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            virtualized: value(&cpuinfo, "flags").map(has_hypervisor),
            clock_source: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            kernel: line("/proc/sys/kernel/osrelease"),
            load: loadavg.and_then(|line| line.split(' ').next()?.parse().ok()),
            steal_percent: std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(steal),
            perf: perf(std::env::var_os("PATH")),
            perf_event_paranoid: line("/proc/sys/kernel/perf_event_paranoid")
                .and_then(|text| text.parse().ok()),
            perf_privileged: std::fs::read_to_string("/proc/self/status")
                .ok()
                .as_deref()
                .and_then(perf_privileged),
            membarrier: std::fs::read_to_string("/proc/kallsyms")
                .ok()
                .filter(|symbols| !symbols.is_empty())
                .map(|symbols| symbols.contains("sys_membarrier")),
        }
    }
}

fn siblings(cpus: &[usize]) -> Vec<String> {
    let list = |cpu: &usize| line(&format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"));
    let mut lists: Vec<String> =
        cpus.iter().filter_map(list).filter(|list| list.contains([',', '-'])).collect();
    lists.sort();
    lists.dedup();
    lists
}

fn caches() -> Vec<Cache> {
    let read = |index: usize| {
        let file = |name: &str| line(&format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{name}"));
        Some(Cache {
            level: file("level")?,
            kind: file("type")?.to_lowercase(),
            size: file("size")?,
            shared_by: file("shared_cpu_list")?,
        })
    };
    (0..8).map_while(read).collect()
}

fn numa_nodes() -> Option<usize> {
    let entries = std::fs::read_dir("/sys/devices/system/node").ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_node = |name: &String| {
        name.strip_prefix("node").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Some(names.filter(is_node).count()).filter(|nodes| *nodes > 0)
}

/// Stolen ticks of all ticks in the first line of `/proc/stat`, in percent.
fn steal(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.split_ascii_whitespace().skip(1).take(8);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    let total: f64 = ticks.iter().sum();
    (total > 0.0).then_some(100.0 * ticks.get(7)? / total)
}

/// Whether one of the capabilities that the kernel asks for, `CAP_SYS_ADMIN` and `CAP_PERFMON`, is in effect.
fn perf_privileged(status: &str) -> Option<bool> {
    let effective = u64::from_str_radix(value(status, "CapEff")?, 16).ok()?;
    Some(effective & (1 << 21 | 1 << 38) != 0)
}

fn perf(path: Option<std::ffi::OsString>) -> Option<String> {
    let found =
        std::env::split_paths(&path?).map(|place| place.join("perf")).find(|file| Path::is_file(file));
    found.map(|file| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_the_eighth_field() {
        let percent = steal("cpu  50 0 20 20 0 0 0 10 0 0\n").unwrap();
        assert!((percent - 10.0).abs() < 1e-9, "{percent}");
        assert_eq!(steal("cpu 0 0 0 0 0 0 0 0"), None);
        assert_eq!(steal("cpu 1 2 3"), None);
    }

    #[test]
    fn root_may_record_whatever_an_ordinary_user_may_not() {
        let of = |mask: &str| perf_privileged(&format!("Name:\tharness\nCapEff:\t{mask}\n"));
        assert_eq!(of("000001ffffffffff"), Some(true));
        assert_eq!((of("0000004000000000"), of("0000000000200000")), (Some(true), Some(true)));
        assert_eq!((of("0000000000000000"), of("00000000a80425fb")), (Some(false), Some(false)));
        assert_eq!(perf_privileged("Name:\tharness\n"), None);
    }

    #[test]
    fn without_perf_there_is_none() {
        assert_eq!(perf(None), None);
        assert_eq!(perf(Some("/no/such/place".into())), None);
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("perf"), "").unwrap();
        assert!(perf(Some(directory.path().into())).unwrap().ends_with("perf"));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(serde_json::to_string(&Facts::default()).unwrap(), r#"{"cpus":[]}"#);
    }
}
