//! T1 and T2: one producer and one consumer, by single publishes and by batches of 64.

use super::{BATCH, one_to_one};
use crate::case::{Case, Shape, Unit};
use crate::ours::ring;
use crate::payload::{Line, Message};
use crate::peer::channels::{self, Crossbeam, Flume, Kanal, Std, Tokio};
use crate::peer::disruptor::ALL;
use crate::peer::{bare, broadcast, crossbeam, disruptor, kanal, rtrb, thingbuf, tokio};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for capacity in [4_096, 1_024] {
        cases.push(single::<u64>("u64", capacity));
        cases.push(single::<Line>("64B", capacity));
    }
    for capacity in [4_096, 1_024] {
        cases.push(batches::<u64>("u64", capacity));
        cases.push(batches::<Line>("64B", capacity));
    }
    cases
}

/// Rings, which have several good ways each: all that is ready at once, or 64 as ours.
fn rings<T: Message>(case: &mut Case, shape: Shape) {
    case.race("disruptor managed", shape, disruptor::managed::<T>);
    case.race("disruptor poller", shape, |load| disruptor::poller::<T>(load, ALL));
    case.race("disruptor poller, 64 at once", shape, |load| disruptor::poller::<T>(load, 64));
    case.race("rtrb chunks", shape, |load| rtrb::chunks::<T>(load, usize::MAX));
    case.race("rtrb chunks of 64", shape, |load| rtrb::chunks::<T>(load, 64));
    case.race("ring", shape, |load| ring::one_to_one::<T>(load, ring::AT_ONCE));
    case.race("ring, all at once", shape, |load| ring::one_to_one::<T>(load, usize::MAX));
}

/// Everything else that carries messages from one to one.
fn others<T: Message>(case: &mut Case, shape: Shape) {
    case.race("kanal recv", shape, channels::receive::<Kanal, T>);
    case.race("kanal drain", shape, kanal::drain::<T>);
    case.race("crossbeam channel", shape, channels::receive::<Crossbeam, T>);
    case.race("crossbeam ArrayQueue", shape, crossbeam::queue::<T>);
    case.race("thingbuf", shape, thingbuf::receive::<T>);
    case.race("std sync_channel", shape, channels::receive::<Std, T>);
    case.race("flume", shape, channels::receive::<Flume, T>);
    case.race("tokio mpsc", shape, channels::receive::<Tokio, T>);
    case.race("tokio broadcast", shape, tokio::beside::<T>);
    case.race("bus", shape, broadcast::threads::<T>);
    case.race("async-broadcast", shape, broadcast::tasks::<T>);
}

/// T1.
fn single<T: Message>(payload: &str, capacity: usize) -> Case {
    let mut case = Case::new("T1", format!("{payload}/{capacity}"), Unit::Rate);
    let shape = one_to_one(capacity);
    case.race("bare, one by one", shape, bare::one_by_one::<T>);
    case.race("bare, all ready", shape, bare::all_ready::<T>);
    case.race("rtrb pop", shape, rtrb::pop::<T>);
    rings::<T>(&mut case, shape);
    others::<T>(&mut case, shape);
    let disruptors = case.names(|name| name.starts_with("disruptor"));
    if capacity == 4_096 {
        case.claim("ring", &disruptors, 1.3);
    } else {
        let rtrbs = case.names(|name| name.starts_with("rtrb"));
        case.claim("ring", &[disruptors, rtrbs].concat(), 0.95);
    }
    case
}

/// T2. Who has no batches sends 64 times.
fn batches<T: Message>(payload: &str, capacity: usize) -> Case {
    let mut case = Case::new("T2", format!("{payload}/{capacity}"), Unit::Rate);
    let shape = Shape { batch: BATCH, ..one_to_one(capacity) };
    case.race("bare", shape, bare::all_ready::<T>);
    rings::<T>(&mut case, shape);
    others::<T>(&mut case, shape);
    case.claim("ring", &["bare"], 0.95);
    case.claim("ring", &case.names(|name| !name.starts_with("ring") && name != "bare"), 1.0);
    case
}
