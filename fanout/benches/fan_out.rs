//! Fan-out on one thread: what it costs to deliver a batch to 1, 10, 50 and 1,000 receivers, and to publish while they
//! are attached.
//!
//! A turn of the dispatcher delivers 256 messages to every receiver; the messages are published between turns,
//! untimed. Criterion's throughput counts deliveries, so it is the same figure at every number of receivers when a
//! delivery costs the same.

#[path = "../../ring/benches/laps/mod.rs"]
mod laps;

use criterion::{BenchmarkId, Criterion, Throughput};
use ringmain_fanout::{Channel, Dispatcher, Event};
use std::hint::black_box;

const SLOTS: usize = 4_096;
/// Messages in a turn: as many as a receiver gets in one.
const TURN: u64 = 256;
const RECEIVERS: [u64; 4] = [1, 10, 50, 1_000];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    deliver(&mut criterion);
    publish(&mut criterion);
    criterion.final_summary();
}

struct State {
    channel: Channel<u64>,
    dispatcher: Dispatcher<u64>,
}

impl State {
    fn new(receivers: u64) -> Self {
        let channel = Channel::new(SLOTS, || 0).expect("a power of two");
        let mut dispatcher = Dispatcher::new(&channel);
        for _ in 0..receivers {
            let read = |event: Event<'_, u64>| {
                if let Event::Batch(batch) = event {
                    batch.for_each(|_, value| _ = black_box(*value));
                }
            };
            dispatcher.add(channel.receiver(), read).expect("a receiver of this channel");
        }
        Self { channel, dispatcher }
    }

    fn fill(&mut self) {
        while self.dispatcher.poll() > 0 {}
        (0..TURN).for_each(|value| _ = self.channel.publish(value).expect("room"));
    }
}

/// A turn of the dispatcher.
fn deliver(c: &mut Criterion) {
    let mut group = c.benchmark_group("fanout/deliver_256");
    for receivers in RECEIVERS {
        group.throughput(Throughput::Elements(TURN * receivers));
        group.bench_function(BenchmarkId::from_parameter(receivers), |b| {
            let mut state = State::new(receivers);
            state.fill();
            b.iter_custom(|iters| {
                let turn = |state: &mut State| {
                    let delivered = black_box(state.dispatcher.poll()) as u64;
                    debug_assert_eq!(delivered, TURN * receivers);
                };
                laps::timed(iters, 1, &mut state, turn, State::fill)
            });
        });
    }
    group.finish();
}

/// One publish, with so many receivers attached and served by one dispatcher.
fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("fanout/publish");
    for receivers in RECEIVERS {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(receivers), |b| {
            let mut state = State::new(receivers);
            b.iter_custom(|iters| {
                let publish = |state: &mut State| {
                    black_box(state.channel.publish(black_box(7)).expect("room"));
                };
                let drain = |state: &mut State| while state.dispatcher.poll() > 0 {};
                laps::timed(iters, SLOTS as u64, &mut state, publish, drain)
            });
        });
    }
    group.finish();
}
