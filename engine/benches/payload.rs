//! What a message costs before it comes near a ring: its payload, base64 for those who carry it as text, and the checks.
//!
//! The checks have no public call of their own: `publish` makes them, before it does anything else. They are timed
//! through a `publish` that is refused, since its error gives the message back: nothing is claimed, copied or freed. The
//! message is one byte of data too large, which is the last rule, so that all others have been checked by then. (Not that
//! of the ordering key: a refusal pauses the key, and that would be timed along.) `refused/no_attributes` is what that costs in itself; the others have their checks on top.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use ringmain::{Bytes, Engine, Invalid, Message, PublishError, TopicConfig};
use std::hint::black_box;

const KB: usize = 1 << 10;
/// Messages that exist at a time: few, so that memory is used again, and what is timed is the copy, not page faults. They
/// are dropped untimed.
const FEW: BatchSize = BatchSize::NumIterations(8);
/// The largest message.
const MOST: usize = 10 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    payload(&mut criterion);
    base64(&mut criterion);
    refused(&mut criterion);
    criterion.final_summary();
}

/// A message from bytes that are copied, from a zeroed buffer, and into a buffer of the ring's.
fn payload(c: &mut Criterion) {
    let mut group = c.benchmark_group("payload");
    for kilobytes in [1, 10] {
        let bytes = kilobytes * KB;
        let source = vec![7; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("message_from_slice", kilobytes), |b| {
            b.iter_batched(|| (), |()| Message::new(Bytes::copy_from_slice(black_box(&source))), FEW);
        });
        group.bench_function(BenchmarkId::new("message_from_zeroed", kilobytes), |b| {
            b.iter_batched(|| (), |()| Message::new(vec![0; black_box(bytes)]), FEW);
        });
        // Nobody subscribes, so that nothing is stored and no reader is needed: the copy, and an id.
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default()).expect("a good configuration");
        let publisher = topic.publisher();
        group.bench_function(BenchmarkId::new("publish_slice_unstored", kilobytes), |b| {
            b.iter(|| publisher.publish_slice(black_box(&source)));
        });
        group.bench_function(BenchmarkId::new("publish_with_zeroes_unstored", kilobytes), |b| {
            b.iter(|| publisher.publish_with(black_box(bytes), |buffer| buffer.fill(0)));
        });
    }
    group.finish();
}

fn base64(c: &mut Criterion) {
    let mut group = c.benchmark_group("base64");
    for kilobytes in [1, 10, 100] {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(kilobytes * KB).collect();
        let text = BASE64_STANDARD.encode(&data);
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(BenchmarkId::new("encode", kilobytes), |b| {
            let mut text = vec![0; text.len()];
            b.iter(|| BASE64_STANDARD.encode_slice(black_box(&data), black_box(&mut text)));
        });
        group.bench_function(BenchmarkId::new("decode", kilobytes), |b| {
            // The decoder writes whole blocks of three bytes.
            let mut data = vec![0; data.len() + 3];
            b.iter(|| BASE64_STANDARD.decode_slice(black_box(&text), black_box(&mut data)));
        });
    }
    group.finish();
}

/// The checks, by a publish that is refused.
fn refused(c: &mut Criterion) {
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default()).expect("a good configuration");
    let publisher = topic.publisher();
    let large = Bytes::from(vec![7; MOST + 1]);
    let message = || Message::new(large.clone());
    let attributes = |count: usize| {
        (0..count).fold(message(), |message, index| message.attribute(format!("key-{index}"), "value"))
    };
    let mut group = c.benchmark_group("refused");
    for (name, message) in [
        ("no_attributes", message()),
        ("key_of_256_bytes", message().attribute("k".repeat(256), "")),
        ("value_of_1024_bytes", message().attribute("k", "v".repeat(1_024))),
        ("10_attributes", attributes(10)),
        ("100_attributes", attributes(100)),
    ] {
        group.bench_function(name, |b| {
            let mut message = Some(message.clone());
            b.iter(|| {
                let refused = publisher.publish(black_box(message.take()).unwrap_or_default());
                message = Some(match refused {
                    Err(PublishError::Invalid { message, reason: Invalid::TooMuch { .. } }) => message,
                    other => panic!("{other:?}"),
                });
            });
        });
    }
    group.finish();
}
