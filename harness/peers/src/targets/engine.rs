//! T6, T7, T10, T11, T12 and T14: the engine, busy, idle and crowded.

use bytes::Bytes;

use super::one_to_one;
use crate::case::{Case, Shape, Unit};
use crate::ours::{crowd, engine, herd, idle};
use crate::payload::{Kilobyte, Message, Read, Timed};
use crate::peer::channels::{self, Crossbeam, Flume, Kanal, Std, Tokio};
use crate::peer::disruptor::ALL;
use crate::peer::{bare, crossbeam, disruptor, kanal, rtrb, thingbuf};

/// Million messages a second that the broker of the report carried end to end, measured on such a machine.
const BROKER: f64 = 0.009_384;

/// T6 and T7.
pub(super) fn busy() -> Vec<Case> {
    vec![in_place(Read::Ends), in_place(Read::Every), leased()]
}

/// Who carries owned kilobytes: the consumer frees what the producer allocated, but for those that keep it.
fn channels_of<T: Message>(case: &mut Case, shape: Shape) {
    case.race("rtrb Bytes", shape, |load| rtrb::chunks::<T>(load, usize::MAX));
    case.race("crossbeam ArrayQueue Bytes", shape, crossbeam::queue::<T>);
    case.race("kanal Bytes", shape, channels::receive::<Kanal, T>);
    case.race("kanal drain Bytes", shape, kanal::drain::<T>);
    case.race("thingbuf Bytes", shape, thingbuf::receive::<T>);
    case.race("std sync_channel Bytes", shape, channels::receive::<Std, T>);
    case.race("flume Bytes", shape, channels::receive::<Flume, T>);
    case.race("tokio mpsc Bytes", shape, channels::receive::<Tokio, T>);
}

/// T6. Peers of a claim run at the capacity of our default ring and at a quarter of it, which is kinder to caches.
fn in_place(read: Read) -> Case {
    let name = if read == Read::Ends { "1KB-ends" } else { "1KB-every-byte" };
    let mut case = Case::new("T6", name, Unit::Rate);
    let shape = Shape { read, ..one_to_one(4_096) };
    let small = Shape { capacity: 1_024, ..shape };
    case.race("disruptor Bytes managed", shape, disruptor::managed::<Bytes>);
    case.race("disruptor Bytes poller", shape, |load| disruptor::poller::<Bytes>(load, ALL));
    case.race("disruptor Bytes poller/1024", small, |load| disruptor::poller::<Bytes>(load, ALL));
    case.race("disruptor Bytes poller, 64 at once", shape, |load| disruptor::poller::<Bytes>(load, 64));
    case.race("disruptor slot managed", shape, disruptor::managed::<Kilobyte>);
    case.race("disruptor slot poller", shape, |load| disruptor::poller::<Kilobyte>(load, ALL));
    case.race("disruptor slot poller/1024", small, |load| disruptor::poller::<Kilobyte>(load, ALL));
    case.race("disruptor slot poller, 64 at once", shape, |load| disruptor::poller::<Kilobyte>(load, 64));
    case.race("crossbeam channel Bytes", shape, channels::receive::<Crossbeam, Bytes>);
    case.race("crossbeam channel Bytes/1024", small, channels::receive::<Crossbeam, Bytes>);
    case.race("engine in place", shape, engine::in_place);
    // What these CPUs can carry by a ring at all; what the publish time takes of that; and pointers.
    case.race("bare ring of slots", shape, bare::all_ready::<Kilobyte>);
    case.race("bare ring of timed slots", shape, bare::all_ready::<Timed>);
    case.race("bare ring of timed pointers", shape, bare::all_ready::<Box<Timed>>);
    channels_of::<Bytes>(&mut case, shape);
    let disruptors = |what| case.names(|name| name.starts_with(what));
    let (bytes, slots) = (disruptors("disruptor Bytes"), disruptors("disruptor slot"));
    let channel = disruptors("crossbeam channel");
    case.claim("engine in place", &bytes, if read == Read::Ends { 1.5 } else { 3.0 });
    case.claim("engine in place", &slots, 1.5);
    case.claim("engine in place", &channel, 8.0);
    case
}

/// T7: acknowledged by the receiver's thread, which is not the publisher's, and by a third thread.
fn leased() -> Case {
    let mut case = Case::new("T7", "1KB-leased", Unit::Rate);
    let shape = Shape { read: Read::Ends, ..one_to_one(4_096) };
    case.race("crossbeam channel Bytes", shape, channels::receive::<Crossbeam, Bytes>);
    case.race("crossbeam channel Bytes, dropped on a third", shape, crossbeam::drop_elsewhere::<Bytes>);
    let small = Shape { capacity: 1_024, ..shape };
    case.race("crossbeam channel Bytes/1024", small, channels::receive::<Crossbeam, Bytes>);
    case.race("crossbeam channel Bytes/1024, dropped on a third", small, crossbeam::drop_elsewhere::<Bytes>);
    case.race("engine leased", shape, engine::leased);
    case.race("engine leased, acked one by one", shape, engine::leased_one_by_one);
    case.race("engine leased, acked on a third", shape, engine::acked_elsewhere);
    channels_of::<Bytes>(&mut case, shape);
    let by_receiver = case.names(|name| name.starts_with("crossbeam channel") && !name.ends_with("third"));
    case.claim("engine leased", &by_receiver, 3.0);
    case.claim("engine leased, acked one by one", &by_receiver, None);
    let channel = case.names(|name| name.starts_with("crossbeam channel"));
    case.claim("engine leased, acked on a third", &channel, 3.0);
    case
}

/// T10, T11 and T12.
pub(super) fn idle_and_crowded() -> Vec<Case> {
    vec![waiting(), herd_of_tasks(), herd_of_threads(), crowd_of_subscriptions()]
}

/// T10. A whole CPU is what somebody who spins would take. (Nine samples of seconds each, which are no shorter by much when quick.)
fn waiting() -> Case {
    let mut case =
        Case { placed: false, most: 3, patience: 5, ..Case::new("T10", "50-waiting", Unit::Share) };
    case.whole("engine, 50 threads in recv", idle::threads);
    case.whole("engine, one dispatcher of 50", idle::dispatcher);
    case.whole("engine, 50 tasks on streams", idle::streams);
    for ours in case.names(|_| true) {
        case.claim_recorded(&ours, "a whole CPU", 100.0, 0.001);
    }
    case
}

/// T11. Within 30 % is a tie.
fn herd_of_tasks() -> Case {
    let mut case = Case::new("T11", "1000-tasks", Unit::Herd);
    case.whole("counter", herd::tasks_counting);
    case.whole("engine", herd::tasks_publishing);
    case.whole("engine, one publisher for all", herd::tasks_sharing);
    case.whole("engine, one for all, written", herd::tasks_writing);
    case.claim("engine", &["counter"], 1.3);
    case.claim("engine, one publisher for all", &["counter"], None);
    case.claim("engine, one for all, written", &["counter"], None);
    case
}

/// T11, the other half. (The floor is to wake a thousand threads, tens of milliseconds that differ by more than what a thousand
/// publishes take: only a publish that waits for others would show.)
fn herd_of_threads() -> Case {
    let mut case = Case::new("T11", "1000-threads", Unit::Herd);
    case.whole("counter", herd::threads_counting);
    case.whole("engine", herd::threads_publishing);
    case.claim("engine", &["counter"], 1.3);
    case
}

/// T12.
fn crowd_of_subscriptions() -> Case {
    let mut case = Case::new("T12", "10000-subscriptions", Unit::Publish);
    case.whole("engine, 1 subscription", crowd::one);
    case.whole("engine, 1 subscription, rested", crowd::one_rested);
    case.whole("engine, 10,000 subscriptions", crowd::ten_thousand);
    case.claim("engine, 10,000 subscriptions", &["engine, 1 subscription"], 1.5);
    case.claim("engine, 10,000 subscriptions", &["engine, 1 subscription, rested"], None);
    case
}

/// T14.
pub(super) fn end_to_end() -> Vec<Case> {
    let mut case = Case::new("T14", "1KB-end-to-end", Unit::Rate);
    let shape = Shape { read: Read::Every, ..one_to_one(4_096) };
    case.race("engine in place", shape, engine::in_place);
    case.claim_recorded("engine in place", "the report's broker", BROKER, 1_000.0);
    vec![case]
}
