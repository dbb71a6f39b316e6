//! T5 and T8: one message to many receivers, without and with an engine on top.

use bytes::Bytes;

use super::one_to_one;
use crate::case::{Case, Shape, Unit};
use crate::ours::{engine, fanout};
use crate::payload::{Kilobyte, Message, Read};
use crate::peer::disruptor::ALL;
use crate::peer::{broadcast, disruptor, tokio};

/// The best that a receiver to itself can do: a task or a thread each.
const PER_RECEIVER: [&str; 6] = [
    "tokio beside",
    "tokio together",
    "tokio threads",
    "bus threads",
    "async-broadcast tasks",
    "disruptor threads, sleeping",
];
/// The same, of those that write into slots.
const PER_RECEIVER_SLOT: &str = "disruptor threads slot, sleeping";
/// As many as `fanout`'s dispatcher reads for one receiver before it goes on to the next.
const TURN: u64 = 256;

/// T5.
pub(super) fn cases() -> Vec<Case> {
    [10, 50].into_iter().flat_map(|receivers| [words(receivers), kilobytes(receivers)]).collect()
}

fn tokios<T: Message>(case: &mut Case, shape: Shape) {
    case.race("tokio beside", shape, tokio::beside::<T>);
    case.race("tokio together", shape, tokio::together::<T>);
    case.race("tokio threads", shape, tokio::many_threads::<T>);
}

fn per_receiver<T: Message>(case: &mut Case, shape: Shape) {
    tokios::<T>(case, shape);
    case.race("bus threads", shape, broadcast::threads::<T>);
    case.race("async-broadcast tasks", shape, broadcast::tasks::<T>);
    case.race("disruptor threads, sleeping", shape, disruptor::threads::<T>);
}

/// Fifty threads disturb more samples than not, on few CPUs, and it takes long until each contender has one in the same
/// placement.
fn beside_crowds(case: &mut Case, ours: &str, crowds: &[&str]) {
    case.claim(ours, crowds, 10.0);
    case.patience = 4;
}

fn words(receivers: usize) -> Case {
    let mut case = Case::new("T5", format!("u64/{receivers}"), Unit::Rate);
    let shape = Shape { receivers, ..one_to_one(1_024) };
    case.race("disruptor pollers", shape, |load| disruptor::fan_out::<u64>(load, ALL));
    case.race("disruptor pollers, 256 at once", shape, |load| disruptor::fan_out::<u64>(load, TURN));
    case.race("fanout", shape, fanout::values::<u64>);
    per_receiver::<u64>(&mut case, shape);
    case.claim("fanout", &case.names(|name| name.starts_with("disruptor pollers")), 1.0);
    if receivers == 50 {
        beside_crowds(&mut case, "fanout", &PER_RECEIVER);
    }
    case
}

/// As `Bytes` in the slots, and written into the slots, which only rings can do.
fn kilobytes(receivers: usize) -> Case {
    let mut case = Case::new("T5", format!("1KB/{receivers}"), Unit::Rate);
    let shape = Shape { receivers, read: Read::Ends, ..one_to_one(1_024) };
    case.race("disruptor pollers Bytes", shape, |load| disruptor::fan_out::<Bytes>(load, ALL));
    case.race("disruptor pollers Bytes, 256 at once", shape, |load| disruptor::fan_out::<Bytes>(load, TURN));
    case.race("disruptor pollers slot", shape, |load| disruptor::fan_out::<Kilobyte>(load, ALL));
    case.race("disruptor pollers slot, 256 at once", shape, |load| {
        disruptor::fan_out::<Kilobyte>(load, TURN)
    });
    case.race("fanout Bytes", shape, fanout::values::<Bytes>);
    case.race("fanout slot", shape, fanout::in_slot::<Kilobyte>);
    per_receiver::<Bytes>(&mut case, shape);
    case.race(PER_RECEIVER_SLOT, shape, disruptor::threads::<Kilobyte>);
    for kind in ["Bytes", "slot"] {
        let pollers = format!("disruptor pollers {kind}");
        case.claim(&format!("fanout {kind}"), &case.names(|name| name.starts_with(&pollers)), 1.2);
    }
    if receivers == 50 {
        // Like beside like: a reference to what was allocated elsewhere is more lines than what stands in the slot.
        beside_crowds(&mut case, "fanout Bytes", &PER_RECEIVER);
        beside_crowds(&mut case, "fanout slot", &[&PER_RECEIVER[..], &[PER_RECEIVER_SLOT]].concat());
    }
    case
}

/// T8, with T5's counterpart beside it.
pub(super) fn subscriptions() -> Vec<Case> {
    let mut case = Case::new("T8", "1KB/50", Unit::Rate);
    let shape = Shape { receivers: 50, read: Read::Ends, ..one_to_one(4_096) };
    tokios::<Bytes>(&mut case, shape);
    case.race("engine dispatcher", shape, engine::in_place);
    case.race("fanout", shape, fanout::in_slot::<Kilobyte>);
    // With T5's capacity, which is kinder to caches.
    let small = Shape { capacity: 1_024, ..shape };
    case.race("fanout/1024", small, fanout::in_slot::<Kilobyte>);
    case.race("tokio together/1024", small, tokio::together::<Bytes>);
    case.claim("engine dispatcher", &case.names(|name| name.starts_with("tokio")), 10.0);
    case.claim("engine dispatcher", &["fanout", "fanout/1024"], 0.5);
    vec![case]
}
