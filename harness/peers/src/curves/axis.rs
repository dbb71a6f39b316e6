//! An axis: what grows, at which places along it something is measured, and how.

use ringmain::WaitStrategy;

use super::contender::{Knobs, Readers, Shares, Source};
use crate::case::{Case, Shape, Unit};
use crate::payload::Read;

/// One thing that grows while all else stays as it is.
#[derive(Debug)]
pub(super) struct Axis {
    /// The name of its files.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What is counted along it.
    pub(super) x: &'static str,
    /// What a rate counts.
    pub(super) unit: &'static str,
    /// Where an engine stands by default, if that is on the axis.
    pub(super) default: Option<u64>,
    pub(super) curves: Vec<Curve>,
}

/// One way along the axis.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) points: Vec<Point>,
}

/// A place along the axis, and what stands there.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) x: u64,
    pub(super) label: String,
    shape: Shape,
    knobs: Knobs,
}

/// The axes, in the order in which they are measured.
pub(super) const NAMES: [&str; 8] =
    ["subscriptions", "publishers", "payload", "ring", "batch", "shards", "threads", WAIT];

/// The axis that is a table: its places are words.
pub(super) const WAIT: &str = "wait";

/// All axes.
pub(super) fn all() -> Vec<Axis> {
    vec![subscriptions(), publishers(), payload(), ring(), batch(), shards(), threads(), wait()]
}

/// One publisher, one subscription, single publishes of a kilobyte, the ends read.
fn one() -> Shape {
    let capacity = Knobs::default().holds();
    Shape { producers: 1, receivers: 1, capacity, batch: 1, read: Read::Ends }
}

fn powers(from: u64, to: u64, factor: u64) -> Vec<u64> {
    std::iter::successors(Some(from), |x| Some(x * factor)).take_while(|x| *x <= to).collect()
}

fn subscriptions() -> Axis {
    let places = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];
    let dispatched = |x| (Shape { receivers: index(x), ..one() }, Knobs::default());
    Axis::new("subscriptions", "Subscriptions on one dispatcher", "subscriptions", DELIVERIES).curve(
        "one dispatcher",
        &places,
        dispatched,
    )
}

fn publishers() -> Axis {
    Axis::new("publishers", "Publishers, a thread each", "publishers", MESSAGES).curve(
        "one subscription",
        &powers(1, 64, 2),
        |x| (Shape { producers: x, ..one() }, Knobs::default()),
    )
}

fn payload() -> Axis {
    let places = [1, 16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    let sized = |source| {
        move |x| {
            let knobs = Knobs { payload: index(x), source, ..Knobs::default() };
            (one(), knobs)
        }
    };
    Axis::new("payload", "Size of a message", "bytes", MESSAGES)
        .curve("written", &places, sized(Source::Written))
        .curve("as Bytes of its own", &places, sized(Source::Own))
        .curve("as Bytes kept elsewhere", &places, sized(Source::Kept))
        .labelled(bytes)
}

fn ring() -> Axis {
    let places = powers(64, 65_536, 2);
    Axis {
        default: Some(Knobs::default().slots as u64),
        ..Axis::new("ring", "Slots of the ring", "slots", MESSAGES)
    }
    .curve("one subscription", &places, |x| (one(), Knobs { slots: index(x), ..Knobs::default() }))
}

fn batch() -> Axis {
    Axis { default: Some(1), ..Axis::new("batch", "Messages a publish", "messages a call", MESSAGES) }.curve(
        "one subscription",
        &powers(1, 1_024, 2),
        |x| (Shape { batch: index(x), ..one() }, Knobs::default()),
    )
}

fn shards() -> Axis {
    let default = Some(Knobs::default().shards as u64);
    Axis { default, ..Axis::new("shards", "Shards, with four publishers", "shards", MESSAGES) }.curve(
        "one subscription",
        &powers(1, 8, 2),
        |x| (Shape { producers: 4, ..one() }, Knobs { shards: index(x), ..Knobs::default() }),
    )
}

fn threads() -> Axis {
    let places = powers(1, 64, 2);
    let read_by =
        |readers| move |x| (Shape { receivers: index(x), ..one() }, Knobs { readers, ..Knobs::default() });
    Axis::new("threads", "Threads, or one dispatcher", "subscriptions", DELIVERIES)
        .curve("one dispatcher", &places, read_by(Readers::Multiplexed))
        .curve("a thread each", &places, read_by(Readers::Threads))
}

/// Eight publishers and fifty subscriptions, by wait strategy: on one dispatcher, and as threads; each publisher with an equal
/// share, and with what it comes to.
fn wait() -> Axis {
    const STRATEGIES: [(&str, WaitStrategy); 3] = [
        ("Spin", WaitStrategy::Spin),
        ("SpinThenPark", WaitStrategy::SpinThenPark),
        ("Park", WaitStrategy::Park),
    ];
    let by = |shares, readers| {
        move |x| {
            let shape = Shape { producers: 8, receivers: 50, ..one() };
            (shape, Knobs { wait: STRATEGIES[index(x)].1, readers, shares, ..Knobs::default() })
        }
    };
    let places: Vec<_> = (0..STRATEGIES.len() as u64).collect();
    let default = STRATEGIES.iter().position(|(_, wait)| *wait == WaitStrategy::default());
    let title = "Wait strategies: 8 publishers, 50 subscriptions";
    Axis { default: default.map(|at| at as u64), ..Axis::new(WAIT, title, "strategy", DELIVERIES) }
        .curve("multiplexed, equal shares", &places, by(Shares::Equal, Readers::Multiplexed))
        .curve("threads, equal shares", &places, by(Shares::Equal, Readers::Threads))
        .curve("multiplexed, as each comes to it", &places, by(Shares::Drawn, Readers::Multiplexed))
        .curve("threads, as each comes to it", &places, by(Shares::Drawn, Readers::Threads))
        .labelled(|x| STRATEGIES[index(x)].0.to_owned())
}

const DELIVERIES: &str = "M deliveries/s";
const MESSAGES: &str = "M messages/s";

fn index(x: u64) -> usize {
    usize::try_from(x).expect("the table's places are small")
}

/// `16 KB`.
fn bytes(x: u64) -> String {
    match x {
        small if small < 1 << 10 => format!("{small} B"),
        middle if middle < 1 << 20 => format!("{} KB", middle >> 10),
        large => format!("{} MB", large >> 20),
    }
}

/// With thousands set apart.
pub(super) fn grouped(x: u64) -> String {
    let digits = x.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

impl Axis {
    fn new(name: &'static str, title: &'static str, x: &'static str, unit: &'static str) -> Self {
        Self { name, title, x, unit, default: None, curves: Vec::new() }
    }

    fn curve(mut self, name: &'static str, places: &[u64], at: impl Fn(u64) -> (Shape, Knobs)) -> Self {
        let point = |&x: &u64| {
            let (shape, knobs) = at(x);
            Point { x, label: grouped(x), shape: Shape { capacity: knobs.holds(), ..shape }, knobs }
        };
        self.curves.push(Curve { name, points: places.iter().map(point).collect() });
        self
    }

    fn labelled(mut self, label: impl Fn(u64) -> String) -> Self {
        let points = self.curves.iter_mut().flat_map(|curve| &mut curve.points);
        points.for_each(|point| point.label = label(point.x));
        self
    }

    /// Leaves every third place, unless there are no more than three, and none that takes long: to see whether it works.
    pub(super) fn thin_out(&mut self) {
        const MOST: usize = 1 << 20;
        for curve in &mut self.curves {
            let step = if curve.points.len() > 3 { 3 } else { 1 };
            let mut left = 0..;
            curve.points.retain(|point| {
                let quick = point.shape.capacity * point.shape.receivers <= MOST;
                left.next().is_some_and(|at: usize| at.is_multiple_of(step)) && quick
            });
        }
    }

    /// Its points as contenders that take turns, curve by curve, all of which are to have samples of one class.
    pub(super) fn case(&self) -> Case {
        let mut case = Case::new("curve", self.name, Unit::Rate);
        for curve in &self.curves {
            for Point { label, shape, knobs, .. } in &curve.points {
                let knobs = *knobs;
                case.race(format!("{}, {label}", curve.name), *shape, move |load| knobs.roles(load));
            }
        }
        let names = case.names(|_| true);
        if let [first, others @ ..] = &names[..] {
            case.claim(first, others, None);
        }
        case
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_named_in_order_and_their_places_rise() {
        let axes = all();
        assert_eq!(axes.iter().map(|axis| axis.name).collect::<Vec<_>>(), NAMES);
        for axis in &axes {
            let count: usize = axis.curves.iter().map(|curve| curve.points.len()).sum();
            assert_eq!(axis.case().contenders.len(), count);
            for curve in &axis.curves {
                assert!(curve.points.is_sorted_by(|one, next| one.x < next.x), "{}", axis.name);
                let at_default = |default| curve.points.iter().any(|point| Some(point.x) == Some(default));
                assert!(axis.default.is_none_or(at_default), "{}", axis.name);
            }
        }
    }

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        assert_eq!(
            [1, 999, 1_000, 65_536, 1_000_000].map(grouped),
            ["1", "999", "1,000", "65,536", "1,000,000"]
        );
        assert_eq!([1, 1 << 10, 64 << 10, 1 << 20].map(bytes), ["1 B", "1 KB", "64 KB", "1 MB"]);
    }
}
