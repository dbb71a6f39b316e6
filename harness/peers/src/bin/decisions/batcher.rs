//! How does `enqueue` batch without a timer?
//!
//! Pointer-sized values: handles of 1 KB buffers that are filled for every message and swapped into the ring
//! (4,096), so that none is allocated. One consumer reads both ends. 1 or 2 producers (2: on both CPUs, or
//! both on the other one).
//!
//! - *direct*: gate check, compare-and-swap, stamp; the consumer reads whatever is there (LMAX's natural
//!   batching), and gathers or not;
//! - *combining*: push into one's own lane, then try for the role; its holder drains all lanes under one
//!   claim and looks again;
//! - *lanes, polled*: push into one's own lane, nothing else; a consumer that runs dry drains the lanes, and
//!   while it spins it polls them (if it parked, the publisher would have to wake it, as for any publish); it
//!   gathers before it drains, or not;
//! - *lanes, dry flag*: the same, but a consumer that found the lanes empty says so, and a publisher that
//!   sees it (fence, load) takes the role and drains: needed where a message must become readable although no
//!   consumer is looking at the lanes.
//! - *lanes on backlog*: a publisher claims directly while the consumer keeps up, and pushes into its lane
//!   from when the consumer says that it has a backlog until it has run dry; drains claim for all and stamp.
//!
//! *Paced* cases send one message every 100 us, 1 us or 125 ns, by the clock, and take the time from due to
//! read; with two publishers one thread uses both in turn.

use crate::lab::{Case, Outcome};
use crate::staging::{Ring, WORDS, Way};
use crate::threads::{self, Job, producer_cpu, race};

fn flat_out(way: Way, publishers: usize, apart: bool, n: u64) -> Outcome {
    let ring = &Ring::new(publishers);
    let each = n / publishers as u64;
    let total = each * publishers as u64;
    let consume = move || {
        let mut sum = 0_u64;
        ring.consume(way, total, |payload| sum += payload.0[0] + payload.0[WORDS - 1]);
        sum
    };
    let mut jobs: Vec<(usize, Job<'_>)> = vec![(1, Box::new(consume))];
    for index in 0..publishers {
        let publish = move || {
            let mut publisher = ring.publisher(index);
            let first = index as u64 * each;
            (first..first + each).for_each(|number| publisher.send(way, number, number));
            0
        };
        jobs.push((if apart { 0 } else { producer_cpu(index) }, Box::new(publish)));
    }
    let (seconds, sums) = race(jobs);
    assert_eq!(sums[0], total * (total - 1), "messages lost, doubled or torn");
    Outcome::rate(total, seconds)
}

fn paced(way: Way, publishers: usize, every_ns: u64, n: u64) -> Outcome {
    let ring = &Ring::new(publishers);
    let clock = &threads::clock();
    let ticks = every_ns as f64 * 1e9 / clock.delta_as_nanos(0, 1_000_000_000) as f64;
    let (mut late, mut sum) = (Vec::with_capacity(n as usize), 0);
    let consume = || {
        ring.consume(way, n, |payload| {
            late.push(clock.raw().saturating_sub(payload.0[0]));
            sum += payload.0[WORDS - 1];
        });
        0
    };
    let publish = move || {
        let mut own: Vec<_> = (0..publishers).map(|index| ring.publisher(index)).collect();
        let start = clock.raw();
        for number in 0..n {
            let due = start + (number as f64 * ticks) as u64;
            while clock.raw() < due {}
            own[number as usize % publishers].send(way, due, number);
        }
        0
    };
    let (seconds, _) = race(vec![(0, Box::new(publish)), (1, Box::new(consume))]);
    assert_eq!(sum, n * (n - 1) / 2, "messages lost or doubled");
    late.drain(..n as usize / 10);
    late.sort_unstable();
    let at = |hundredths: usize| clock.delta_as_nanos(0, late[late.len() * hundredths / 100]) as f64;
    Outcome { seconds, figures: vec![("p50 ns", at(50)), ("p90 ns", at(90))] }
}

pub(crate) fn cases() -> Vec<Case> {
    let ways = [
        ("direct", Way::Direct),
        ("direct, reader gathers", Way::DirectGathering),
        ("combining", Way::Combining),
        ("lanes, polled", Way::LanesPolled),
        ("lanes, polled, reader gathers", Way::LanesGathering),
        ("lanes, dry flag", Way::LanesDry),
        ("lanes on backlog, reader gathers", Way::OnBacklog),
    ];
    let mut cases = Vec::new();
    for (publishers, apart, place) in [(1, true, ""), (2, false, ", meeting"), (2, true, ", apart")] {
        let setting = format!("1 KB handles flat out, {}{place}", threads::producers(publishers));
        for (name, way) in ways {
            cases.push(Case::new(setting.clone(), name, move |n| flat_out(way, publishers, apart, n)));
        }
    }
    for (every_ns, messages) in [(100_000, 300), (1_000, 20_000), (125, 160_000)] {
        for publishers in [1, 2] {
            let setting =
                format!("one message every {} us, {}", every_ns as f64 / 1e3, threads::producers(publishers));
            for (name, way) in ways {
                let body = move |n| paced(way, publishers, every_ns, n);
                cases.push(Case::new(setting.clone(), name, body).sized(messages));
            }
        }
    }
    cases
}
