//! What the kernel knows: stolen time per CPU, and what a thread got and waited for.
//!
//! Read from `/proc` before and after a sample, never during one. Elsewhere than on Linux these files do not exist,
//! and the figures are absent.

use crate::num;

/// Stolen and total ticks of some CPUs at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StealMeter {
    stolen: u64,
    total: u64,
}

impl StealMeter {
    /// Reads the ticks of `cpus`, or of all together when none are named.
    pub(crate) fn read(cpus: &[usize]) -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?, cpus)
    }

    fn parse(stat: &str, cpus: &[usize]) -> Option<Self> {
        let wanted: Vec<String> = if cpus.is_empty() {
            vec!["cpu".to_owned()]
        } else {
            cpus.iter().map(|cpu| format!("cpu{cpu}")).collect()
        };
        let mut meter = Self { stolen: 0, total: 0 };
        let mut found = false;
        for line in stat.lines() {
            let mut fields = line.split_ascii_whitespace();
            if !fields.next().is_some_and(|name| wanted.iter().any(|wanted| wanted == name)) {
                continue;
            }
            // user nice system idle iowait irq softirq steal; what follows is contained in user and nice.
            let ticks: Vec<u64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
            meter.stolen += ticks.get(7)?;
            meter.total += ticks.iter().sum::<u64>();
            found = true;
        }
        found.then_some(meter)
    }

    /// The share stolen between `self` and `later`, in percent. Absent when no tick passed.
    pub(crate) fn percent_until(&self, later: &Self) -> Option<f64> {
        let total = later.total.checked_sub(self.total).filter(|total| *total > 0)?;
        Some(100.0 * num::float(later.stolen.saturating_sub(self.stolen)) / num::float(total))
    }
}

/// What the calling thread got from the scheduler up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ThreadMeter {
    cpu: Option<u64>,
    queued: Option<u64>,
    voluntary: Option<u64>,
    involuntary: Option<u64>,
}

/// The difference of two readings. What could not be read is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ThreadUse {
    /// Nanoseconds on a CPU.
    pub(crate) cpu: Option<u64>,
    /// Nanoseconds ready to run but waiting for one.
    pub(crate) queued: Option<u64>,
    /// Times the thread gave up its CPU to sleep.
    pub(crate) voluntary: Option<u64>,
    /// Times the thread was put aside.
    pub(crate) involuntary: Option<u64>,
}

impl ThreadMeter {
    /// Reads the calling thread's figures. A thread must read its own: they go when it ends.
    pub(crate) fn read() -> Self {
        let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        Self::parse(&schedstat, &status)
    }

    fn parse(schedstat: &str, status: &str) -> Self {
        let mut times = schedstat.split_ascii_whitespace().map(|field| field.parse().ok());
        let switches = |name| {
            let count = status.lines().find_map(|line| line.strip_prefix(name))?;
            count.trim().parse().ok()
        };
        Self {
            cpu: times.next().flatten(),
            queued: times.next().flatten(),
            voluntary: switches("voluntary_ctxt_switches:"),
            involuntary: switches("nonvoluntary_ctxt_switches:"),
        }
    }

    /// What the thread used between `self` and `later`.
    pub(crate) fn used_until(&self, later: &Self) -> ThreadUse {
        let difference = |before: Option<u64>, after: Option<u64>| after?.checked_sub(before?);
        ThreadUse {
            cpu: difference(self.cpu, later.cpu),
            queued: difference(self.queued, later.queued),
            voluntary: difference(self.voluntary, later.voluntary),
            involuntary: difference(self.involuntary, later.involuntary),
        }
    }
}

impl ThreadUse {
    /// The use of several threads together.
    pub(crate) fn sum(uses: impl IntoIterator<Item = Self>) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        uses.into_iter().fold(Self::default(), |sum, one| Self {
            cpu: add(sum.cpu, one.cpu),
            queued: add(sum.queued, one.queued),
            voluntary: add(sum.voluntary, one.voluntary),
            involuntary: add(sum.involuntary, one.involuntary),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "cpu  20 0 20 140 0 0 0 20 0 0\ncpu0 10 0 10 70 0 0 0 10 0 0\ncpu1 10 0 10 70 0 0 0 10 0 0\n";
    const AFTER: &str =
        "cpu  20 0 20 230 0 0 0 30 9 9\ncpu0 10 0 10 70 0 0 0 20 0 0\ncpu1 10 0 10 160 0 0 0 10 0 0\n";

    #[test]
    fn steal_is_a_share_of_the_ticks_of_the_cpus_asked_for() {
        let percent = |cpus: &[usize]| {
            let (before, after) = (StealMeter::parse(BEFORE, cpus)?, StealMeter::parse(AFTER, cpus)?);
            before.percent_until(&after)
        };
        assert_eq!(percent(&[]), Some(10.0));
        assert_eq!(percent(&[0]), Some(100.0));
        assert_eq!(percent(&[1]), Some(0.0));
        assert_eq!(percent(&[7]), None);
    }

    #[test]
    fn no_ticks_is_not_zero_percent() {
        let meter = StealMeter::parse(BEFORE, &[]).unwrap();
        assert_eq!(meter.percent_until(&meter), None);
    }

    #[test]
    fn a_thread_reads_its_own_use() {
        let status = |voluntary, involuntary| {
            format!("voluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}\n")
        };
        let before = ThreadMeter::parse("100 20 3", &status(7, 1));
        let after = ThreadMeter::parse("350 25 4", &status(9, 4));
        let used = before.used_until(&after);
        let expected =
            ThreadUse { cpu: Some(250), queued: Some(5), voluntary: Some(2), involuntary: Some(3) };
        assert_eq!(used, expected);
        assert_eq!(ThreadMeter::parse("", "").used_until(&after), ThreadUse::default());
    }
}
