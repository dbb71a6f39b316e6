//! In place, on pinned threads: the fast way to receive, with a CPU for the publisher and one for the dispatcher.
//!
//! ```sh
//! cargo run --release --example in_place_pinned_threads
//! ```
//!
//! The handler gets a reference into the ring: no copy, no allocation, no reference count. The publisher writes into
//! buffers that come back from the ring. With one CPU only, both threads share it, and all is as before, but slower;
//! where pinning is not allowed, the system places them. (For figures there is the load harness.)

use core_affinity::CoreId;
use ringmain::{
    Dispatcher, Engine, Publisher, SubscriptionConfig, Topic, TopicConfig, Verdict, WaitStrategy,
};
use std::error::Error;
use std::sync::mpsc::{Sender, channel};
use std::thread;

const MESSAGES: u64 = 100_000;
const BYTES: usize = 1024;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let engine = Engine::new();
    // Asked before any thread is pinned: a pinned thread is told of its own CPU only.
    let cpus = core_affinity::get_core_ids().unwrap_or_default();
    // `Spin` has the lowest latency and wants a CPU for each waiter; the default spins for a moment and then sleeps.
    let wait = if cpus.len() > 2 { WaitStrategy::Spin } else { WaitStrategy::default() };
    println!("{} CPUs to choose from, so wait by {wait:?}", cpus.len());
    let ticks = engine.create_topic("ticks", TopicConfig::default().wait(wait))?;

    let (result, results) = channel();
    let mut dispatcher = serve(&ticks, result)?;
    let publisher = ticks.publisher();
    let (first, last) = (cpus.first().copied(), cpus.last().copied());
    let consuming = thread::spawn(move || {
        let place = pin(last);
        dispatcher.run(); // until the topic is deleted and everything handled
        place
    });
    let publishing = thread::spawn(move || {
        let place = pin(first);
        publish(&publisher).map(|()| place)
    });

    let publisher = publishing.join().expect("a publisher that does not panic")?;
    engine.delete_topic("ticks")?;
    let dispatcher = consuming.join().expect("handlers that panic do not end the dispatcher");
    println!("publisher {publisher}, dispatcher {dispatcher}");

    let results: Vec<_> = results.iter().collect();
    for (name, count, sum) in &results {
        println!("{name}: {count} messages of {BYTES} bytes, sum {sum}");
        assert_eq!((*count, *sum), (MESSAGES, (0..MESSAGES).sum()));
    }
    assert_eq!(results.len(), 2, "each subscription got every message, and whole");
    Ok(())
}

/// A dispatcher of two subscriptions, each of which says so when it has handled every message.
fn serve(ticks: &Topic, result: Sender<(&'static str, u64, u64)>) -> Result<Dispatcher, Failure> {
    let mut dispatcher = Dispatcher::new();
    for name in ["charts", "alarms"] {
        let subscription = ticks.create_subscription(name, SubscriptionConfig::default())?;
        let (result, mut count, mut sum) = (result.clone(), 0_u64, 0_u64);
        dispatcher = dispatcher.add(&subscription, move |message| {
            let (number, rest) = message.data().split_at(8);
            let number = number.try_into().map_or(0, u64::from_le_bytes);
            if rest.iter().all(|byte| *byte == number.to_le_bytes()[0]) {
                (count, sum) = (count + 1, sum + number); // it arrived whole
            }
            if count == MESSAGES {
                result.send((name, count, sum)).expect("somebody waits for the result");
            }
            Verdict::Ack
        });
    }
    Ok(dispatcher)
}

/// Publishes numbers, each repeated over a whole message.
fn publish(publisher: &Publisher) -> Result<(), Failure> {
    for number in 0..MESSAGES {
        publisher.publish_with(BYTES, |buffer| {
            let number = number.to_le_bytes();
            buffer[..8].copy_from_slice(&number);
            buffer[8..].fill(number[0]);
        })?;
    }
    Ok(())
}

/// Pins the calling thread. Says where it is: pinning is a wish, and containers may refuse it.
fn pin(cpu: Option<CoreId>) -> String {
    match cpu {
        Some(cpu) if core_affinity::set_for_current(cpu) => format!("on CPU {}", cpu.id),
        Some(cpu) => format!("not pinned, since CPU {} was refused", cpu.id),
        None => "not pinned, since the CPUs are not known".to_owned(),
    }
}
