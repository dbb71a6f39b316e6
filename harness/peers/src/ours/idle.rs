//! What an idle topic costs: 50 subscriptions wait for messages that do not come.
//!
//! They wait in each way that there is: a thread each in `recv`, one dispatcher for all, a task each on a stream.
//! A message goes before and one behind, both of which everybody must have got, so that those who were measured
//! were there. In between, once the waiting has settled, the CPU time of the whole process is taken; this thread
//! sleeps.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_core::Stream;
use ringmain::{Close, Dispatcher, Engine, Message, Subscription, SubscriptionConfig, TopicConfig, Verdict};
use rustix::time::{ClockId, clock_gettime};

use crate::measure::Bench;

const WAITING: usize = 50;
/// Spinning before parking, and whatever else has an end, is over by then.
const SETTLED: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);
const QUICK: Duration = Duration::from_secs(1);
/// How long a message may be on its way to the last of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a sample takes, but for what starts and ends it.
#[cfg(test)]
pub(crate) fn takes(quick: bool) -> Duration {
    SETTLED + measured(quick)
}

fn measured(quick: bool) -> Duration {
    if quick { QUICK } else { MEASURED }
}

/// Counts deliveries, over all subscriptions.
type Count = Arc<AtomicUsize>;
/// Starts whoever waits on these subscriptions; they end with the engine.
type Start = fn(Vec<Subscription>, Count) -> Vec<JoinHandle<()>>;

/// A thread for every subscription, in `recv`.
pub(crate) fn threads(bench: &Bench) -> Result<f64, String> {
    let start: Start = |subscriptions, count| {
        let waiter = |subscription: Subscription| {
            let count = count.clone();
            std::thread::spawn(move || {
                while let Ok(delivery) = subscription.recv() {
                    // Whether it counts is what the count says.
                    count.fetch_add(usize::from(delivery.ack().is_ok()), Relaxed);
                }
            })
        };
        subscriptions.into_iter().map(waiter).collect()
    };
    share(bench, start)
}

/// One thread with a dispatcher for all of them.
pub(crate) fn dispatcher(bench: &Bench) -> Result<f64, String> {
    let start: Start = |subscriptions, count| {
        let mut dispatcher = Dispatcher::new();
        for subscription in &subscriptions {
            let count = count.clone();
            dispatcher = dispatcher.add(subscription, move |_| {
                count.fetch_add(1, Relaxed);
                Verdict::Ack
            });
        }
        vec![std::thread::spawn(move || dispatcher.run())]
    };
    share(bench, start)
}

/// A task for every subscription, on a stream; all on one thread.
pub(crate) fn streams(bench: &Bench) -> Result<f64, String> {
    let start: Start = |subscriptions, count| {
        let waiter = |subscription: Subscription| {
            let (mut stream, count) = (subscription.stream(), count.clone());
            async move {
                while let Some(Ok(delivery)) = poll_fn(|task| Pin::new(&mut stream).poll_next(task)).await {
                    count.fetch_add(usize::from(delivery.ack().is_ok()), Relaxed);
                }
            }
        };
        let waiters: Vec<_> = subscriptions.into_iter().map(waiter).collect();
        let all = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.expect("a runtime without drivers needs nothing from the system");
            let tasks: Vec<_> = waiters.into_iter().map(|waiter| runtime.spawn(waiter)).collect();
            runtime.block_on(async {
                for task in tasks {
                    task.await.expect("a waiter does not panic");
                }
            });
        };
        vec![std::thread::spawn(all)]
    };
    share(bench, start)
}

/// The share of one CPU, in percent, that the process takes while nothing happens.
fn share(bench: &Bench, start: Start) -> Result<f64, String> {
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default()).map_err(|error| error.to_string())?;
    let subscribe =
        |index| topic.create_subscription(&format!("subscription-{index}"), SubscriptionConfig::default());
    let subscriptions: Result<Vec<_>, _> = (0..WAITING).map(subscribe).collect();
    let count = Count::default();
    let waiters = start(subscriptions.map_err(|error| error.to_string())?, count.clone());
    let publisher = topic.publisher();
    let publish = |expected| {
        publisher.publish(Message::new(&b"to all"[..])).map_err(|error| error.to_string())?;
        let (from, most) = (bench.ticker.now(), PATIENCE.as_nanos());
        while count.load(Relaxed) < expected {
            if u128::from(bench.ticker.nanos(from, bench.ticker.now())) > most {
                return Err(format!("{} deliveries of {expected} were made", count.load(Relaxed)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    publish(WAITING)?;
    std::thread::sleep(SETTLED);
    let (wall, cpu) = (bench.ticker.now(), cpu_nanos());
    std::thread::sleep(measured(bench.plan.quick));
    let (cpu, wall) = (cpu_nanos() - cpu, bench.ticker.nanos(wall, bench.ticker.now()));
    publish(2 * WAITING)?;
    engine.close(Close::Drain(PATIENCE));
    for waiter in waiters {
        waiter.join().map_err(|_| "a waiter panicked")?;
    }
    match count.load(Relaxed) {
        exact if exact == 2 * WAITING => Ok(cpu as f64 * 100.0 / wall as f64),
        other => Err(format!("{other} deliveries were made and {} should have been", 2 * WAITING)),
    }
}

/// Nanoseconds of CPU time that this process has used, on all CPUs.
#[expect(clippy::cast_sign_loss, reason = "time used is not negative")]
fn cpu_nanos() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_cpu_time() {
        let before = cpu_nanos();
        let mut sum = 0_u64;
        while cpu_nanos() - before < 20_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        let worked = cpu_nanos();
        assert!(sum > 0 && worked - before >= 20_000_000);
    }
}
