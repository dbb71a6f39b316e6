//! `harness env`: what the machine is, and what on it disturbs measurements.

use clap::Args;
use serde_json::json;

use super::say;
use crate::Verdict;
use crate::machine::{self, Facts, Probes};
use crate::num;

/// The arguments of `harness env`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Reads, measures, and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, String> {
    let facts = Facts::read();
    let probes = Probes::measure(&facts.cpus);
    let advice = machine::advice(&facts, &probes);
    let built = crate::limits::build().is_ok();
    say(&if arguments.json {
        let object = json!({ "facts": facts, "probes": probes, "advice": advice, "release": built });
        format!("{object:#}\n")
    } else {
        text(&facts, &probes, &advice, built)
    })?;
    Ok(Verdict::Passed)
}

fn text(facts: &Facts, probes: &Probes, advice: &[String], built: bool) -> String {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        lines.push(format!("{name:<18} {}", value.unwrap_or_else(|| "unknown".to_owned())));
    };
    let list = |cpus: &[usize]| cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    add("CPU", facts.cpu_model.clone());
    let online = facts.online.as_ref().map_or_else(String::new, |online| format!(" (online: {online})"));
    add("CPUs to use", Some(format!("{}{online}", list(&facts.cpus))));
    let siblings =
        if facts.siblings.is_empty() { "none known".to_owned() } else { facts.siblings.join("; ") };
    add("threads of a core", Some(siblings));
    for cache in &facts.caches {
        let value = format!("{} {}, shared by CPUs {}", cache.size, cache.kind, cache.shared_by);
        add(&format!("L{} cache", cache.level), Some(value));
    }
    add("memory nodes", facts.numa_nodes.map(|nodes| nodes.to_string()));
    add("governor", facts.governor.clone());
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    add("virtual", facts.virtualized.map(yes));
    add("kernel", facts.kernel.clone());
    add("clock source", facts.clock_source.clone());
    let clocks = format!("{} ns; the system's {} ns", probes.clock_read_ns, probes.system_clock_read_ns);
    add("clock read", Some(clocks));
    for pair in &probes.distances {
        let value = format!("{:.0} to {:.0} ns one way", pair.least_ns, pair.most_ns);
        add(&format!("CPU {} to CPU {}", pair.from, pair.to), Some(value));
    }
    add("memory copy", probes.memory_gb_per_sec.map(|rate| format!("{rate:.1} GB/s on one thread")));
    add("clock gaps", Some(format!("{} % of 100 ms", num::percent(probes.gaps_percent))));
    add("load", facts.load.map(|load| format!("{load:.2}")));
    add("steal", facts.steal_percent.map(|steal| format!("{steal:.2} % since the start")));
    let paranoid = facts.perf_event_paranoid.map_or_else(String::new, |level| format!(", paranoid {level}"));
    add("perf", Some(facts.perf.clone().map_or_else(|| "none".to_owned(), |path| path + &paranoid)));
    add("membarrier", facts.membarrier.map(yes));
    lines.push(String::new());
    if !built {
        lines.push(
            "! this is a debug build: clock and memory figures are too high; use a release build".to_owned(),
        );
    }
    if advice.is_empty() {
        lines.push("nothing is known to disturb measurements here".to_owned());
    }
    lines.extend(advice.iter().map(|line| format!("! {line}")));
    lines.join("\n") + "\n"
}
