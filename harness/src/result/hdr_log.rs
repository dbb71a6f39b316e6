//! The latency histograms themselves, as a log that the tools around HdrHistogram read.
//!
//! One line of the log is one histogram, V2 and compressed, in nanoseconds: of a saturation run one a level, tagged with its
//! percentage, of any other the one that its latencies are taken from. The lines' times are those of the run's start and of
//! what was measured, not of each.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Ran;
use super::metrics::ScenarioMetrics;
use crate::latency::Summary;
use crate::num;
use crate::scenario::Outcome;

/// Writes the log beside `result` and returns its path.
pub(crate) fn write(result: &Path, ran: &Ran) -> Result<PathBuf, String> {
    let path = result.with_extension("hlog");
    let cannot = |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    let log = ran.outcome.as_ref().map_or(Ok(Vec::new()), log).map_err(|error| cannot(&error))?;
    std::fs::write(&path, log).map_err(|error| cannot(&error))?;
    Ok(path)
}

/// The log's text.
fn log(outcome: &Outcome) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    let mut log = builder
        .add_comment("latencies in nanoseconds")
        .begin_log_with(&mut text, &mut serializer)
        .map_err(|error| error.to_string())?;
    let measured = Duration::from_nanos(outcome.nanos);
    for (tag, histogram) in histograms(outcome) {
        let tag = tag.as_deref().and_then(Tag::new);
        log.write_histogram(histogram, Duration::ZERO, measured, tag).map_err(|error| error.to_string())?;
    }
    Ok(text)
}

/// Each histogram, with what tells it from the others.
fn histograms(outcome: &Outcome) -> Vec<(Option<String>, &Histogram<u64>)> {
    let of = |summary: &Summary| summary.recorded.is_some();
    if let ScenarioMetrics::Saturation(saturation) = &outcome.metrics {
        let levels = saturation.levels.iter().filter(|level| of(&level.latency));
        let tagged = levels.filter_map(|level| {
            Some((Some(format!("level-{}", num::percent(level.percent))), level.latency.recorded.as_deref()?))
        });
        return tagged.collect();
    }
    let recorded = outcome.latency.as_ref().and_then(|latency| latency.recorded.as_deref());
    recorded.map(|histogram| (None, histogram)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Recorder;
    use crate::result::metrics::Throughput;
    use base64::Engine as _;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn what_was_recorded_can_be_read_again() {
        let mut recorder = Recorder::new();
        (1..=1_000).for_each(|nanos| recorder.record(nanos * 1_000));
        let outcome = Outcome {
            messages_per_sec: 1.0,
            nanos: 1_500_000_000,
            latency: Some(recorder.summary()),
            metrics: ScenarioMetrics::Throughput(Throughput {
                deliveries_per_sec: 1.0,
                bytes_per_sec: 1.0,
                warmup_ms: 0.0,
                iterations: vec![],
            }),
            failures: vec![],
            doubts: vec![],
        };
        let text = log(&outcome).unwrap();
        let entries: Vec<_> = IntervalLogIterator::new(&text).map(Result::unwrap).collect();
        let [LogEntry::Interval(entry)] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((entry.tag(), entry.duration()), (None, Duration::from_millis(1_500)));
        let bytes = base64::engine::general_purpose::STANDARD.decode(entry.encoded_histogram()).unwrap();
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert_eq!((read.len(), Some(read)), (1_000, recorder.summary().recorded.map(|recorded| *recorded)));
    }
}
