//! Claim, publish and read: what each costs on one thread, with nobody else at the ring.
//!
//! On one thread nothing is contended and every line is in the nearest cache, so this is the least that an operation can
//! cost, good for telling whether a change made it longer. What it costs between two CPUs is another figure, and the
//! harness's to measure. A reader is attached throughout, so that publishers look at a gate that is there; it reads
//! between laps, untimed.

mod laps;

use criterion::{BenchmarkId, Criterion, Throughput};
use ringmain_ring::{Cursor, Multi, Ring, Single, SingleProducer};
use std::hint::black_box;

/// Slots, and messages to a lap.
const SLOTS: usize = 4_096;
const LAP: u64 = SLOTS as u64;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    publish(&mut criterion);
    claim(&mut criterion);
    read(&mut criterion);
    criterion.final_summary();
}

fn single() -> (SingleProducer<u64>, Cursor<u64, Single>) {
    let (producer, ring) = Ring::single(SLOTS, || 0).expect("a power of two");
    (producer, ring.cursor())
}

fn multi() -> (Ring<u64, Multi>, Cursor<u64, Multi>) {
    let ring = Ring::multi(SLOTS, || 0).expect("a power of two");
    let cursor = ring.cursor();
    (ring, cursor)
}

/// One value, by value: claim, write and publish in one call.
fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/publish");
    group.throughput(Throughput::Elements(1));
    group.bench_function("single", |b| {
        let mut state = single();
        b.iter_custom(|iters| {
            let operation = |(producer, _): &mut (SingleProducer<u64>, _)| {
                black_box(producer.publish(black_box(7)).expect("room"));
            };
            laps::timed(iters, LAP, &mut state, operation, |(_, cursor)| drain(cursor))
        });
    });
    group.bench_function("multi", |b| {
        let mut state = multi();
        b.iter_custom(|iters| {
            let operation = |(ring, _): &mut (Ring<u64, Multi>, _)| {
                black_box(ring.publish(black_box(7)).expect("room"));
            };
            laps::timed(iters, LAP, &mut state, operation, |(_, cursor)| drain(cursor))
        });
    });
    group.finish();
}

/// Several slots, written in place and published together.
fn claim(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/claim_write_publish");
    for count in [1, 16, 64] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("single", count), |b| {
            let mut state = single();
            b.iter_custom(|iters| {
                let operation = |(producer, _): &mut (SingleProducer<u64>, _)| {
                    let mut claim = producer.claim(black_box(count)).expect("room");
                    claim.write_each(|_, slot| *slot = black_box(7));
                    black_box(claim.publish());
                };
                laps::timed(iters, LAP / count, &mut state, operation, |(_, cursor)| drain(cursor))
            });
        });
        group.bench_function(BenchmarkId::new("multi", count), |b| {
            let mut state = multi();
            b.iter_custom(|iters| {
                let operation = |(ring, _): &mut (Ring<u64, Multi>, _)| {
                    let mut claim = ring.claim(black_box(count)).expect("room");
                    claim.write_each(|_, slot| *slot = black_box(7));
                    black_box(claim.publish());
                };
                laps::timed(iters, LAP / count, &mut state, operation, |(_, cursor)| drain(cursor))
            });
        });
    }
    group.finish();
}

/// A poll that finds as many values as it may read, and reads them in place.
fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/read");
    for count in [1, 16, 64] {
        let limit = usize::try_from(count).expect("a small number");
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("single", count), |b| {
            let mut state = single();
            let fill = |(producer, cursor): &mut (SingleProducer<u64>, Cursor<u64, Single>)| {
                drain(cursor);
                (0..LAP).for_each(|value| _ = producer.publish(value).expect("room"));
            };
            fill(&mut state);
            b.iter_custom(|iters| {
                let operation = |(_, cursor): &mut (_, Cursor<u64, Single>)| {
                    let polled = cursor.poll(black_box(limit), |_, value| _ = black_box(*value));
                    debug_assert_eq!(polled, limit);
                };
                laps::timed(iters, LAP / count, &mut state, operation, fill)
            });
        });
        group.bench_function(BenchmarkId::new("multi", count), |b| {
            let mut state = multi();
            let fill = |(ring, cursor): &mut (Ring<u64, Multi>, Cursor<u64, Multi>)| {
                drain(cursor);
                (0..LAP).for_each(|value| _ = ring.publish(value).expect("room"));
            };
            fill(&mut state);
            b.iter_custom(|iters| {
                let operation = |(_, cursor): &mut (_, Cursor<u64, Multi>)| {
                    let polled = cursor.poll(black_box(limit), |_, value| _ = black_box(*value));
                    debug_assert_eq!(polled, limit);
                };
                laps::timed(iters, LAP / count, &mut state, operation, fill)
            });
        });
    }
    group.finish();
}

fn drain<S: ringmain_ring::Sequencer>(cursor: &mut Cursor<u64, S>) {
    while cursor.poll(SLOTS, |_, _| {}) > 0 {}
}
