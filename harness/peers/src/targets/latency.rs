//! T9: latency of a paced stream through the engine, and of a message passed to and fro on the ring.

use super::one_to_one;
use crate::case::{Case, Unit};
use crate::ours::{engine, ring};
use crate::peer::bare;
use crate::peer::channels::{self, Crossbeam, Flume, Kanal, Std, Tokio};

pub(super) fn cases() -> Vec<Case> {
    vec![open_loop(), round_trip()]
}

fn open_loop() -> Case {
    let mut case = Case::new("T9", "p50-100k/s", Unit::Median);
    let shape = one_to_one(4_096);
    case.race("bare, spinning", shape, bare::open_loop);
    case.race("kanal", shape, channels::open_loop::<Kanal>);
    case.race("engine", shape, engine::open_loop);
    case.race("crossbeam channel", shape, channels::open_loop::<Crossbeam>);
    case.race("std sync_channel", shape, channels::open_loop::<Std>);
    case.race("flume", shape, channels::open_loop::<Flume>);
    case.race("tokio mpsc", shape, channels::open_loop::<Tokio>);
    case.claim("engine", &["kanal"], 0.5);
    case
}

fn round_trip() -> Case {
    let mut case = Case::new("T9", "ping-pong", Unit::RoundTrip);
    let shape = one_to_one(1_024);
    case.race("bare, hinted", shape, bare::round_trip::<true>);
    case.race("bare, busy", shape, bare::round_trip::<false>);
    case.race("ring", shape, ring::round_trip);
    case.claim("ring", &["bare, hinted", "bare, busy"], 1.2);
    case
}
