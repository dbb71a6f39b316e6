//! Competing workers: several threads share one subscription, and each message goes to one of them.
//!
//! ```sh
//! cargo run --example competing_workers
//! ```
//!
//! One of the workers gives up in the middle of a job, as a thread does that panics: its delivery is dropped, that is a
//! nack, and another worker gets the message. In the end every job was done once.

use ringmain::{Close, Delivery, Engine, Message, Subscription, SubscriptionConfig, TopicConfig};
use std::collections::BTreeMap;
use std::error::Error;
use std::thread;
use std::time::Duration;

const WORKERS: usize = 4;
const JOBS: u64 = 10_000;

type Failure = Box<dyn Error + Send + Sync>;

/// Which jobs a worker did, and how often each had been delivered by then.
type Done = BTreeMap<u64, u32>;

fn main() -> Result<(), Failure> {
    let engine = Engine::new();
    let jobs = engine.create_topic("jobs", TopicConfig::default())?;
    let thumbnails = jobs.create_subscription("thumbnails", SubscriptionConfig::default())?;

    let done = thread::scope(|scope| -> Result<Vec<Done>, Failure> {
        // The first worker takes one job and fails; the others start when it is gone, so that it does get one.
        let publisher = jobs.publisher();
        publisher.publish_slice(&0_u64.to_le_bytes())?;
        scope.spawn(|| give_up(&thumbnails)).join().expect("it fails without a panic")?;
        assert_eq!(thumbnails.stats().nacked, 1);

        // A clone is a handle on the same subscription. (A subscription each would give every worker every job.)
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let thumbnails = thumbnails.clone();
                scope.spawn(move || work(&thumbnails))
            })
            .collect();
        for job in 1..JOBS {
            publisher.publish(Message::new(job.to_le_bytes().to_vec()))?;
        }
        // Refuses new jobs, waits until all are acked, and ends the workers' iterators.
        let report = engine.close(Close::Drain(Duration::from_secs(30)));
        assert_eq!((report.unread, report.unacked), (0, 0), "nothing was left");
        workers.into_iter().map(|worker| worker.join().expect("a worker that does not panic")).collect()
    })?;

    let mut all = Done::new();
    for (worker, done) in done.into_iter().enumerate() {
        println!("worker {worker} did {} jobs", done.len());
        for (job, attempt) in done {
            assert_eq!(all.insert(job, attempt), None, "job {job} was done twice");
        }
    }
    assert_eq!(all.len() as u64, JOBS, "every job was done");
    assert_eq!(all[&0], 2, "the dropped one at its second delivery");
    assert!(all.values().skip(1).all(|attempt| *attempt == 1), "the others at their first");
    println!("{JOBS} jobs, each done once; job 0 at the second attempt");
    Ok(())
}

/// Handles jobs until there will be no more.
fn work(thumbnails: &Subscription) -> Result<Done, Failure> {
    let mut done = Done::new();
    for delivery in thumbnails.iter() {
        let delivery = delivery?;
        done.insert(job(&delivery)?, delivery.delivery_attempt());
        delivery.ack()?; // late would be an error: then somebody else has the job by now
    }
    Ok(done)
}

/// A worker that takes a job and returns without an ack.
fn give_up(thumbnails: &Subscription) -> Result<(), Failure> {
    let delivery = thumbnails.recv()?;
    println!("a worker gives up on job {}", job(&delivery)?);
    Ok(())
}

fn job(delivery: &Delivery) -> Result<u64, Failure> {
    Ok(u64::from_le_bytes(delivery.data().try_into()?))
}
