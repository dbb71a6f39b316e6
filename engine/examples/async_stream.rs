//! Async: a subscription as a stream, a receipt as a future, on whichever executor there is.
//!
//! ```sh
//! cargo run --example async_stream
//! ```
//!
//! The engine names no runtime; whoever waits is woken through the waker that it polled with. The same function runs
//! on the small executor of the `futures` crates and on a current-thread `tokio` runtime, both at once, while this
//! thread publishes. Then two tasks compete for one subscription.

use futures_util::StreamExt;
use ringmain::{Engine, Message, Subscription, SubscriptionConfig, TopicConfig};
use std::error::Error;
use std::thread;

const READINGS: u64 = 10_000;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let engine = Engine::new();
    let sensor = engine.create_topic("sensor", TopicConfig::default())?;
    let on_futures = sensor.create_subscription("on-futures", SubscriptionConfig::default())?;
    let on_tokio = sensor.create_subscription("on-tokio", SubscriptionConfig::default())?;

    let sums = thread::scope(|scope| -> Result<_, Failure> {
        let futures = scope.spawn(|| futures_executor::block_on(sum(on_futures)));
        let tokio = scope.spawn(|| runtime()?.block_on(sum(on_tokio)));
        let publisher = sensor.publisher();
        for reading in 0..READINGS {
            publisher.publish_slice(&reading.to_le_bytes())?;
        }
        engine.delete_topic("sensor")?; // what is there is still delivered, and then the streams end
        Ok([futures, tokio].map(|executor| executor.join().expect("an executor that does not panic")))
    })?;
    for (sum, executor) in sums.into_iter().zip(["futures-executor", "tokio"]) {
        let sum = sum?;
        println!("{executor}: {} readings, sum {}", sum.0, sum.1);
        assert_eq!(sum, (READINGS, (0..READINGS).sum()));
    }

    let (one, other) = runtime()?.block_on(competing(&engine))?;
    println!("two tasks, one subscription: {one} and {other} orders");
    assert_eq!(one + other, 100);
    assert!(one > 0 && other > 0);
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().build()
}

/// How many readings there are, and their sum.
async fn sum(readings: Subscription) -> Result<(u64, u64), Failure> {
    let mut stream = readings.stream();
    let (mut count, mut sum) = (0, 0);
    while let Some(delivery) = stream.next().await {
        let delivery = delivery?; // a gap, if the subscription's overflow policy were to lose messages
        count += 1;
        sum += u64::from_le_bytes(delivery.data().try_into()?);
        delivery.ack()?;
    }
    Ok((count, sum))
}

/// Two tasks on one thread, and a publisher that does not wait for its messages to be readable.
async fn competing(engine: &Engine) -> Result<(usize, usize), Failure> {
    let orders = engine.create_topic("orders", TopicConfig::default())?;
    let packing = orders.create_subscription("packing", SubscriptionConfig::default())?;
    let (one, other) = (tokio::spawn(pack(packing.clone())), tokio::spawn(pack(packing)));

    let publisher = orders.publisher();
    let receipts: Result<Vec<_>, _> = (0..100).map(|_| publisher.enqueue(Message::new("an order"))).collect();
    for (receipt, number) in receipts?.into_iter().zip(0..) {
        assert_eq!(receipt.await?.get(), number, "a receipt resolves to the message's id");
    }
    engine.delete_topic("orders")?;
    Ok((one.await??, other.await??))
}

async fn pack(packing: Subscription) -> Result<usize, Failure> {
    let mut stream = packing.stream();
    let mut count = 0;
    while let Some(delivery) = stream.next().await {
        delivery?.ack()?;
        count += 1;
        tokio::task::yield_now().await; // the other's turn
    }
    Ok(count)
}
