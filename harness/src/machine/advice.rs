//! What disturbs measurements on a machine, and what to do about it, in one line each.

use super::{Facts, Probes};
use crate::num;

/// Steal and clock gaps from here on are worth a word, in percent.
const STOLEN: f64 = 1.0;
/// How much the probes of one pair of CPUs may differ.
const MOVED: f64 = 1.8;

/// The lines, most important first; empty when nothing is known to disturb.
pub(crate) fn advice(facts: &Facts, probes: &Probes) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |line: String| lines.push(line);
    if facts.cpus.len() == 1 {
        say("one CPU: publisher and consumer take turns, and latencies are those of the scheduler; use a machine \
             with at least two"
            .to_owned());
    }
    let busy = num::float(num::count(facts.cpus.len())) * 0.3;
    if let Some(load) = facts.load.filter(|load| *load > busy) {
        say(format!("load {load:.2}: other programs are at work; end them, or wait until they are done"));
    }
    if let Some(steal) = facts.steal_percent.filter(|steal| *steal > STOLEN) {
        say(format!(
            "the hypervisor took {steal:.1} % of the CPU time since the start: a shared host; run more iterations, \
             and compare with --interleave"
        ));
    }
    if probes.gaps_percent > STOLEN {
        say(format!(
            "a thread that only read the clock lost {:.1} % of its time: something else runs on its CPU; end it, \
             or use --pin with CPUs that are free",
            probes.gaps_percent
        ));
    }
    if let Some(pair) = probes.distances.iter().find(|pair| pair.most_ns > pair.least_ns * MOVED) {
        say(format!(
            "CPUs {} and {} are {:.0} to {:.0} ns apart from one moment to the next: the hypervisor moves them; \
             trust medians of many iterations, and compare with --interleave",
            pair.from, pair.to, pair.least_ns, pair.most_ns
        ));
    }
    if let Some(governor) = facts.governor.as_deref().filter(|governor| *governor != "performance") {
        say(format!(
            "governor {governor} changes the clock rate with the load; cpupower frequency-set -g performance"
        ));
    }
    if let Some(source) =
        facts.clock_source.as_deref().filter(|source| !["tsc", "kvm-clock"].contains(source))
    {
        say(format!("clock source {source} is slow to read; tsc is better, if the kernel trusts it"));
    }
    if !facts.siblings.is_empty() {
        say(format!(
            "CPUs {} are threads of one core and slow each other down; roles are given one thread per core first, \
             --pin overrides that",
            facts.siblings.join(" and ")
        ));
    }
    if facts.numa_nodes.is_some_and(|nodes| nodes > 1) {
        say("more than one memory node: give CPUs of one node with --pin, or the figures are those of the link"
            .to_owned());
    }
    if facts.virtualized == Some(true) {
        say("a virtual machine: what else the host runs shows in every figure; --strict refuses what is too noisy"
            .to_owned());
    }
    if facts.perf.is_none() {
        say("no perf: harness profile lacks its flame graph; install linux-perf (Debian), linux-tools (Ubuntu) or \
             perf (Fedora)"
            .to_owned());
    } else if let Some(level) = facts.perf_event_paranoid.filter(|level| *level > 1)
        && facts.perf_privileged != Some(true)
    {
        let lacks = if level > 2 { "lacks its flame graph" } else { "lacks the kernel's samples" };
        say(format!(
            "perf_event_paranoid is {level}: harness profile {lacks}; sudo sysctl kernel.perf_event_paranoid=1, or run as root"
        ));
    }
    if facts.membarrier == Some(false) {
        say("no membarrier in this kernel: every publish pays for a fence; Linux 4.14 and later have it"
            .to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::probes::Distance;

    fn quiet() -> (Facts, Probes) {
        let facts = Facts {
            cpus: vec![0, 1],
            load: Some(0.1),
            governor: Some("performance".to_owned()),
            virtualized: Some(false),
            perf: Some("/usr/bin/perf".to_owned()),
            membarrier: Some(true),
            ..Facts::default()
        };
        (facts, Probes::default())
    }

    #[test]
    fn a_quiet_machine_needs_no_advice() {
        let (facts, probes) = quiet();
        assert!(advice(&facts, &probes).is_empty(), "{:?}", advice(&facts, &probes));
    }

    #[test]
    fn each_disturbance_is_named_in_one_line_with_a_remedy() {
        type Disturb = fn(&mut Facts, &mut Probes);
        let cases: [(&str, Disturb); 13] = [
            ("one CPU", |facts, _| facts.cpus = vec![0]),
            ("load 2.50", |facts, _| facts.load = Some(2.5)),
            ("took 7.0 %", |facts, _| facts.steal_percent = Some(7.0)),
            ("lost 30.0 %", |_, probes| probes.gaps_percent = 30.0),
            ("14 to 200 ns", |_, probes| {
                probes.distances = vec![Distance { from: 0, to: 1, least_ns: 14.0, most_ns: 200.0 }];
            }),
            ("governor powersave", |facts, _| facts.governor = Some("powersave".to_owned())),
            ("clock source hpet", |facts, _| facts.clock_source = Some("hpet".to_owned())),
            ("CPUs 0-1 are threads", |facts, _| facts.siblings = vec!["0-1".to_owned()]),
            ("memory node", |facts, _| facts.numa_nodes = Some(2)),
            ("virtual machine", |facts, _| facts.virtualized = Some(true)),
            ("no perf", |facts, _| facts.perf = None),
            ("perf_event_paranoid is 3: harness profile lacks its flame graph", |facts, _| {
                facts.perf_event_paranoid = Some(3);
            }),
            ("perf_event_paranoid is 2: harness profile lacks the kernel's samples", |facts, _| {
                (facts.perf_event_paranoid, facts.perf_privileged) = (Some(2), Some(false));
            }),
        ];
        for (wanted, disturb) in cases {
            let (mut facts, mut probes) = quiet();
            disturb(&mut facts, &mut probes);
            let lines = advice(&facts, &probes);
            assert!(
                lines.len() == 1 && lines[0].contains(wanted) && !lines[0].contains('\n'),
                "{wanted}: {lines:?}"
            );
        }
    }
    #[test]
    fn root_is_not_told_how_to_become_root() {
        let (mut facts, probes) = quiet();
        (facts.perf_event_paranoid, facts.perf_privileged) = (Some(3), Some(true));
        assert!(advice(&facts, &probes).is_empty(), "{:?}", advice(&facts, &probes));
    }
}
