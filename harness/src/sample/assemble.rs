//! One sample out of the reports of its threads.

use super::{Load, Report, Sample, Stage};
use crate::acks::LastAcks;
use crate::backlog::Backlog;
use crate::inbox::Book;
use crate::inject::Inject;
use crate::latency::Recorder;
use crate::noise::{Gaps, Noise, ThreadUse};
use crate::num;

/// Puts the reports of all threads together.
pub(super) fn assemble(stage: &Stage<'_>, load: Load, reports: Vec<Report>, noise: Noise) -> Sample {
    let mut sample = Sample {
        nanos: 0,
        publishing: 0,
        sent: vec![0; stage.bases.len()],
        unsent: 0,
        books: Vec::new(),
        latency: None,
        calls: stage.timed.then(Recorder::new),
        acks: stage.acks.then(LastAcks::default),
        refusals: Vec::new(),
        backlog: Backlog::default(),
        noise,
        publishers: ThreadUse::default(),
        consumers: ThreadUse::default(),
        pinned: true,
        drained: true,
        factor: Inject::factor(stage.inject),
    };
    let (mut first, mut last, mut published_by) = (u64::MAX, 0, 0);
    let mut all_gaps = Gaps::default();
    let mut latency = Recorder::new();
    let mut backlogs = Vec::new();
    let mut books: Vec<(usize, Book)> = Vec::new();
    for report in reports {
        match report {
            Report::Publisher { published, ended, used, pinned } => {
                published.lanes.into_iter().for_each(|(publisher, sent)| sample.sent[publisher] = sent);
                sample.unsent += published.unsent;
                sample.refusals.extend(published.refusals);
                if let (Some(all), Some(calls)) = (&mut sample.calls, &published.calls) {
                    all.merge(calls);
                }
                first = first.min(published.began);
                published_by = published_by.max(ended);
                all_gaps.add(&published.gaps);
                sample.publishers = ThreadUse::sum([sample.publishers, used]);
                sample.pinned &= pinned;
            }
            Report::Consumer { consumed, cursors, inbox, used, pinned } => {
                last = last.max(consumed.ended);
                all_gaps.add(&consumed.gaps);
                sample.drained &= consumed.drained;
                backlogs.push(consumed.backlog);
                latency.merge(&inbox.latency);
                if let (Some(all), Some(acks)) = (&mut sample.acks, &inbox.acks) {
                    all.merge(acks);
                }
                books.extend(cursors.into_iter().zip(inbox.books));
                sample.consumers = ThreadUse::sum([sample.consumers, used]);
                sample.pinned &= pinned;
            }
        }
    }
    books.sort_by_key(|(cursor, _)| *cursor);
    sample.books = books.into_iter().map(|(_, book)| book).collect();
    sample.publishing = published_by.saturating_sub(first);
    // Without a subscription nothing is delivered, and the last publish is the end.
    sample.nanos = if sample.books.is_empty() { sample.publishing } else { last.saturating_sub(first) };
    sample.backlog = Backlog::worst(backlogs);
    let stamped = !matches!(load, Load::Closed { stamped: false, .. }) && !sample.books.is_empty();
    sample.latency = stamped.then_some(latency);
    let used = ThreadUse::sum([sample.publishers, sample.consumers]);
    sample.noise.involuntary_switches = used.involuntary;
    if !stage.layout.polite {
        let threads = stage.layout.publishers.len() + stage.layout.consumers.len();
        note_waiting(&mut sample.noise, used.queued, all_gaps, sample.nanos * num::count(threads));
    }
    sample
}

/// Notes what threads that have a CPU each waited for one, in `nanos` of them all together. Threads that share a CPU wait
/// for each other, which says nothing of the machine, and is not noted.
fn note_waiting(noise: &mut Noise, queued: Option<u64>, gaps: Gaps, nanos: u64) {
    let percent = |of: u64| 100.0 * num::float(of) / num::float(nanos.max(1));
    noise.run_queue_percent = queued.map(percent);
    noise.clock_gaps = Some(gaps.count);
    noise.clock_gap_percent = Some(percent(gaps.total));
    noise.longest_gap_ms = (gaps.count > 0).then(|| num::millis(num::float(gaps.longest)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_told_in_percent_of_the_time_of_all_threads() {
        let mut noise = Noise::default();
        let gaps = Gaps { count: 2, total: 300, longest: 200 };
        note_waiting(&mut noise, Some(100), gaps, 10_000);
        assert_eq!((noise.run_queue_percent, noise.clock_gap_percent), (Some(1.0), Some(3.0)));
        assert_eq!((noise.clock_gaps, noise.longest_gap_ms), (Some(2), Some(0.0002)));
    }
}
