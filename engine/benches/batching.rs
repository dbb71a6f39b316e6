//! Batching: to close a batch, to flush one, and what ordering keys add.
//!
//! There is no timer on the publish path, hence no timer to measure. A batch closes within the `enqueue` that fills it,
//! so that is what `close_on_*` times: one call, which stages the last message, claims for all of them and publishes
//! them. The others are staged beforehand, untimed, by a publisher that is new and has its lane to itself, so that the last
//! one's buffer is allocated there and then.
//! `flush` times the call alone; `keys` and `mixed` time a hundred `enqueue` calls with the `flush` behind them.

mod busy;

use busy::{Busy, message};
use criterion::measurement::{Measurement, WallTime};
use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, Throughput};
use ringmain::Message;
use std::hint::black_box;
use std::time::Duration;

/// Batches prepared together. All of them fit onto the ring.
const LAP: BatchSize = BatchSize::NumIterations(64);
const KB: usize = 1 << 10;
/// More than any batch here has.
const MANY: usize = 1_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    close(&mut criterion);
    flush(&mut criterion);
    keys(&mut criterion);
    mixed(&mut criterion);
    criterion.final_summary();
}

/// The `enqueue` that fills a batch, by messages and by bytes.
fn close(c: &mut Criterion) {
    let mut group = c.benchmark_group("batching/close_on_messages");
    for count in [10, 100] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            let mut busy = Busy::new(count, 1 << 20);
            b.iter_batched(
                || (busy.staged((1..count).map(|_| message(64))), message(64)),
                |(publisher, last)| (publisher.enqueue(last), publisher),
                LAP,
            );
        });
    }
    group.finish();
    let mut group = c.benchmark_group("batching/close_on_kilobytes");
    for kilobytes in [10, 100] {
        group.throughput(Throughput::Elements(kilobytes as u64));
        group.bench_function(BenchmarkId::from_parameter(kilobytes), |b| {
            let mut busy = Busy::new(MANY, kilobytes * KB);
            b.iter_batched(
                || (busy.staged((1..kilobytes).map(|_| message(KB))), message(KB)),
                |(publisher, last)| (publisher.enqueue(last), publisher),
                LAP,
            );
        });
    }
    group.finish();
}

/// `flush` of what is staged, and of nothing.
fn flush(c: &mut Criterion) {
    let mut group = c.benchmark_group("batching/flush");
    for count in [0, 10, 100] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            let mut busy = Busy::new(MANY, 1 << 20);
            b.iter_batched_ref(
                || busy.staged((0..count).map(|_| message(64))),
                |publisher| black_box(publisher).flush(),
                LAP,
            );
        });
    }
    group.finish();
}

/// A hundred messages of so many ordering keys in turn.
fn keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("batching/enqueue_100_and_flush");
    group.throughput(Throughput::Elements(100));
    for keys in [0, 1, 4, 10] {
        let keyed = |index: usize| match keys {
            0 => message(64),
            _ => message(64).ordering_key(format!("key-{}", index % keys)),
        };
        group.bench_function(BenchmarkId::new("keys", keys), |b| enqueue_and_flush(b, keyed));
    }
    group.finish();
}

/// A hundred messages, some with a key, some with attributes, some of 10 KB.
fn mixed(c: &mut Criterion) {
    let mut group = c.benchmark_group("batching/enqueue_100_and_flush");
    group.throughput(Throughput::Elements(100));
    let mix = |index: usize| match index % 4 {
        0 => message(64),
        1 => message(KB).ordering_key(format!("key-{}", index % 3)),
        2 => message(64).attribute("region", "eu"),
        _ => message(10 * KB),
    };
    group.bench_function("mixed", |b| enqueue_and_flush(b, mix));
    group.finish();
}

/// The messages are made beforehand. The publisher is the same throughout, so that it has buffers to use again.
fn enqueue_and_flush(b: &mut Bencher<'_>, make: impl Fn(usize) -> Message) {
    let mut busy = Busy::new(MANY, 1 << 20);
    let mut messages = Vec::new();
    b.iter_custom(|iters| {
        let mut total = Duration::ZERO;
        for _ in 0..iters {
            messages.extend((0..100).map(&make));
            let publisher = busy.publisher();
            let start = WallTime.start();
            for message in messages.drain(..) {
                drop(black_box(publisher.enqueue(message)));
            }
            black_box(publisher.flush()).expect("room");
            total += WallTime.end(start);
        }
        total
    });
}
