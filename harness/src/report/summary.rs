//! One table of several runs: what came of each, on a line.

use super::{Paint, verdict};
use crate::Verdict;
use crate::cli::settings::Settings;
use crate::latency::Summary;
use crate::num;
use crate::result::Ran;

/// What a line says of a run.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    name: String,
    verdict: Verdict,
    noisy: bool,
    /// Absent when the run broke down.
    rate: Option<f64>,
    latency: Option<Summary>,
    first_error: Option<String>,
}

impl Row {
    /// The row of a run that ended so; `ran` is absent when there is not even a result.
    pub(crate) fn new(settings: &Settings, ran: Option<&Ran>, verdict: Verdict) -> Self {
        let outcome = ran.and_then(|ran| ran.outcome.as_ref());
        let name = settings.scenario.name();
        Self {
            name: settings
                .variant
                .as_ref()
                .map_or_else(|| name.to_owned(), |variant| format!("{name} {variant}")),
            verdict,
            noisy: ran.is_some_and(|ran| ran.noise.noisy),
            rate: outcome.map(|outcome| outcome.messages_per_sec),
            latency: outcome.and_then(|outcome| outcome.latency.clone()),
            first_error: ran.and_then(|ran| ran.failures().next().cloned()),
        }
    }
}

/// The table, of `planned` runs.
pub(crate) fn table(rows: &[Row], planned: usize, paint: Paint) -> String {
    let mut lines = vec![paint.strong("scenario            result  messages/s  p50       p99       max")];
    for row in rows {
        let result = verdict::word(row.verdict, paint);
        let rate = row.rate.map_or_else(|| "-".to_owned(), num::signed);
        let latency = row.latency.as_ref();
        let [p50, p99, max] = [
            latency.and_then(|latency| latency.p50),
            latency.and_then(|latency| latency.p99),
            latency.and_then(|latency| latency.max),
        ]
        .map(|value| value.map_or_else(|| "-".to_owned(), |millis| num::time(millis * 1e6)));
        let mut line = format!("{:<18}  {result}  {rate:>10}  {p50:<8}  {p99:<8}  {max:<8}", row.name);
        if row.noisy && row.verdict != Verdict::Noisy {
            line.push_str("  noisy");
        }
        if let Some(error) = &row.first_error {
            line.push_str("  ");
            line.push_str(error);
        }
        lines.push(line.trim_end().to_owned());
    }
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let untold = match count(Verdict::Noisy) {
        0 => String::new(),
        untold => format!(", {untold} on too noisy a machine to tell"),
    };
    lines.push(format!("{} of {planned} passed{untold}", count(Verdict::Passed)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_broke_down_has_dashes_and_counts_among_the_planned() {
        let row = |verdict, rate| Row {
            name: "fanout".to_owned(),
            verdict,
            noisy: verdict == Verdict::Noisy,
            rate,
            latency: None,
            first_error: (verdict == Verdict::Failed).then(|| "no threads".to_owned()),
        };
        let rows = [row(Verdict::Passed, Some(1234.0)), row(Verdict::Failed, None)];
        let text = table(&rows, 3, Paint::plain());
        assert!(text.contains("passed       1,234") && text.contains("failed           -"), "{text}");
        assert!(text.contains("no threads") && text.ends_with("1 of 3 passed"), "{text}");
        let text = table(&[row(Verdict::Passed, None), row(Verdict::Noisy, Some(9.0))], 2, Paint::plain());
        assert!(text.contains("fanout              noisy            9"), "{text}");
        assert!(text.ends_with("1 of 2 passed, 1 on too noisy a machine to tell"), "{text}");
    }
}
