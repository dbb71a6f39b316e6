//! The two roles of a sample: what each thread does between being seated and handing in its report.

use std::sync::Arc;
use std::time::Duration;

use super::{LEAD, Load, OVERTIME, Published, Report, Stage, herd};
use crate::clock::Clock;
use crate::consume::{self, Duty, Shared, Source};
use crate::driver::{Manner, Receiver, Sender};
use crate::fault::Fault;
use crate::inbox::{Book, Inbox};
use crate::keys::Keying;
use crate::latency::Recorder;
use crate::noise::{Gaps, ThreadMeter};
use crate::num;
use crate::pacer::{Due, Pacer, Recorded, Schedule};
use crate::pin::{self, CursorRole};
use crate::publish::{self, FreeLane, PacedLane, Until};
use crate::threads::{self, Role};

/// Pins the thread, says that it is ready, and waits for the start.
fn take_seat(stage: &Stage<'_>, shared: &Shared, cpu: Option<usize>) -> (bool, u64) {
    let pinned = pin::pin(cpu);
    shared.ready.add_one();
    let start = loop {
        match shared.start.raised() {
            Some(start) => break start,
            // Until all are seated somebody may need this very CPU.
            None => std::thread::yield_now(),
        }
    };
    while stage.clock.now() + LEAD / 2 < start {
        std::thread::yield_now();
    }
    (pinned, start)
}

/// Drives the publishers of one seat.
pub(super) fn publisher(
    stage: &Stage<'_>,
    shared: &Shared,
    thread: usize,
    load: Load,
) -> Result<Report, Fault> {
    /// Tells the consumers that no more will come, also when publishing failed.
    struct Done<'a>(&'a Shared, usize, u64);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.publisher_done(self.1, self.2);
        }
    }
    let mut done = Done(shared, thread, 0);
    let seat = &stage.layout.publishers[thread];
    let keys = match stage.keying {
        Keying::Dealt(keys) => Some(num::index(*keys)),
        Keying::Unkeyed | Keying::Lines(_) => None,
    };
    let manner = Manner { content: stage.content, batch: stage.batch, keys, inject: stage.inject };
    let mut sender = Sender::new(stage.session, &seat.roles, manner);
    let (pinned, start) = take_seat(stage, shared, seat.cpu);
    let meter = ThreadMeter::read();
    let published = match load {
        Load::Open { rate, length } => offer(stage, &seat.roles, (start, rate, length), &mut sender)?,
        Load::Closed { .. } | Load::Count { .. } => push(stage, &seat.roles, load, &mut sender)?,
        Load::Herd(herd) => herd::release(stage, &seat.roles, herd, manner)?,
        Load::Recorded => replay(stage, start, &mut sender)?,
    };
    let ended = published.ended.unwrap_or_else(|| stage.clock.now());
    done.2 = published.lanes.iter().map(|&(_, sent)| sent).sum();
    drop(done);
    let used = meter.used_until(&ThreadMeter::read());
    threads::note(Role::Publisher, load.name(), seat.cpu, used);
    Ok(Report::Publisher { published, ended, used, pinned })
}

/// The open loop.
fn offer(
    stage: &Stage<'_>,
    publishers: &[usize],
    (start, rate, length): (u64, f64, Duration),
    sender: &mut Sender<'_>,
) -> Result<Published, Fault> {
    let sharers = stage.bases.len();
    let lane = |&publisher: &usize| PacedLane {
        publisher,
        base: stage.bases[publisher],
        pacer: Pacer::new(
            Schedule::share(start, rate, publisher, sharers),
            share_of(rate, length, publisher, sharers),
        ),
    };
    let mut lanes: Vec<PacedLane> = publishers.iter().map(lane).collect();
    let stop_at = start + OVERTIME * num::nanos(length);
    let gaps = publish::paced(stage.clock, &mut lanes, stop_at, stage.layout.polite, sender)?;
    let sent: Vec<(usize, u64)> = lanes.iter().map(|lane| (lane.publisher, lane.pacer.next())).collect();
    let unsent =
        sent.iter().map(|&(publisher, sent)| share_of(rate, length, publisher, sharers) - sent).sum();
    Ok(Published { lanes: sent, unsent, began: start, ended: None, gaps, calls: None, refusals: Vec::new() })
}

/// The messages at their recorded times.
fn replay(stage: &Stage<'_>, start: u64, sender: &mut Sender<'_>) -> Result<Published, Fault> {
    let offsets =
        stage.recorded.ok_or_else(|| Fault::new("there are no recorded times to replay messages at"))?;
    let total = num::count(offsets.len());
    let recorded = Recorded::new(start, Arc::clone(offsets));
    let began = recorded.due(0);
    let mut lanes = [PacedLane { publisher: 0, base: stage.bases[0], pacer: Pacer::new(recorded, total) }];
    let gaps = publish::paced(stage.clock, &mut lanes, u64::MAX, stage.layout.polite, sender)?;
    let sent = lanes[0].pacer.next();
    let lanes = vec![(0, sent)];
    Ok(Published { lanes, unsent: total - sent, began, ended: None, gaps, calls: None, refusals: Vec::new() })
}

/// The closed loop.
fn push(
    stage: &Stage<'_>,
    publishers: &[usize],
    load: Load,
    sender: &mut Sender<'_>,
) -> Result<Published, Fault> {
    let lane = |&publisher: &usize| FreeLane { publisher, base: stage.bases[publisher], sent: 0 };
    let mut lanes: Vec<FreeLane> = publishers.iter().map(lane).collect();
    let began = stage.clock.now();
    let until = match load {
        Load::Count { messages } => Until { time: 0, at_least: messages, stamp_every: stage.batch },
        Load::Closed { length, messages, stamped } => Until {
            time: began + num::nanos(length),
            at_least: messages,
            stamp_every: if stamped { stage.batch } else { stage.batch.max(publish::RUN) },
        },
        Load::Open { .. } | Load::Herd(_) | Load::Recorded => unreachable!("this is no closed loop"),
    };
    let mut calls = stage.timed.then(Recorder::new);
    publish::free(stage.clock, &mut lanes, until, sender, &mut calls)?;
    let sent = lanes.iter().map(|lane| (lane.publisher, lane.sent)).collect();
    Ok(Published {
        lanes: sent,
        unsent: 0,
        began,
        ended: None,
        gaps: Gaps::default(),
        calls,
        refusals: Vec::new(),
    })
}

/// How many of the messages that are due in `length`, one at least, are those of one of `sharers` publishers, who take turns.
fn share_of(rate: f64, length: Duration, publisher: usize, sharers: usize) -> u64 {
    let (publisher, sharers) = (num::count(publisher), num::count(sharers));
    let all = num::floor(rate * length.as_secs_f64()).max(1);
    all / sharers + u64::from(publisher < all % sharers)
}

/// Drives the cursors of one seat.
pub(super) fn consumer(
    stage: &Stage<'_>,
    shared: &Shared,
    cpu: Option<usize>,
    cursors: Vec<usize>,
    load: Load,
) -> Result<Report, Fault> {
    let sole = stage.consumers == 1;
    let roles: Vec<_> = cursors.iter().map(|&cursor| shared.roles[cursor]).collect();
    let book = |role: &CursorRole| Book::new(role.subscription, sole, stage.bases, stage.keying);
    let inbox = Inbox::new(roles.iter().map(book).collect(), stage.content.clone(), stage.read)
        .meddled_with(stage.inject);
    let inbox = if stage.acks { inbox.noting_acks(stage.bases) } else { inbox };
    let mut receiver = Receiver::new(stage.session, &roles, inbox);
    // Before anything of this sample is published: what earlier samples lost is not missing from this one.
    let before: Vec<_> =
        roles.iter().map(|role| (role.subscription, stage.session.dropped(role.subscription))).collect();
    let (pinned, start) = take_seat(stage, shared, cpu);
    let meter = ThreadMeter::read();
    let offered = match load {
        Load::Open { rate, length } => Some((Schedule::new(start, rate), start + num::nanos(length))),
        Load::Closed { .. } | Load::Count { .. } | Load::Herd(_) | Load::Recorded => None,
    };
    let duty = Duty { shared, cursors: &cursors, offered, waits: stage.waits, polite: stage.layout.polite };
    let dropped = |subscription| {
        let before =
            before.iter().find(|(other, _)| *other == subscription).map_or(0, |(_, dropped)| *dropped);
        stage.session.dropped(subscription) - before
    };
    let consumed = consume::consume(stage.clock, &mut receiver, &duty, dropped)?;
    let used = meter.used_until(&ThreadMeter::read());
    threads::note(Role::Consumer, load.name(), cpu, used);
    let empty = Inbox::new(Vec::new(), stage.content.clone(), stage.read);
    let inbox = receiver
        .with_inbox(|inbox| Box::new(std::mem::replace(inbox, empty)))
        .ok_or_else(|| Fault::new("a consumer thread lost its inbox"))?;
    Ok(Report::Consumer { consumed, cursors, inbox, used, pinned })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_dealt_onto_publishers_of_whom_some_get_none() {
        let dealt = |rate, millis, sharers: usize| -> Vec<u64> {
            let length = Duration::from_millis(millis);
            (0..sharers).map(|publisher| share_of(rate, length, publisher, sharers)).collect()
        };
        assert_eq!(dealt(5.0, 1_000, 3), [2, 2, 1]);
        assert_eq!(dealt(2.0, 1_000, 4), [1, 1, 0, 0]);
        assert_eq!(dealt(0.5, 1_000, 2), [1, 0], "one at least");
        assert_eq!(dealt(50.0, 2_000, 1_024).iter().sum::<u64>(), 100);
    }
}
