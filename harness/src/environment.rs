//! Where a result comes from: the machine, the build, the placement.
//!
//! Read once at the end of a run. What a system does not tell (a frequency governor in a virtual machine, a commit
//! outside git) is absent.

use serde::Serialize;

use crate::pin::{self, Layout};

/// The `environment` object of a result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Environment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_model: Option<String>,
    pub(crate) cpu_cores: usize,
    #[serde(rename = "totalMemoryMB", skip_serializing_if = "Option::is_none")]
    pub(crate) total_memory: Option<u64>,
    pub(crate) platform: &'static str,
    pub(crate) arch: &'static str,
    pub(crate) timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit_hash: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rustc_version: Option<&'static str>,
    pub(crate) engine_version: &'static str,
    pub(crate) harness_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) governor: Option<String>,
    pub(crate) pinning: String,
    /// Set when this build is slower on purpose: by so many percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handicap: Option<u64>,
    /// What there is too much of, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oversubscribed: Option<String>,
    /// Whether a hypervisor says that it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) virtualized: Option<bool>,
}

impl Environment {
    /// Reads the machine. `pinned` is false when the system refused to pin a thread.
    pub(crate) fn read(layout: &Layout, pinned: bool, engine_version: &'static str) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").ok();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let first = layout.cpus().first().copied().unwrap_or(0);
        Self {
            cpu_model: cpuinfo.as_deref().and_then(|text| value(text, "model name")).map(str::to_owned),
            cpu_cores: pin::available().len(),
            total_memory: value(&meminfo, "MemTotal")
                .and_then(|kb| kb.trim_end_matches("kB").trim().parse::<u64>().ok())
                .map(|kb| kb / 1024),
            platform: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            timestamp: timestamp(),
            commit_hash: option_env!("HARNESS_COMMIT"),
            rustc_version: option_env!("HARNESS_RUSTC_VERSION"),
            engine_version,
            harness_version: env!("CARGO_PKG_VERSION"),
            kernel: line("/proc/sys/kernel/osrelease"),
            governor: line(&format!("/sys/devices/system/cpu/cpu{first}/cpufreq/scaling_governor")),
            pinning: if pinned { layout.describe() } else { "refused by the system".to_owned() },
            handicap: crate::handicap::percent(),
            oversubscribed: layout.oversubscribed.map(|(roles, cpus)| {
                let plural = if cpus == 1 { "" } else { "s" };
                format!("{roles} roles on {cpus} CPU{plural}")
            }),
            virtualized: cpuinfo.as_deref().and_then(|text| value(text, "flags")).map(has_hypervisor),
        }
    }
}

/// The clock rate in Hz that the kernel tells, for judging what is possible.
pub(crate) fn cpu_hz() -> Option<f64> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    value(&cpuinfo, "cpu MHz")?.parse::<f64>().ok().map(|mhz| mhz * 1e6)
}

/// The machine's memory in bytes.
pub(crate) fn memory() -> Option<usize> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes: usize = value(&meminfo, "MemTotal")?.trim_end_matches("kB").trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The largest cache, in bytes, which CPUs may share.
pub(crate) fn largest_cache() -> Option<usize> {
    caches().max()
}

/// The largest cache that a CPU has to itself, in bytes, taken to be the second of three.
pub(crate) fn private_cache() -> Option<usize> {
    let mut sizes: Vec<usize> = caches().collect();
    sizes.sort_unstable();
    sizes.pop();
    sizes.pop()
}

/// The caches of the first CPU, in bytes.
fn caches() -> impl Iterator<Item = usize> {
    (0..8).filter_map(|index| {
        let size = line(&format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size"))?;
        let kilobytes: usize = size.strip_suffix('K')?.parse().ok()?;
        kilobytes.checked_mul(1024)
    })
}

/// Now, in UTC, to the millisecond.
pub(crate) fn timestamp() -> String {
    let milliseconds = jiff::Timestamp::now().as_millisecond();
    jiff::Timestamp::from_millisecond(milliseconds).map_or_else(|_| String::new(), |now| format!("{now:.3}"))
}

/// Whether the CPU's flags tell of a hypervisor.
pub(crate) fn has_hypervisor(flags: &str) -> bool {
    flags.split_ascii_whitespace().any(|flag| flag == "hypervisor")
}

/// The value of the first line `name : value`.
pub(crate) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The first line of a file, if there is one.
pub(crate) fn line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pin::{CursorRole, Pinning};

    #[test]
    fn the_names_are_those_of_the_result_format() {
        let layout = Layout::new(1, &[CursorRole { subscription: 0 }], &Pinning::Off, &[0, 1]);
        let json = serde_json::to_value(Environment::read(&layout, true, "0.1.0")).unwrap();
        for name in ["cpuCores", "platform", "arch", "timestamp", "engineVersion", "pinning"] {
            assert!(json.get(name).is_some(), "{name} in {json}");
        }
        if cfg!(target_os = "linux") {
            assert!(json["totalMemoryMB"].as_u64().unwrap() > 0);
            assert!(json["kernel"].is_string());
        }
    }

    #[test]
    fn a_timestamp_has_milliseconds_and_a_zone() {
        let now = timestamp();
        assert_eq!((now.len(), &now[10..11], &now[23..]), (24, "T", "Z"), "{now}");
    }

    #[test]
    fn lines_of_the_kernel_are_read_by_name() {
        assert_eq!(value("a : 1\nmodel name\t: Some CPU\n", "model name"), Some("Some CPU"));
        assert!(has_hypervisor("fpu hypervisor sse") && !has_hypervisor("fpu sse"));
    }
}
