//! The engine, broken on purpose, one way after the other: the simulation must catch each of them, and within twice as many
//! seeds as a quick run has. Built with `--cfg ringmain_twins`, where nothing else of this file's neighbours runs.

use crate::seeds::{first_to_fail, number};
use ringmain_ring::sync::twins::break_only;

/// Which variant, and what it stands for. What no seed comes by in so short a time has a test of its own in `.ci/twins.txt`.
const TWINS: [(&str, &str); 30] = [
    ("ack.late", "a stale ack is accepted"),
    ("slab.generation.kept", "an earlier delivery's ack id is taken for a later one's"),
    ("ack.comes_again", "a message is redelivered after its ack"),
    ("failed.attempt_kept", "an attempt is not counted"),
    ("expire.credit_kept", "expiry gives no credit back"),
    ("lane.credit_kept", "what was staged gives no credit back"),
    ("lag.one_less", "a gap is off by one"),
    ("lag.counts_filtered", "a gap counts what the filter is against"),
    ("lossy.lost.uncounted", "a gap is not counted"),
    ("filter.uncounted", "what is filtered out is not counted"),
    ("stats.parked_uncounted", "the backlog is counted wrong"),
    ("letters.key_stays", "a key stalls behind a dead letter"),
    ("letters.not_parked", "a dead letter is lost when its topic is full"),
    ("parked.one_queue", "a full shard holds up dead letters for another"),
    ("keys.overtake", "a message overtakes one of its key"),
    ("backoff.none", "a message comes again before its backoff is over"),
    ("held.starves_the_ring", "a message that is always nacked starves the ring"),
    ("held.unbounded", "more is held than may be"),
    ("shut.forgets_held", "what was held at a detach is lost"),
    ("payload.leaks", "a payload is never dropped"),
    ("payload.panics", "a panic of a payload's owner gets out of the engine"),
    ("refuse.as_messages", "such a panic stops a close half-way, where something is staged"),
    ("ack.in_silence", "credit that comes back by an ack wakes nobody"),
    ("failed.in_silence", "a message that comes back wakes nobody"),
    ("backoff.in_silence", "the end of a backoff wakes nobody"),
    ("future.unregistered", "a task that publishes is never woken"),
    ("flow.unmarked", "who waits for the publisher's credit is overtaken"),
    ("data.not_notified", "a message that is published wakes nobody"),
    ("room.not_notified", "room that is made wakes nobody"),
    ("detach.not_notified", "room that a detach makes wakes nobody"),
];

#[test]
fn every_broken_variant_is_caught() {
    let most = number("RINGMAIN_SIM_SEEDS").unwrap_or(40_000);
    assert_eq!(first_to_fail(0..200).1, None, "what is not broken");
    let only = std::env::var("RINGMAIN_SIM_TWIN").ok();
    let mut missed = Vec::new();
    for (twin, what) in TWINS.iter().filter(|(twin, _)| only.as_deref().is_none_or(|only| *twin == only)) {
        break_only(twin);
        let (count, failed) = first_to_fail(0..most);
        break_only("");
        match failed {
            Some((seed, fault)) => {
                let fault: String = fault.lines().next().unwrap_or_default().chars().take(90).collect();
                println!("twin {twin} ({what}): caught after {count} seeds, by {seed}: {fault}");
            }
            None => {
                println!("twin {twin} ({what}): NOT caught in {count} seeds");
                missed.push(twin);
            }
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
