//! Ordering keys: what belongs together stays in order, whoever handles it and whatever fails.
//!
//! ```sh
//! cargo run --example ordered_keys
//! ```
//!
//! Entries carry the name of their account as their ordering key, so an account's next entry is delivered when the one
//! before is acked, and not earlier. First by hand; then three workers book at once, and every seventh booking fails the
//! first time.

use ringmain::{Close, Delivery, Engine, Message, Publisher, Subscription, SubscriptionConfig, TopicConfig};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const ACCOUNTS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const ENTRIES: u64 = 700;

type Failure = Box<dyn Error + Send + Sync>;

/// The entries of each account, in the order in which they were booked. One lock is enough for an example.
type Ledger = Mutex<BTreeMap<String, Vec<u64>>>;

fn main() -> Result<(), Failure> {
    let engine = Engine::new();
    let entries = engine.create_topic("entries", TopicConfig::default())?;
    let bookings =
        entries.create_subscription("bookings", SubscriptionConfig::default().message_ordering())?;
    let publisher = entries.publisher(); // order is promised to what one thread publishes
    by_hand(&publisher, &bookings)?;

    let ledger = Ledger::default();
    let failed = thread::scope(|scope| -> Result<u64, Failure> {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(|| book(&bookings, &ledger))).collect();
        for entry in 0..ENTRIES {
            ACCOUNTS.iter().try_for_each(|account| publish(&publisher, account, entry))?;
        }
        engine.close(Close::Drain(Duration::from_secs(30)));
        workers.into_iter().map(|worker| worker.join().expect("a worker that does not panic")).sum()
    })?;

    let ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(ledger.len(), ACCOUNTS.len());
    for (account, booked) in &ledger {
        println!("{account}: {} entries booked", booked.len());
        assert!(booked.iter().copied().eq(0..ENTRIES), "each entry once, and in order");
    }
    assert_eq!(failed, ENTRIES.div_ceil(7) * ACCOUNTS.len() as u64);
    println!("{failed} bookings failed at first, and no account's entries went out of order");
    Ok(())
}

/// Who waits for whom.
fn by_hand(publisher: &Publisher, bookings: &Subscription) -> Result<(), Failure> {
    for (account, entry) in [("alice", 1), ("alice", 2), ("bob", 1)] {
        publish(publisher, account, entry)?;
    }
    let next = || -> Result<Delivery, Failure> { Ok(bookings.try_recv()?.ok_or("an entry is due")?) };
    let first = next()?;
    assert_eq!(of(&first)?, ("alice", 1));
    let other = next()?;
    assert_eq!(of(&other)?, ("bob", 1), "alice's second entry waits for her first, and bob does not");
    first.nack()?;
    let again = next()?;
    assert_eq!(of(&again)?, ("alice", 1), "a redelivery keeps its place");
    assert!(bookings.try_recv()?.is_none());
    again.ack()?;
    let second = next()?;
    assert_eq!(of(&second)?, ("alice", 2));
    println!("by hand: alice 1, bob 1, alice 1 again, and then alice 2");
    second.ack()?;
    Ok(other.ack()?)
}

fn publish(publisher: &Publisher, account: &str, entry: u64) -> Result<(), Failure> {
    publisher.publish(Message::new(entry.to_le_bytes().to_vec()).ordering_key(account))?;
    Ok(())
}

/// An entry's account and number.
fn of(delivery: &Delivery) -> Result<(&str, u64), Failure> {
    let account = delivery.ordering_key().ok_or("an entry of no account")?;
    Ok((account, u64::from_le_bytes(delivery.data().try_into()?)))
}

/// Books until there will be no more. Returns how many bookings failed.
fn book(bookings: &Subscription, ledger: &Ledger) -> Result<u64, Failure> {
    let mut failed = 0;
    for delivery in bookings.iter() {
        let delivery = delivery?;
        let (account, entry) = of(&delivery)?;
        if entry.is_multiple_of(7) && delivery.delivery_attempt() == 1 {
            failed += 1;
            delivery.nack()?;
            continue;
        }
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.entry(account.to_owned()).or_default().push(entry);
        drop(ledger);
        delivery.ack()?; // from here on, any worker may get the account's next entry
    }
    Ok(failed)
}
