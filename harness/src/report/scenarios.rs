//! The parts of a text report that only one scenario has.

use super::Paint;
use super::text::columns;
use crate::latency::Summary;
use crate::num;
use crate::result::Ran;
use crate::result::metrics::{
    Fanout, Firehose, HerdForm, LatencyWindow, MemorySample, Replay, Soak, ThunderingHerd,
};
use crate::scenario::soak;

/// Rows of a course over time: two windows of a soak each, and one for the time in which it drained.
const ROWS: usize = 11;

pub(super) fn fanout(lines: &mut Vec<String>, metrics: &Fanout, paint: Paint) {
    lines.push(
        "subscriptions  at 100/s, to the last ack: p50      p95       max         messages/s  deliveries/s  \
         ns/delivery"
            .to_owned(),
    );
    for point in &metrics.points {
        let latency = &point.last_ack_latency;
        let [p50, p95, max] = [latency.p50, latency.p95, latency.max].map(time);
        lines.push(format!(
            "{:>13}  {:>27} {p50:>8}  {p95:>8}  {max:>8}  {:>10}  {:>12}  {:>11.2}",
            point.subscriptions,
            "",
            num::signed(point.messages_per_sec),
            num::signed(point.deliveries_per_sec),
            point.cost_per_delivery_ns,
        ));
    }
    lines.push(String::new());
    let rises = metrics.cost_ratio.map_or_else(String::new, |ratio| {
        let says = match metrics.cost_rises {
            Some(true) => "the cost per delivery rises",
            Some(false) => "the cost per delivery does not rise",
            None => "it cannot be told whether the cost per delivery rises",
        };
        format!("; {says} with the number of subscriptions ({ratio:.2} x)")
    });
    lines.push(paint.strong(&format!(
        "{} of {} deliveries made and acked, at most {} a second{rises}",
        num::grouped(metrics.received),
        num::grouped(metrics.expected),
        num::signed(metrics.deliveries_per_sec),
    )));
}

pub(super) fn firehose(lines: &mut Vec<String>, metrics: &Firehose, paint: Paint) {
    let memory = &metrics.memory_bandwidth;
    lines.push(format!(
        "memory: {:.1} GB/s read and written by {} threads that copy {:.0} MiB ({:.1} GB/s copied)",
        memory.bytes_per_sec / 1e9,
        memory.threads,
        memory.buffer,
        memory.copied_bytes_per_sec / 1e9
    ));
    lines.push(String::new());
    lines.push(
        "                                           messages  bursts  messages/s   GB/s  of memory  of a copy  publish: p50       p99       p99.9     max"
            .to_owned(),
    );
    for case in &metrics.cases {
        let bytes = case.bytes_per_sec.map_or_else(|| "-".to_owned(), |bytes| format!("{:.2}", bytes / 1e9));
        let percent = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
        };
        let (memory, copy) = (percent(case.memory_bandwidth_share), percent(case.copy_limit_share));
        lines.push(format!(
            "{:<41}  {:>8}  {:>6}  {:>10}  {bytes:>5}  {memory:>9}  {copy:>9}           {}",
            case.label,
            num::grouped(case.messages),
            case.bursts,
            num::signed(case.messages_per_sec),
            columns(&case.publish_latency),
        ));
    }
    lines.push(String::new());
    lines.push(paint.faint("by reference no byte of a payload is moved; not stored, nobody could read it"));
}

pub(super) fn thundering_herd(lines: &mut Vec<String>, metrics: &ThunderingHerd, paint: Paint) {
    lines.push(
        "as        published in  delivered in  floor (counting)  ratio  latency: p50       p99       p99.9     max".to_owned(),
    );
    let mut row = |name: &str, form: &HerdForm| {
        lines.push(format!(
            "{name:<8}  {:>12}  {:>12}  {:>16}  {:>5.2}           {}",
            time(Some(form.published_ms)),
            time(Some(form.delivered_ms)),
            time(Some(form.floor_ms)),
            form.floor_ratio,
            columns(&form.latency),
        ));
    };
    row("threads", &metrics.threads);
    if let Some(tasks) = &metrics.tasks {
        row("tasks", tasks);
    }
    lines.push(String::new());
    lines.push(paint.strong(&format!(
        "success rate {} %: {} of {} deliveries made",
        num::percent(metrics.success_rate * 100.0),
        num::grouped(metrics.received),
        num::grouped(metrics.expected)
    )));
}

pub(super) fn soak(lines: &mut Vec<String>, ran: &Ran, metrics: &Soak, paint: Paint) {
    let unsent =
        metrics.unsent.map_or_else(String::new, |unsent| format!(" ({} unsent)", num::grouped(unsent)));
    lines.push(format!(
        "{}/s offered{unsent}, half of {}/s; {} threads; {}, {} and {} came and went",
        num::signed(metrics.offered_rate),
        num::signed(metrics.capacity),
        metrics.threads,
        num::counted(num::index(metrics.consumers), "consumer"),
        num::counted(num::index(metrics.publishers), "publisher"),
        num::counted(num::index(metrics.visiting_subscriptions), "subscription"),
    ));
    lines.push(format!(
        "on purpose: {} panics, {} nacks, {} expired leases; {} redelivered, {} dead letters",
        num::grouped(metrics.panics),
        num::grouped(metrics.nacked),
        num::grouped(metrics.expired),
        num::grouped(metrics.redelivered),
        num::grouped(metrics.dead_lettered),
    ));
    lines.push(String::new());
    lines.extend(course(&metrics.latency_over_time, &metrics.memory_over_time));
    lines.push(String::new());
    let grown = metrics.plateau_rss.zip(metrics.end_rss).zip(metrics.rss_growth);
    let growth = grown.map_or_else(
        || "whether resident memory grows is not known".to_owned(),
        |((plateau, end), growth)| grown_text(plateau, end, growth),
    );
    let rate = ran.outcome.as_ref().map_or(0.0, |outcome| outcome.messages_per_sec);
    lines.push(paint.strong(&format!("{} messages/s; {growth}", num::signed(rate))));
}

/// Latency and memory over time, in a few rows. Each stands for all windows in its span, and has the worst of them, so that
/// no spike is left out; where one had too few messages for a percentile, so has the row. (Those in which nobody told of
/// messages are none.)
fn course(windows: &[LatencyWindow], memory: &[MemorySample]) -> Vec<String> {
    let mut lines =
        vec!["from      until     worst window: p50       p99       p99.9     max       resident".to_owned()];
    let mut from = 0.0;
    for row in windows.chunks(windows.len().div_ceil(ROWS).max(1)) {
        let until = row.last().map_or(from, |window| window.until_ms);
        let worst = |of: fn(&Summary) -> Option<f64>| {
            let told = row.iter().filter(|window| window.latency.count > 0);
            let all: Option<Vec<f64>> = told.map(|window| of(&window.latency)).collect();
            time(all.and_then(|all| all.into_iter().max_by(f64::total_cmp)))
        };
        let percentiles = [worst(|one| one.p50), worst(|one| one.p99), worst(|one| one.p999)];
        let [p50, p99, p999] = percentiles;
        let max = time(row.iter().filter_map(|window| window.latency.max).max_by(f64::total_cmp));
        let within = memory.iter().filter(|sample| sample.at_ms > from && sample.at_ms <= until);
        let resident = within.map(|sample| sample.rss).max_by(f64::total_cmp);
        let resident = resident.map_or_else(|| "-".to_owned(), |rss| format!("{rss:.1} MiB"));
        let starts = if from > 0.0 { time(Some(from)) } else { "0 s".to_owned() };
        let ends = time(Some(until));
        lines.push(format!(
            "{starts:<8}  {ends:<8}                {p50:<8}  {p99:<8}  {p999:<8}  {max:<8} {resident:>10}"
        ));
        from = until;
    }
    lines
}

/// By how much resident memory grew; and where that is a tenth and was passed all the same, why.
fn grown_text(plateau: f64, end: f64, growth: f64) -> String {
    let granted = if growth >= soak::LIMIT && end - plateau <= soak::SLACK {
        format!(", which passes since {:.0} MiB are granted to the allocator", soak::SLACK)
    } else {
        String::new()
    };
    format!("resident memory {plateau:.1} MiB, then {end:.1} MiB: grew by {:.1} %{granted}", growth * 100.0)
}

pub(super) fn replay(lines: &mut Vec<String>, ran: &Ran, metrics: &Replay, paint: Paint) {
    let Some(outcome) = &ran.outcome else { return };
    if let Some(latency) = &outcome.latency {
        lines.push("latency  p50       p99       p99.9     max".to_owned());
        lines.push(format!("         {}", columns(latency)));
        lines.push(String::new());
    }
    let recorded = metrics
        .recorded_ms
        .map_or_else(String::new, |recorded| format!(" (recorded over {})", time(Some(recorded))));
    lines.push(paint.strong(&format!(
        "{} message{} in {}{recorded}: {} messages/s, {:.2} MB/s, {} pass{}",
        num::grouped(metrics.messages),
        if metrics.messages == 1 { "" } else { "s" },
        time(Some(metrics.replayed_ms)),
        num::signed(outcome.messages_per_sec),
        metrics.bytes_per_sec / 1e6,
        metrics.passes,
        if metrics.passes == 1 { "" } else { "es" },
    )));
}

/// Milliseconds of the result as text; a dash where nothing is known.
fn time(millis: Option<f64>) -> String {
    millis.map_or_else(|| "-".to_owned(), |millis| num::time(millis * 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Recorder;
    use crate::result::metrics::FanoutPoint;

    #[test]
    fn a_fanout_says_whether_the_cost_rises() {
        let point = FanoutPoint {
            subscriptions: 10,
            expected: 1,
            received: 1,
            paced_rate: 100.0,
            paced_messages: 1,
            last_ack_latency: Recorder::new().summary(),
            messages_per_sec: 1e6,
            deliveries_per_sec: 1e7,
            cost_per_delivery_ns: 100.0,
            samples: vec![],
            iterations: vec![],
        };
        let mut metrics = Fanout {
            deliveries_per_sec: 1e7,
            expected: 1,
            received: 1,
            cost_ratio: Some(0.97),
            cost_rises: Some(false),
            points: vec![point],
        };
        let mut lines = Vec::new();
        fanout(&mut lines, &metrics, Paint::plain());
        let text = lines.join("\n");
        assert!(text.contains("does not rise with the number of subscriptions (0.97 x)"), "{text}");
        assert!(text.contains("10,000,000") && text.contains("100.00") && text.contains(" - "), "{text}");
        metrics.cost_rises = None;
        fanout(&mut lines, &metrics, Paint::plain());
        assert!(lines.join("\n").contains("it cannot be told whether the cost per delivery rises"));
    }

    #[test]
    fn no_spike_of_a_soak_is_left_out_of_its_table() {
        let summary = |spike: u64| {
            let mut recorder = Recorder::new();
            (0..20_000).for_each(|_| recorder.record(2_000 + spike));
            recorder.summary()
        };
        let window = |number: u32, spike| LatencyWindow {
            until_ms: f64::from(number) * 500.0,
            latency: summary(spike),
        };
        let memory: Vec<MemorySample> = (0..=126_u32)
            .map(|step| (f64::from(step) * 1e3 / 12.0, step))
            .map(|(at_ms, step)| MemorySample {
                at_ms,
                rss: if step == 50 { 77.0 } else { 30.0 },
                heap_used: 1.0,
            })
            .collect();
        for spiked in 1..=21 {
            let spike = |number| if number == spiked { 9_000_000 } else { 0 };
            let windows: Vec<_> = (1..=21).map(|number| window(number, spike(number))).collect();
            let table = course(&windows, &memory).join("\n");
            assert!(table.contains("9.0") && table.contains("77.0 MiB"), "window {spiked}:\n{table}");
        }
        // Nor what was measured, behind a window in which nobody told of anything.
        let mut windows: Vec<_> = (1..=21).map(|number| window(number, 0)).collect();
        windows[4].latency = Recorder::new().summary();
        let table = course(&windows, &memory);
        assert!(table[3].contains(" 2.00 us   2.00 us   "), "{}", table[3]);
        // A row for two windows each, without a gap between them, to the end.
        let windows: Vec<_> = (1..=21).map(|number| window(number, 0)).collect();
        let table = course(&windows, &memory);
        assert_eq!(table.len(), 12);
        assert!(table[1].starts_with("0 s       1.00 s "), "{}", table[1]);
        assert!(table[2].starts_with("1.00 s    2.00 s "), "{}", table[2]);
        assert!(table[11].starts_with("10.0 s    10.5 s "), "{}", table[11]);
    }

    #[test]
    fn a_soak_whose_memory_grew_and_that_passed_says_why() {
        assert!(
            grown_text(30.0, 40.0, 0.333)
                .ends_with("grew by 33.3 %, which passes since 16 MiB are granted to the allocator")
        );
        assert!(grown_text(30.0, 60.0, 1.0).ends_with("grew by 100.0 %"));
        assert!(grown_text(1_000.0, 1_010.0, 0.01).ends_with("grew by 1.0 %"));
    }
}
