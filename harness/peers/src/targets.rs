//! The targets as a table: what runs in each case, and which ratio must hold.
//!
//! A case is a set of contenders that take turns; its claims compare medians within it. Where a claim names
//! several peers, the fastest of them is the one to beat. Everything a claim needs runs in one case, so that
//! no ratio is ever taken between figures of different minutes.

use bytes::Bytes;

use crate::measure::{Contender, Shape, Unit};
use crate::ours::{engine, fanout, ring};
use crate::payload::{Kilobyte, Line, Message, Read};
use crate::peer::{bare, broadcast, crossbeam, disruptor, kanal, rtrb, tokio};
use crate::roles::{Load, Roles};

/// Contenders that take turns, and what must hold between them.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) target: &'static str,
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) claims: Vec<Claim>,
}

/// `ours` over the fastest of `peers` is at least `goal`; at most, when the unit is a time.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) ours: String,
    pub(crate) peers: Vec<String>,
    pub(crate) goal: f64,
}

/// The targets that this table measures.
pub(crate) const TARGETS: [&str; 9] = ["T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9"];

/// Messages in a batch.
const BATCH: usize = 64;

/// The whole table, in order.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for capacity in [4_096, 1_024] {
        cases.push(one_to_one::<u64>("u64", capacity));
        cases.push(one_to_one::<Line>("64B", capacity));
    }
    for capacity in [4_096, 1_024] {
        cases.push(batches::<u64>("u64", capacity));
        cases.push(batches::<Line>("64B", capacity));
    }
    cases.push(many_producers(1));
    cases.push(many_producers(BATCH));
    for receivers in [10, 50] {
        cases.push(fan_out_of_words(receivers));
        cases.push(fan_out_of_kilobytes(receivers));
    }
    for read in [Read::Ends, Read::Every] {
        cases.push(in_place(read));
    }
    cases.push(leased());
    cases.push(subscriptions());
    cases.push(open_loop());
    cases.push(round_trip());
    cases
}

/// One producer, one receiver, single publishes, everything read.
const fn pair(capacity: usize) -> Shape {
    Shape { producers: 1, receivers: 1, capacity, batch: 1, read: Read::Every }
}

fn contender(name: impl Into<String>, shape: Shape, set_up: fn(&Load) -> Roles) -> Contender {
    Contender { name: name.into(), shape, set_up }
}

fn claim(ours: &str, peers: &[&str], goal: f64) -> Claim {
    Claim { ours: ours.into(), peers: peers.iter().map(ToString::to_string).collect(), goal }
}

/// T1.
fn one_to_one<T: Message>(payload: &str, capacity: usize) -> Case {
    let shape = pair(capacity);
    let contenders = vec![
        contender("bare, one by one", shape, bare::one_by_one::<T>),
        contender("bare, all ready", shape, bare::all_ready::<T>),
        contender("disruptor managed", shape, disruptor::managed::<T>),
        contender("disruptor poller", shape, disruptor::poller::<T>),
        contender("rtrb pop", shape, rtrb::pop::<T>),
        contender("rtrb chunks", shape, rtrb::chunks::<T>),
        contender("ring", shape, ring::one_to_one::<T>),
    ];
    let disruptors = ["disruptor managed", "disruptor poller"];
    let everyone = ["disruptor managed", "disruptor poller", "rtrb pop", "rtrb chunks"];
    let claims = if capacity == 4_096 {
        vec![claim("ring", &disruptors, 1.3)]
    } else {
        vec![claim("ring", &everyone, 0.95)]
    };
    Case { target: "T1", name: format!("{payload}/{capacity}"), unit: Unit::Rate, contenders, claims }
}

/// T2.
fn batches<T: Message>(payload: &str, capacity: usize) -> Case {
    let shape = Shape { batch: BATCH, ..pair(capacity) };
    let contenders = vec![
        contender("bare", shape, bare::all_ready::<T>),
        contender("disruptor managed", shape, disruptor::managed::<T>),
        contender("disruptor poller", shape, disruptor::poller::<T>),
        contender("rtrb chunks", shape, rtrb::chunks::<T>),
        contender("ring", shape, ring::one_to_one::<T>),
    ];
    let claims = vec![
        claim("ring", &["bare"], 0.95),
        claim("ring", &["disruptor managed", "disruptor poller", "rtrb chunks"], 1.0),
    ];
    Case { target: "T2", name: format!("{payload}/{capacity}"), unit: Unit::Rate, contenders, claims }
}

/// T3 with single publishes, T4 with batches: 2 and 8 producers in one case, since they are compared with
/// each other.
fn many_producers(batch: usize) -> Case {
    let mut contenders = Vec::new();
    for producers in [2, 8] {
        let shape = Shape { producers, batch, ..pair(1_024) };
        let mut add = |name: &str, set_up: fn(&Load) -> Roles| {
            contenders.push(contender(format!("{name}, {producers} producers"), shape, set_up));
        };
        add("disruptor", disruptor::many_producers::<u64>);
        add("kanal recv", kanal::receive::<u64>);
        add("kanal drain", kanal::drain::<u64>);
        add("crossbeam", crossbeam::receive::<u64>);
        add("ring", ring::many_producers::<u64>);
    }
    let claims = if batch == 1 {
        vec![
            claim("ring, 2 producers", &["kanal recv, 2 producers", "kanal drain, 2 producers"], 1.5),
            claim("ring, 8 producers", &["kanal recv, 8 producers", "kanal drain, 8 producers"], 1.5),
            claim("ring, 8 producers", &["ring, 2 producers"], 0.8),
        ]
    } else {
        let peers = ["disruptor, 2 producers", "kanal recv, 2 producers", "kanal drain, 2 producers"];
        vec![claim("ring, 2 producers", &peers, 1.0), claim("ring, 8 producers", &["ring, 2 producers"], 0.6)]
    };
    let target = if batch == 1 { "T3" } else { "T4" };
    Case { target, name: "u64/1024".into(), unit: Unit::Rate, contenders, claims }
}

/// The best that a receiver to itself can do: a task or a thread each.
fn per_receiver<T: Message>(shape: Shape) -> Vec<Contender> {
    vec![
        contender("tokio beside", shape, tokio::beside::<T>),
        contender("tokio together", shape, tokio::together::<T>),
        contender("tokio threads", shape, tokio::many_threads::<T>),
        contender("bus threads", shape, broadcast::threads::<T>),
        contender("async-broadcast tasks", shape, broadcast::tasks::<T>),
    ]
}

const PER_RECEIVER: [&str; 5] =
    ["tokio beside", "tokio together", "tokio threads", "bus threads", "async-broadcast tasks"];
const TOKIO: [&str; 3] = ["tokio beside", "tokio together", "tokio threads"];

/// T5 with u64.
fn fan_out_of_words(receivers: usize) -> Case {
    let shape = Shape { receivers, ..pair(1_024) };
    let mut contenders = vec![
        contender("disruptor pollers", shape, disruptor::fan_out::<u64>),
        contender("fanout", shape, fanout::values::<u64>),
    ];
    let mut claims = vec![claim("fanout", &["disruptor pollers"], 1.0)];
    if receivers == 50 {
        contenders.extend(per_receiver::<u64>(shape));
        claims.push(claim("fanout", &PER_RECEIVER, 10.0));
    }
    Case { target: "T5", name: format!("u64/{receivers}"), unit: Unit::Rate, contenders, claims }
}

/// T5 with a kilobyte: as `Bytes` in the slots, and written into the slots, which only rings can do.
fn fan_out_of_kilobytes(receivers: usize) -> Case {
    let shape = Shape { receivers, read: Read::Ends, ..pair(1_024) };
    let mut contenders = vec![
        contender("disruptor pollers Bytes", shape, disruptor::fan_out::<Bytes>),
        contender("disruptor pollers slot", shape, disruptor::fan_out::<Kilobyte>),
        contender("fanout Bytes", shape, fanout::values::<Bytes>),
        contender("fanout slot", shape, fanout::in_slot::<Kilobyte>),
    ];
    let mut claims = vec![
        claim("fanout Bytes", &["disruptor pollers Bytes"], 1.2),
        claim("fanout slot", &["disruptor pollers slot"], 1.2),
    ];
    if receivers == 50 {
        contenders.extend(per_receiver::<Bytes>(shape));
        claims.push(claim("fanout slot", &PER_RECEIVER, 10.0));
    }
    Case { target: "T5", name: format!("1KB/{receivers}"), unit: Unit::Rate, contenders, claims }
}

/// T6. Peers run at the capacity of our default ring and at a quarter of it, which is kinder to caches.
fn in_place(read: Read) -> Case {
    let shape = Shape { read, ..pair(4_096) };
    let small = Shape { capacity: 1_024, ..shape };
    let contenders = vec![
        contender("disruptor Bytes managed", shape, disruptor::managed::<Bytes>),
        contender("disruptor Bytes poller", shape, disruptor::poller::<Bytes>),
        contender("disruptor Bytes poller/1024", small, disruptor::poller::<Bytes>),
        contender("disruptor slot managed", shape, disruptor::managed::<Kilobyte>),
        contender("disruptor slot poller", shape, disruptor::poller::<Kilobyte>),
        contender("disruptor slot poller/1024", small, disruptor::poller::<Kilobyte>),
        contender("crossbeam Bytes", shape, crossbeam::receive::<Bytes>),
        contender("crossbeam Bytes/1024", small, crossbeam::receive::<Bytes>),
        contender("engine in place", shape, engine::in_place),
    ];
    let bytes = ["disruptor Bytes managed", "disruptor Bytes poller", "disruptor Bytes poller/1024"];
    let slot = ["disruptor slot managed", "disruptor slot poller", "disruptor slot poller/1024"];
    let claims = vec![
        claim("engine in place", &bytes, if read == Read::Ends { 1.5 } else { 3.0 }),
        claim("engine in place", &slot, 1.5),
        claim("engine in place", &["crossbeam Bytes", "crossbeam Bytes/1024"], 8.0),
    ];
    let name = if read == Read::Ends { "1KB-ends" } else { "1KB-every-byte" };
    Case { target: "T6", name: name.into(), unit: Unit::Rate, contenders, claims }
}

/// T7: acknowledged by the receiver's thread, which is not the publisher's, and by a third thread.
fn leased() -> Case {
    let shape = Shape { read: Read::Ends, ..pair(4_096) };
    let contenders = vec![
        contender("crossbeam Bytes", shape, crossbeam::receive::<Bytes>),
        contender("crossbeam Bytes, dropped on a third", shape, crossbeam::drop_elsewhere::<Bytes>),
        contender("engine leased", shape, engine::leased),
        contender("engine leased, acked on a third", shape, engine::acked_elsewhere),
    ];
    let claims = vec![
        claim("engine leased", &["crossbeam Bytes"], 3.0),
        claim("engine leased, acked on a third", &["crossbeam Bytes, dropped on a third"], 3.0),
    ];
    Case { target: "T7", name: "1KB-leased".into(), unit: Unit::Rate, contenders, claims }
}

/// T8, with T5's counterpart beside it.
fn subscriptions() -> Case {
    let shape = Shape { receivers: 50, read: Read::Ends, ..pair(4_096) };
    let mut contenders = per_receiver::<Bytes>(shape);
    contenders.retain(|contender| TOKIO.contains(&contender.name.as_str()));
    contenders.push(contender("engine dispatcher", shape, engine::in_place));
    contenders.push(contender("fanout", shape, fanout::in_slot::<Kilobyte>));
    let claims = vec![claim("engine dispatcher", &TOKIO, 10.0), claim("engine dispatcher", &["fanout"], 0.5)];
    Case { target: "T8", name: "1KB/50".into(), unit: Unit::Rate, contenders, claims }
}

/// T9, first half.
fn open_loop() -> Case {
    let shape = pair(4_096);
    let contenders = vec![
        contender("bare, spinning", shape, bare::open_loop),
        contender("kanal", shape, kanal::open_loop),
        contender("engine", shape, engine::open_loop),
    ];
    let claims = vec![claim("engine", &["kanal"], 0.5)];
    Case { target: "T9", name: "p50-100k/s".into(), unit: Unit::Median, contenders, claims }
}

/// T9, second half.
fn round_trip() -> Case {
    let contenders = vec![
        contender("bare, hinted", pair(1_024), bare::round_trip::<true>),
        contender("bare, busy", pair(1_024), bare::round_trip::<false>),
        contender("ring", pair(1_024), ring::round_trip),
    ];
    let claims = vec![claim("ring", &["bare, hinted", "bare, busy"], 1.2)];
    Case { target: "T9", name: "ping-pong".into(), unit: Unit::RoundTrip, contenders, claims }
}
