//! Testing your own deadline handling: an engine on a clock that your test moves.
//!
//! ```sh
//! cargo run --example clock_driven_test
//! ```
//!
//! `charge` is the code under test: a long job that renews its lease before each step, and stops when the lease is
//! lost, since somebody else may be at it by then. The two tests below take more than a minute of the engine's time,
//! and none of yours: nothing sleeps, and nothing depends on how busy the machine is.

use ringmain::{
    AckError, Delivery, Engine, ManualClock, Message, Subscription, SubscriptionConfig, TopicConfig,
};
use std::error::Error;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(10);
const STEPS: usize = 6;

// ---- the code under test -------------------------------------------------------------------------------------------

/// Charges an order in steps, each of which takes a while.
fn charge(order: Delivery, mut step: impl FnMut(usize)) -> Result<(), AckError> {
    for number in 0..STEPS {
        order.modify_ack_deadline(LEASE)?; // not ours any more: stop here
        step(number);
    }
    order.ack()
}

// ---- its tests (`#[test]`s in your crate) --------------------------------------------------------------------------

/// An engine on a manual clock, with one order waiting. The engine must live as long as the test uses it.
fn one_order() -> Result<(Engine, ManualClock, Subscription), Box<dyn Error>> {
    let clock = ManualClock::new();
    let engine = Engine::builder().clock(clock.clock()).build();
    let orders = engine.create_topic("orders", TopicConfig::default())?;
    let billing = orders.create_subscription("billing", SubscriptionConfig::default().ack_deadline(LEASE))?;
    orders.publisher().publish(Message::new("order 1"))?;
    Ok((engine, clock, billing))
}

/// Each step is shorter than the lease, all of them together are far longer: the order is delivered once.
fn a_slow_job_keeps_its_lease() -> Result<(), Box<dyn Error>> {
    let (engine, clock, billing) = one_order()?;
    let mut steps = Vec::new();
    charge(billing.recv()?, |step| {
        steps.push(step);
        clock.advance(LEASE - Duration::from_millis(1));
        engine.tick(); // what the engine's own thread does on a real clock: expire what is late
    })?;
    assert_eq!(steps.len(), STEPS);
    let stats = billing.stats();
    assert_eq!((stats.delivered, stats.expired, stats.acked), (1, 0, 1));
    Ok(())
}

/// A step hangs for longer than the lease: the job stops, the order comes again, and is charged by the second attempt.
fn a_stalled_job_stops_and_is_done_again() -> Result<(), Box<dyn Error>> {
    let (_engine, clock, billing) = one_order()?;
    let mut steps = Vec::new();
    let stalled = charge(billing.recv()?, |step| {
        steps.push(step);
        if step == 1 {
            clock.advance(LEASE); // to the end of the lease is too late already
        }
    });
    assert_eq!(stalled, Err(AckError::Expired));
    assert_eq!(steps, [0, 1], "no step was taken without a lease");

    let again = billing.try_recv()?.ok_or("the order is due again")?;
    assert_eq!(again.delivery_attempt(), 2);
    charge(again, |_| {})?;
    assert!(billing.try_recv()?.is_none(), "acked: it never comes again");
    let stats = billing.stats();
    assert_eq!((stats.delivered, stats.expired, stats.acked), (2, 1, 1));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    a_slow_job_keeps_its_lease()?;
    println!("a slow job keeps its lease: ok");
    a_stalled_job_stops_and_is_done_again()?;
    println!("a stalled job stops and is done again: ok");
    Ok(())
}
