//! T3 and T4: many producers and one consumer, by single publishes and by batches of 64. 2 and 8 producers are in
//! one case, since they are compared with each other.

use super::{BATCH, one_to_one};
use crate::case::{Case, Shape, Unit};
use crate::ours::ring;
use crate::peer::channels::{self, Crossbeam, Flume, Kanal, Std, Tokio};
use crate::peer::disruptor::ALL;
use crate::peer::{crossbeam, disruptor, kanal, thingbuf};
use crate::roles::{Load, Roles};

pub(super) fn cases() -> Vec<Case> {
    vec![single(), batches()]
}

fn case(target: &'static str, batch: usize) -> Case {
    let mut case = Case::new(target, "u64/1024", Unit::Rate);
    for producers in [2, 8] {
        let shape = Shape { producers, batch, ..one_to_one(1_024) };
        let mut add = |name: &str, set_up: fn(&Load) -> Roles| {
            case.race(format!("{name}, {producers} producers"), shape, set_up);
        };
        add("ring", |load| ring::many_producers::<u64>(load, ring::AT_ONCE));
        add("ring, one by one", |load| ring::many_producers::<u64>(load, 1));
        add("disruptor", |load| disruptor::many_producers::<u64>(load, ALL));
        add("disruptor, 64 at once", |load| disruptor::many_producers::<u64>(load, 64));
        add("kanal recv", channels::receive::<Kanal, u64>);
        add("kanal drain", kanal::drain::<u64>);
        add("crossbeam channel", channels::receive::<Crossbeam, u64>);
        add("crossbeam ArrayQueue", crossbeam::queue::<u64>);
        add("thingbuf", thingbuf::receive::<u64>);
        add("std sync_channel", channels::receive::<Std, u64>);
        add("flume", channels::receive::<Flume, u64>);
        add("tokio mpsc", channels::receive::<Tokio, u64>);
    }
    case
}

/// T3. A message received by a call is held against a message received by a call, and many at once against many at once.
fn single() -> Case {
    let mut case = case("T3", 1);
    for producers in [2, 8] {
        for (ours, theirs) in [("ring, one by one", "kanal recv"), ("ring", "kanal drain")] {
            let [ours, theirs] = [ours, theirs].map(|name| format!("{name}, {producers} producers"));
            case.claim(&ours, &[theirs], 1.5);
        }
    }
    case.claim("ring, 8 producers", &["ring, 2 producers"], 0.8);
    case
}

/// T4.
fn batches() -> Case {
    let mut case = case("T4", BATCH);
    let peers = case.names(|name| name.ends_with("2 producers") && !name.starts_with("ring"));
    case.claim("ring, 2 producers", &peers, 1.0);
    case.claim("ring, 8 producers", &["ring, 2 producers"], 0.6);
    case
}
