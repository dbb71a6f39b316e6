//! Ack, nack and moving the deadline, of 1, 10 and 100 deliveries: by the delivery, and by its ack id.
//!
//! Publishing and pulling come before, untimed; a delivery's own drop after, where it is not part of the call (an ack takes
//! the delivery, and frees the message). The `again` group times the second of two verdicts, the one that comes too
//! late and is told so.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use ringmain::{AckError, AckId, Delivery, Engine, Publisher, Subscription, SubscriptionConfig, TopicConfig};
use std::hint::black_box;
use std::time::Duration;

/// Inputs prepared together.
const LAP: BatchSize = BatchSize::NumIterations(32);
const COUNTS: [usize; 3] = [1, 10, 100];
const DEADLINE: Duration = Duration::from_secs(600);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    by_delivery(&mut criterion);
    by_ack_id(&mut criterion);
    again(&mut criterion);
    criterion.final_summary();
}

struct Leases {
    publisher: Publisher,
    subscription: Subscription,
    // The topic lives as long as the engine.
    _engine: Engine,
}

impl Leases {
    fn new() -> Self {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default()).expect("a good configuration");
        let config = SubscriptionConfig::default().ack_deadline(DEADLINE).max_outstanding_messages(10_000);
        let subscription = topic.create_subscription("subscription", config).expect("a good configuration");
        Self { publisher: topic.publisher(), subscription, _engine: engine }
    }

    /// So many deliveries, of what was nacked before or else of new messages.
    fn deliveries(&self, count: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(count);
        while deliveries.len() < count {
            let missing = count - deliveries.len();
            if self.subscription.pull_into(missing, &mut deliveries).expect("nothing is closed") == 0 {
                (0..missing).for_each(|_| _ = self.publisher.publish_slice(&[7; 64]).expect("room"));
            }
        }
        deliveries
    }

    fn ack_ids(&self, count: usize) -> Vec<AckId> {
        self.deliveries(count).into_iter().map(Delivery::into_ack_id).collect()
    }
}

fn by_delivery(c: &mut Criterion) {
    let mut group = c.benchmark_group("settling/by_delivery");
    for count in COUNTS {
        let leases = Leases::new();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("ack", count), |b| {
            let ack = |deliveries: &mut Vec<Delivery>| {
                deliveries.drain(..).for_each(|delivery| black_box(delivery.ack()).expect("in time"));
            };
            b.iter_batched_ref(|| leases.deliveries(count), ack, LAP);
        });
        group.bench_function(BenchmarkId::new("ack_all", count), |b| {
            let ack_all = |deliveries: &mut Vec<Delivery>| {
                black_box(Delivery::ack_all(deliveries)).expect("in time");
            };
            b.iter_batched_ref(|| leases.deliveries(count), ack_all, LAP);
        });
        group.bench_function(BenchmarkId::new("nack", count), |b| {
            let nack = |deliveries: &mut Vec<Delivery>| {
                deliveries.drain(..).for_each(|delivery| black_box(delivery.nack()).expect("in time"));
            };
            b.iter_batched_ref(|| leases.deliveries(count), nack, LAP);
        });
        group.bench_function(BenchmarkId::new("modify_ack_deadline", count), |b| {
            let modify = |deliveries: &mut Vec<Delivery>| {
                for delivery in deliveries {
                    black_box(delivery.modify_ack_deadline(black_box(DEADLINE))).expect("in time");
                }
            };
            b.iter_batched_ref(|| leases.deliveries(count), modify, LAP);
        });
    }
    group.finish();
}

fn by_ack_id(c: &mut Criterion) {
    let mut group = c.benchmark_group("settling/by_ack_id");
    for count in COUNTS {
        let leases = Leases::new();
        let subscription = &leases.subscription;
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("ack", count), |b| {
            let ack = |ids: &mut Vec<AckId>| {
                ids.iter().for_each(|id| black_box(subscription.ack(*id)).expect("in time"));
            };
            b.iter_batched_ref(|| leases.ack_ids(count), ack, LAP);
        });
        group.bench_function(BenchmarkId::new("ack_all", count), |b| {
            let ack_all = |ids: &mut Vec<AckId>| {
                black_box(subscription.ack_all(ids)).expect("in time");
            };
            b.iter_batched_ref(|| leases.ack_ids(count), ack_all, LAP);
        });
        group.bench_function(BenchmarkId::new("nack", count), |b| {
            let nack = |ids: &mut Vec<AckId>| {
                ids.iter().for_each(|id| black_box(subscription.nack(*id)).expect("in time"));
            };
            b.iter_batched_ref(|| leases.ack_ids(count), nack, LAP);
        });
        group.bench_function(BenchmarkId::new("modify_ack_deadline", count), |b| {
            let modify = |ids: &mut Vec<AckId>| {
                for id in ids {
                    black_box(subscription.modify_ack_deadline(*id, black_box(DEADLINE))).expect("in time");
                }
            };
            // The deliveries are kept beside their ids: once dropped they are nacked, and their leases end.
            let held = || {
                let deliveries = leases.deliveries(count);
                let ids: Vec<AckId> = deliveries.iter().map(Delivery::ack_id).collect();
                (deliveries, ids)
            };
            b.iter_batched_ref(held, |(_, ids)| modify(ids), LAP);
        });
    }
    group.finish();
}

/// The second of two verdicts on one delivery.
fn again(c: &mut Criterion) {
    let mut group = c.benchmark_group("settling/again");
    let leases = Leases::new();
    let subscription = &leases.subscription;
    let one = || leases.ack_ids(1)[0];
    let acked = || {
        let id = one();
        subscription.ack(id).expect("in time");
        id
    };
    let nacked = || {
        let id = one();
        subscription.nack(id).expect("in time");
        id
    };
    assert_eq!(subscription.ack(acked()), Err(AckError::Expired), "the second verdict does nothing");
    group.bench_function("ack_after_ack", |b| b.iter_batched(acked, |id| subscription.ack(id), LAP));
    group.bench_function("nack_after_ack", |b| b.iter_batched(acked, |id| subscription.nack(id), LAP));
    group.bench_function("ack_after_nack", |b| b.iter_batched(nacked, |id| subscription.ack(id), LAP));
    group.finish();
}
