//! What a case is: contenders that take turns, and what must hold between them.

use std::fmt;
use std::rc::Rc;

use crate::measure::Bench;
use crate::payload::Read;
use crate::roles::{Load, Roles};

/// What a figure says, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Million deliveries a second, over all receivers.
    Rate,
    /// Nanoseconds: the median latency of a paced stream.
    Median,
    /// Nanoseconds for a message and its echo.
    RoundTrip,
    /// Microseconds from the release of a herd to its last publish.
    Herd,
    /// Nanoseconds for one call to publish.
    Publish,
    /// Percent of one CPU.
    Share,
    /// Nanoseconds: the 99th percentile of a level.
    Tail,
    /// Levels of load that held.
    Levels,
    /// Places around which latencies gather.
    Modes,
}

impl Unit {
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::Rate | Self::Levels)
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Rate => "M/s",
            Self::Median => "ns p50",
            Self::RoundTrip => "ns round trip",
            Self::Herd => "us",
            Self::Publish => "ns",
            Self::Share => "% of a CPU",
            Self::Tail => "ns p99",
            Self::Levels => "levels",
            Self::Modes => "modes",
        }
    }
}

/// The size of a load, without the number of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) producers: u64,
    pub(crate) receivers: usize,
    pub(crate) capacity: usize,
    pub(crate) batch: usize,
    pub(crate) read: Read,
}

/// Makes the threads of a sample.
#[derive(Clone)]
pub(crate) struct SetUp(pub(crate) Rc<dyn Fn(&Load) -> Roles>);

impl fmt::Debug for SetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetUp")
    }
}

/// How a contender works.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Threads that are released together; timed from the first producer's start to the last delivery.
    Race(Shape, SetUp),
    /// Takes its figure by itself, and fails when a message was lost.
    Whole(fn(&Bench) -> Result<f64, String>),
}

/// One way to do the work of a case.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) work: Work,
}

/// Contenders that take turns, and what must hold between them.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) target: &'static str,
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) claims: Vec<Claim>,
    /// Whether the distance between the CPUs matters; if not, samples have no class.
    pub(crate) placed: bool,
    /// How many samples each are enough, however many are asked for: some take long.
    pub(crate) most: usize,
    /// By how much longer than others it may go on until its ratios have their samples.
    pub(crate) patience: u32,
}

/// `ours` over what it is held against is at least `goal`; at most, when less is better.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) ours: String,
    pub(crate) against: Against,
    /// None when the ratio is there to be seen, and need not be anything.
    pub(crate) goal: Option<f64>,
}

/// What a contender is held against.
#[derive(Clone, Debug)]
pub(crate) enum Against {
    /// The best of these contenders.
    Best(Vec<String>),
    /// A figure from elsewhere, in the case's unit.
    Recorded(&'static str, f64),
}

impl Claim {
    /// Whether a contender is in it.
    pub(crate) fn concerns(&self, name: &str) -> bool {
        let peer = match &self.against {
            Against::Best(names) => names.iter().any(|peer| peer == name),
            Against::Recorded(..) => false,
        };
        peer || self.ours == name
    }
}

impl Case {
    /// A case whose samples are told apart by where the CPUs were.
    pub(crate) fn new(target: &'static str, name: impl Into<String>, unit: Unit) -> Self {
        let (contenders, claims) = (Vec::new(), Vec::new());
        Self {
            target,
            name: name.into(),
            unit,
            contenders,
            claims,
            placed: true,
            most: usize::MAX,
            patience: 1,
        }
    }

    /// Adds a contender that is a race.
    pub(crate) fn race(
        &mut self,
        name: impl Into<String>,
        shape: Shape,
        set_up: impl Fn(&Load) -> Roles + 'static,
    ) {
        let work = Work::Race(shape, SetUp(Rc::new(set_up)));
        self.contenders.push(Contender { name: name.into(), work });
    }

    /// Adds a contender that measures itself.
    pub(crate) fn whole(&mut self, name: impl Into<String>, work: fn(&Bench) -> Result<f64, String>) {
        self.contenders.push(Contender { name: name.into(), work: Work::Whole(work) });
    }

    /// Adds what must hold against the best of some contenders; without a goal, what is worth seeing.
    pub(crate) fn claim<S: ToString>(&mut self, ours: &str, peers: &[S], goal: impl Into<Option<f64>>) {
        let against = Against::Best(peers.iter().map(ToString::to_string).collect());
        self.claims.push(Claim { ours: ours.into(), against, goal: goal.into() });
    }

    /// Adds what must hold against a figure from elsewhere.
    pub(crate) fn claim_recorded(&mut self, ours: &str, whose: &'static str, figure: f64, goal: f64) {
        let against = Against::Recorded(whose, figure);
        self.claims.push(Claim { ours: ours.into(), against, goal: Some(goal) });
    }

    /// The contenders of which `is_peer` says so.
    pub(crate) fn names(&self, is_peer: impl Fn(&str) -> bool) -> Vec<String> {
        let names = self.contenders.iter().map(|contender| contender.name.clone());
        names.filter(|name| is_peer(name)).collect()
    }
}
