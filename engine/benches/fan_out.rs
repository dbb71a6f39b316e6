//! Fan-out through the engine, on one thread: what it costs to deliver in place, and acked, to 1, 10, 50 and 1,000
//! subscriptions of one topic.
//!
//! A turn of the dispatcher delivers 128 messages of 1 KB to every subscription; they are published between turns,
//! untimed. Handlers look at the length and say `Ack`. Criterion's throughput counts deliveries.

#[path = "../../ring/benches/laps/mod.rs"]
mod laps;

use criterion::{BenchmarkId, Criterion, Throughput};
use ringmain::{Dispatcher, Engine, Publisher, SubscriptionConfig, TopicConfig, Verdict};
use std::hint::black_box;

/// Messages in a turn: as many as a subscription gets in one.
const TURN: u64 = 128;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("engine/deliver_128");
    for subscriptions in [1, 10, 50, 1_000] {
        group.throughput(Throughput::Elements(TURN * subscriptions));
        group.bench_function(BenchmarkId::from_parameter(subscriptions), |b| {
            let mut state = State::new(subscriptions);
            state.fill();
            b.iter_custom(|iters| {
                let turn = |state: &mut State| {
                    let delivered = black_box(state.dispatcher.poll()) as u64;
                    debug_assert_eq!(delivered, TURN * subscriptions);
                };
                laps::timed(iters, 1, &mut state, turn, State::fill)
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

struct State {
    publisher: Publisher,
    dispatcher: Dispatcher,
    // The topic lives as long as the engine.
    _engine: Engine,
}

impl State {
    fn new(subscriptions: u64) -> Self {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default()).expect("a good configuration");
        let mut dispatcher = Dispatcher::new();
        for index in 0..subscriptions {
            let name = format!("subscription-{index}");
            let subscription = topic
                .create_subscription(&name, SubscriptionConfig::default())
                .expect("a good configuration");
            dispatcher = dispatcher.add(&subscription, |message| {
                black_box(message.data().len());
                Verdict::Ack
            });
        }
        Self { publisher: topic.publisher(), dispatcher, _engine: engine }
    }

    fn fill(&mut self) {
        while self.dispatcher.poll() > 0 {}
        (0..TURN).for_each(|_| _ = self.publisher.publish_slice(&[7; 1024]).expect("room"));
    }
}
