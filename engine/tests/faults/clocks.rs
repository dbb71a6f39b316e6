//! Time that jumps, and threads that get none: deadlines are counted on the engine's clock alone, and waiting costs no
//! progress when there are more threads than CPUs.

use super::common::failing::DEADLINE;
use super::common::{assert_balanced, message, number, receive_all, single, subscribe};
use ringmain::{AckError, Engine, SubscriptionConfig, TopicConfig, WaitStrategy};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

/// As far as a lease's deadline can be told to be over: its ticks go round every 52 days.
const JUMP: Duration = Duration::from_secs(25 * 86_400);
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// As after a suspend: everything is late at once, expires once, and comes once.
#[test]
fn after_a_jump_every_lease_expires_once_and_time_goes_on() {
    let (engine, clock, publisher, subscription) = single(64);
    for jump in 1..=3 {
        (0..50).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
        let late = subscription.pull(99).expect("not closed");
        clock.advance(JUMP);
        engine.tick();
        engine.tick();
        let stats = subscription.stats();
        assert_eq!((stats.expired, stats.outstanding, stats.held), (50 * jump, 0, 50));
        late.into_iter().for_each(|delivery| assert_eq!(delivery.ack(), Err(AckError::Expired)));
        let again = subscription.pull(99).expect("not closed");
        let mut numbers: Vec<_> = again.iter().map(|one| number(one.data())).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        // A deadline after the jump is as long as one before it.
        clock.advance(DEADLINE - Duration::from_millis(10));
        again.into_iter().for_each(|delivery| delivery.ack().expect("in time"));
        assert_balanced(&subscription);
    }
}

#[test]
fn a_backoff_is_over_after_a_jump_and_a_close_with_it_counts_what_is_left() {
    let (engine, clock, publisher, _) = single(8);
    let config = SubscriptionConfig::default().retry(Duration::from_secs(600), Duration::from_secs(600));
    let subscription = publisher.topic().create_subscription("second", config).expect("a new name");
    (0..4).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    drop(subscription.pull(4).expect("not closed"));
    assert!(subscription.try_recv().expect("not closed").is_none());
    clock.advance(CENTURY);
    let two = subscription.pull(2).expect("not closed");
    let report = engine.close(ringmain::Close::Now);
    assert_eq!(report.unacked, 4);
    drop(two);
    assert_balanced(&subscription);
}

/// At the end of time it stands still, and deadlines and backoffs that would end later are no trouble.
#[test]
fn a_clock_that_is_advanced_too_far_stops_and_does_not_go_back() {
    let (_engine, clock, publisher, _) = single(8);
    let config = SubscriptionConfig::default().retry(Duration::from_secs(600), Duration::from_secs(600));
    let subscription = publisher.topic().create_subscription("second", config).expect("a new name");
    let receive = || {
        publisher.publish(message(0)).expect("room");
        let delivery = subscription.recv().expect("not closed");
        delivery.modify_ack_deadline(Duration::from_secs(600)).expect("in time");
        delivery
    };
    let times = [Duration::ZERO, CENTURY, Duration::MAX, Duration::MAX].map(|by| {
        clock.advance(by);
        let delivery = receive();
        let time = delivery.publish_time();
        delivery.ack().expect("in time");
        time
    });
    assert!(times.is_sorted() && times[1] < times[2] && times[2] == times[3], "{times:?}");
    receive().nack().expect("in time");
    assert_eq!(subscription.stats().held, 1);
    assert_balanced(&subscription);
}

/// How long this process has run on any CPU, however busy the machine is with others: where that can be known.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything, the 12th and 13th: user and system time, in hundredths of a second.
    let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
    let hundredths: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

/// Sixteen threads on one CPU, half of them waiting for the other half at any time, under each wait strategy. Were
/// waiting to spin without end, each message would cost the others' time slices: half a minute, not two seconds.
#[test]
fn sixteen_threads_on_one_cpu_get_everything_done() {
    const EACH: u64 = 200;
    /// Of CPU time, with what the tests beside this one take.
    const MOST: Duration = Duration::from_secs(6);
    let Some(cpu) = core_affinity::get_core_ids().and_then(|cpus| cpus.first().copied()) else { return };
    let before = cpu_time();
    for wait in [WaitStrategy::Park, WaitStrategy::SpinThenPark, WaitStrategy::Spin] {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(8).wait(wait);
        let topic = engine.create_topic("topic", config).expect("a new topic");
        let subscriptions: Vec<_> = (0..8).map(|index| subscribe(&topic, &format!("sub-{index}"))).collect();
        let start = Barrier::new(16);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert!(core_affinity::set_for_current(cpu), "a thread may be pinned");
                    let publisher = topic.publisher();
                    start.wait();
                    (0..EACH).for_each(|number| _ = publisher.publish(message(number)).expect("not closed"));
                });
            }
            for subscription in &subscriptions {
                let start = &start;
                scope.spawn(move || {
                    assert!(core_affinity::set_for_current(cpu), "a thread may be pinned");
                    start.wait();
                    for _ in 0..8 * EACH {
                        subscription.recv().expect("not closed").ack().expect("in time");
                    }
                });
            }
        });
        for subscription in &subscriptions {
            assert!(receive_all(subscription).is_empty());
            assert_balanced(subscription);
        }
    }
    if let (Some(before), Some(after)) = (before, cpu_time()) {
        assert!(after - before < MOST, "{:?} of CPU time", after - before);
    }
}
