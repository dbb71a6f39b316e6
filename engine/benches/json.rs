//! Messages to and from JSON, by the engine's feature `serde` and `serde_json`: attributes alone, and whole messages with
//! their data in base64, at 1 and 10 KB.
//!
//! Written into a buffer that is there already; read into a new message, since there is no other way, whose drop is not
//! timed.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use ringmain::Message;
use std::hint::black_box;

const KB: usize = 1 << 10;
const ATTRIBUTES: usize = 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for kilobytes in [1, 10] {
        // Ten attributes of a tenth each, key and value together; values may have 1,024 bytes.
        let each = kilobytes * KB / ATTRIBUTES;
        let attributes = (0..ATTRIBUTES).fold(Message::new(""), |message, index| {
            let key = format!("attribute-{index}");
            let value = "v".repeat(each - key.len());
            message.attribute(key, value)
        });
        bench(&mut criterion, "json/attributes", kilobytes, &attributes);
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(kilobytes * KB).collect();
        let whole = Message::new(data).attribute("region", "eu").ordering_key("user-42");
        bench(&mut criterion, "json/message", kilobytes, &whole);
    }
    criterion.final_summary();
}

fn bench(c: &mut Criterion, name: &str, kilobytes: usize, message: &Message) {
    let text = serde_json::to_vec(message).expect("a message can be written");
    let read: Message = serde_json::from_slice(&text).expect("and read");
    assert_eq!(read, *message, "it is the same message");
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes((kilobytes * KB) as u64));
    group.bench_function(BenchmarkId::new("write", kilobytes), |b| {
        let mut buffer = Vec::with_capacity(text.len());
        b.iter(|| {
            buffer.clear();
            serde_json::to_writer(&mut buffer, black_box(message)).expect("a message can be written");
            black_box(&buffer).len()
        });
    });
    group.bench_function(BenchmarkId::new("read", kilobytes), |b| {
        let read = |()| serde_json::from_slice::<Message>(black_box(&text)).expect("a message");
        // Few at a time, so that memory is used again.
        b.iter_batched(|| (), read, BatchSize::NumIterations(8));
    });
    group.finish();
}
