//! The result as text.

use super::{Paint, plot, scenarios, verdict};
use crate::Verdict;
use crate::cli::Scenario;
use crate::cli::settings::Settings;
use crate::latency::{Summary, samples_needed};
use crate::modes::{self, one_mode};
use crate::num;
use crate::payload::Read;
use crate::result::metrics::{Level, Saturation, ScenarioMetrics, Throughput};
use crate::result::{Account, Ran, name};

/// How much faster than at its slowest a machine may be at its fastest without a word about it.
const STEADY: f64 = 1.1;

/// The whole report, without the path of the file; `judged` is what the run exits with.
pub(crate) fn report(settings: &Settings, ran: &Ran, judged: Verdict, paint: Paint) -> String {
    let mut lines = vec![heading(settings)];
    if let Some(much) = &ran.environment.oversubscribed {
        lines.push(paint.bad(&format!("oversubscribed: {much}; roles share threads")));
    }
    if let Some(inject) = settings.inject {
        lines.push(paint.bad(&format!("injected on purpose: {inject}; this is no measurement")));
    }
    if settings.quick {
        lines.push(paint.faint("quick: samples are too short for more than an impression"));
    }
    lines.push(String::new());
    match ran.outcome.as_ref().map(|outcome| &outcome.metrics) {
        Some(ScenarioMetrics::Throughput(metrics)) => throughput(&mut lines, ran, metrics, paint),
        Some(ScenarioMetrics::Saturation(metrics)) => saturation(&mut lines, metrics, paint),
        Some(ScenarioMetrics::Fanout(metrics)) => scenarios::fanout(&mut lines, metrics, paint),
        Some(ScenarioMetrics::Firehose(metrics)) => scenarios::firehose(&mut lines, metrics, paint),
        Some(ScenarioMetrics::ThunderingHerd(metrics)) => {
            scenarios::thundering_herd(&mut lines, metrics, paint);
        }
        Some(ScenarioMetrics::Soak(metrics)) => scenarios::soak(&mut lines, ran, metrics, paint),
        Some(ScenarioMetrics::Replay(metrics)) => scenarios::replay(&mut lines, ran, metrics, paint),
        None => {}
    }
    lines.push(String::new());
    books(&mut lines, ran, paint);
    if ran.incomplete {
        lines.push(paint.bad("interrupted: only what was measured until then"));
    }
    lines.extend(verdict::lines(judged, ran.failures(), paint));
    lines.join("\n")
}

/// What was run, on one line.
pub(crate) fn heading(settings: &Settings) -> String {
    let payload = match settings.scenario {
        Scenario::Firehose => {
            settings.payload.text().replace("written per message", "by reference and written")
        }
        _ => settings.payload.text(),
    };
    let subscriptions = match settings.scenario {
        Scenario::Firehose => "no subscription and 1".to_owned(),
        Scenario::Fanout => {
            let counts: Vec<String> = settings.counts.iter().map(usize::to_string).collect();
            match settings.counts[..] {
                [count] => num::counted(count, "subscription"),
                _ => format!("{} subscriptions", counts.join(", ")),
            }
        }
        _ => num::counted(settings.subscriptions, "subscription"),
    };
    let keys =
        settings.keys.map_or_else(String::new, |keys| format!(", {}", num::counted(keys, "ordering key")));
    let read = match settings.scenario {
        Scenario::Firehose => "all of what is written",
        _ if settings.read == Read::All => "all",
        _ => "ends",
    };
    let consumers =
        if settings.consumers > 1 { format!(" x {} consumers", settings.consumers) } else { String::new() };
    format!(
        "{}: {}, {subscriptions}{consumers}, {payload}{keys}, read {read}, {}, ring {}{}, {}, wait {}{}",
        settings.scenario.name(),
        num::counted(settings.publishers, "publisher"),
        name(settings.mode),
        num::grouped(num::count(settings.ring)),
        if settings.shards > 1 { format!(" x {} shards", settings.shards) } else { String::new() },
        name(settings.overflow),
        name(settings.wait),
        if settings.batch > 1 { format!(", batch {}", settings.batch) } else { String::new() },
    )
}

/// The plan of a dry run.
pub(crate) fn plan(settings: &Settings, steps: &[String], seconds: f64) -> String {
    let mut lines = vec![heading(settings)];
    lines.extend(steps.iter().map(|step| format!("  {step}")));
    lines.push(format!("  about {seconds:.0} s; the result goes to a file"));
    lines.join("\n")
}

fn throughput(lines: &mut Vec<String>, ran: &Ran, metrics: &Throughput, paint: Paint) {
    lines.push("iteration  messages/s   p50       p99       p99.9     max".to_owned());
    for (index, iteration) in metrics.iterations.iter().enumerate() {
        let rate = num::signed(iteration.messages_per_sec);
        lines.push(format!("{:>9}  {rate:>10}   {}", index + 1, columns(&iteration.latency).trim_end()));
    }
    let Some(outcome) = &ran.outcome else { return };
    lines.push(String::new());
    lines.push(paint.strong(&format!(
        "median {} messages/s, {} deliveries/s, {:.2} GB/s of payload",
        num::signed(outcome.messages_per_sec),
        num::signed(metrics.deliveries_per_sec),
        metrics.bytes_per_sec / 1e9
    )));
    lines.extend(outcome.latency.as_ref().and_then(|latency| modes::describe(&latency.histogram)));
}

fn saturation(lines: &mut Vec<String>, metrics: &Saturation, paint: Paint) {
    lines.push(format!(
        "capacity {}/s, {:.0} % of the median closed loop {}/s{}{}",
        num::signed(metrics.capacity),
        (metrics.capacity_share * 100.0).floor(),
        num::signed(metrics.closed_loop_maximum),
        range(metrics),
        match metrics.searches {
            0 => " (given)",
            1 => "",
            _ => " (searched twice)",
        }
    ));
    lines.push(String::new());
    lines.push(
        "level   offered/s  achieved/s  held  p50       p99       p99.9     max        backlog/s".to_owned(),
    );
    lines.extend(metrics.levels.iter().map(|level| row(level, paint)));
    lines.push(String::new());
    lines.push(paint.strong(&knee(metrics)));
    lines.extend(torn(metrics));
    lines.push(String::new());
    let nanos = |value: Option<f64>| value.map(|millis| millis * 1e6);
    let marks: Vec<plot::Mark> = metrics
        .levels
        .iter()
        .map(|level| plot::Mark {
            percent: level.percent,
            held: level.held,
            p50: nanos(level.latency.p50),
            p99: nanos(level.latency.p99),
        })
        .collect();
    lines.extend(plot::lines(&marks));
}

/// How the closed loop's rate changed while each round followed it.
fn range(metrics: &Saturation) -> String {
    let (lowest, highest) = (metrics.closed_loop_lowest, metrics.closed_loop_highest);
    if metrics.searches == 0 || highest < lowest * STEADY {
        return String::new();
    }
    format!(
        "; each round followed the machine, whose closed loop went from {} to {}/s",
        num::signed(lowest),
        num::signed(highest)
    )
}

/// The levels that held, but at latencies of more than one mode: one line, with the first of them as an example.
fn torn(metrics: &Saturation) -> Option<String> {
    let torn = metrics.levels.iter().filter(|level| level.held && !one_mode(&level.latency.histogram));
    let percents: Vec<String> = torn.clone().map(|level| num::percent(level.percent)).collect();
    let example = modes::describe(&torn.clone().next()?.latency.histogram)?;
    Some(format!("at {} %: {example}", percents.join(", ")))
}

fn row(level: &Level, paint: Paint) -> String {
    let held = if level.held { paint.good("yes ") } else { paint.bad("no  ") };
    let slope = level.backlog_slope.map_or_else(|| "-".to_owned(), num::signed);
    let mut notes = Vec::new();
    notes.extend(level.unsent.map(|unsent| format!("{} unsent", num::grouped(unsent))));
    let (rounds, held_rounds) = (level.rounds.len(), level.rounds.iter().filter(|round| round.held).count());
    if (1..rounds).contains(&held_rounds) {
        notes.push(format!("{held_rounds} of {rounds} rounds held"));
    }
    if level.disturbed > 0 {
        notes.push(format!("{} disturbed", level.disturbed));
    }
    let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
    format!(
        "{:>5}  {:>10}  {:>10}  {held}  {}  {slope:>9}{notes}",
        num::percent(level.percent),
        num::signed(level.offered_rate),
        num::signed(level.achieved_rate),
        columns(&level.latency),
    )
}

/// p50, p99, p99.9 and max; a dash where too little was measured to tell.
pub(super) fn columns(latency: &Summary) -> String {
    let cells = [latency.p50, latency.p99, latency.p999, latency.max].map(|value| {
        let text = value.map_or_else(|| "-".to_owned(), |millis| num::time(millis * 1e6));
        format!("{text:<9}")
    });
    cells.join(" ")
}

fn knee(metrics: &Saturation) -> String {
    let mut text = match &metrics.knee {
        Some(knee) => format!(
            "knee at {} %: {}/s with p99 {}",
            num::percent(knee.percent),
            num::signed(knee.rate),
            num::time(knee.p99 * 1e6)
        ),
        None if metrics.levels.iter().all(|level| level.latency.p99.is_none()) => {
            format!("no knee: p99 takes {} samples per level", num::grouped(samples_needed(0.99)))
        }
        None if lowest_has_no_p99(metrics) => {
            format!("no knee: p99 of the lowest level takes {} samples", num::grouped(samples_needed(0.99)))
        }
        None => "no knee: no level held within ten times the p99 of the lowest".to_owned(),
    };
    if !metrics.saturated {
        text.push_str("; no level saturated");
    }
    text
}

/// Whether there is nothing to hold the others' p99 against.
fn lowest_has_no_p99(metrics: &Saturation) -> bool {
    let lowest = metrics.levels.iter().min_by(|a, b| a.percent.total_cmp(&b.percent));
    lowest.is_some_and(|level| level.latency.p99.is_none())
}

/// The ledger, the noise, and what the harness cost.
fn books(lines: &mut Vec<String>, ran: &Ran, paint: Paint) {
    lines.push(ledger(&ran.accounts, paint));
    let noise = &ran.noise;
    let worst = &noise.worst;
    let mut text = format!(
        "noise: {} of {} samples disturbed, {} retaken",
        noise.disturbed, noise.samples, noise.retaken
    );
    let mut add = |value: Option<String>| {
        if let Some(value) = value {
            text.push_str("; ");
            text.push_str(&value);
        }
    };
    add(worst.steal_percent.map(|percent| format!("steal up to {percent:.1} %")));
    add(worst.involuntary_switches.map(|count| format!("{} involuntary switches", num::grouped(count))));
    add(worst.placement_before_ns.map(|nanos| format!("CPUs up to {nanos:.0} ns apart")));
    add(worst.longest_gap_ms.map(|millis| format!("clock gaps up to {}", num::time(millis * 1e6))));
    lines.push(text);
    if noise.noisy {
        lines.push(paint.bad(&format!("too noisy to trust: {}", noise.reasons.join("; "))));
    }
    let overhead = &ran.overhead;
    let cpu = |millis: Option<f64>| millis.map_or_else(|| "?".to_owned(), |millis| num::time(millis * 1e6));
    lines.push(paint.faint(&format!(
        "harness: {:.1} ns/message pacing, {:.1} reading and recording{}; clock read {:.1} ns; coordinator CPU {}",
        overhead.pacing_ns_per_message,
        overhead.consumer_ns_per_message,
        overhead.write_ns_per_message.map_or_else(String::new, |nanos| format!(", {nanos:.1} writing the payload")),
        overhead.clock_read_ns,
        cpu(ran.threads.coordinator_cpu_ms),
    )));
    let environment = &ran.environment;
    lines.push(paint.faint(&format!(
        "on {}, {}{}; {}",
        environment.cpu_model.as_deref().unwrap_or("an unknown CPU"),
        num::counted(environment.cpu_cores, "CPU"),
        if environment.virtualized == Some(true) { ", virtual" } else { "" },
        environment.pinning
    )));
}

fn ledger(accounts: &[Account], paint: Paint) -> String {
    let sum = |of: fn(&Account) -> u64| num::grouped(accounts.iter().map(of).sum());
    let text = format!(
        "ledger: {} accepted by {}, {} delivered, {} acked{}; {} lost, {} repeated, \
         {} out of order, {} corrupt",
        sum(|account| account.tally.accepted),
        num::counted(accounts.len(), "subscription"),
        sum(|account| account.tally.received),
        sum(|account| account.counters.acked),
        if accounts.iter().any(|account| account.tally.dropped > 0) {
            format!(", {} dropped by policy", sum(|account| account.tally.dropped))
        } else {
            String::new()
        },
        sum(|account| account.tally.lost()),
        sum(|account| account.tally.duplicated),
        sum(|account| account.tally.reordered),
        sum(|account| account.tally.corrupt),
    );
    if accounts.iter().all(|account| account.faults.is_empty()) {
        format!("{text}; {}", paint.good("the engine's counters agree"))
    } else {
        paint.bad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Recorder;
    use crate::noise::Noise;

    fn level(percent: f64, held: bool) -> Level {
        let mut recorder = Recorder::new();
        (0..20_000).for_each(|n| recorder.record(500 + n));
        Level {
            percent,
            offered_rate: percent * 1e5,
            achieved_rate: percent * 1e5,
            held,
            latency: recorder.summary(),
            backlog_slope: Some(-3.0),
            backlog_peak: Some(5),
            unsent: None,
            samples: vec![],
            iterations: vec![],
            rounds: vec![],
            disturbed: 0,
            noise: Noise::default(),
        }
    }

    #[test]
    fn a_row_lines_up_with_its_heading_and_leaves_out_what_is_unknown() {
        let text = row(&level(50.0, true), Paint::plain());
        assert!(text.starts_with("   50   5,000,000   5,000,000  yes   10.5 us"), "{text}");
        assert!(text.contains(" - "), "p99.9 of 20,000 samples is not known: {text}");
        assert!(text.ends_with("-3"), "{text}");
    }

    #[test]
    fn the_knee_is_named_with_rate_and_p99_and_what_did_not_saturate_is_said() {
        let mut metrics = Saturation {
            capacity: 1e6,
            closed_loop_maximum: 1e6,
            closed_loop_lowest: 1e6,
            closed_loop_highest: 1e6,
            capacity_share: 1.0,
            closed_loop_afterwards: None,
            searches: 1,
            searched_again_for: vec![],
            probes: vec![],
            saturated: false,
            knee: Some(crate::result::metrics::Knee { percent: 90.0, rate: 9e5, p99: 0.0123 }),
            headline_percent: None,
            levels: vec![level(50.0, true)],
            warmup_ms: 1.0,
        };
        assert_eq!(knee(&metrics), "knee at 90 %: 900,000/s with p99 12.3 us; no level saturated");
        metrics.knee = None;
        metrics.saturated = true;
        assert!(knee(&metrics).starts_with("no knee: no level held"));
        let mut lowest = level(10.0, true);
        lowest.latency.p99 = None;
        metrics.levels.push(lowest);
        assert_eq!(knee(&metrics), "no knee: p99 of the lowest level takes 10,000 samples");
    }
}
