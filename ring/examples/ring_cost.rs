//! What the ring's operations cost, in instructions: for counting with callgrind, which no other load on the machine
//! disturbs. `.ci/instructions` does so, and compares with what they cost before.
//!
//! ```sh
//! cargo build --release -p ringmain-ring --example ring_cost
//! for messages in 100000 200000; do
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/ring_cost multi $messages 2>&1 |
//!         grep -E 'Collected'
//! done
//! ```
//!
//! The difference between the two counts, by the difference in messages, is what one message costs: claim, write, publish
//! and read. `single` and `multi` publish one by one and read 64 at a time; `single-batch` and `multi-batch` claim 64 at a
//! time as well; `gates` has 64 readers on a ring of 64 slots, so that every 64th claim looks at all of their gates.

use ringmain_ring::{Cursor, Ring, Sequencer};
use std::error::Error;
use std::hint::black_box;

const BATCH: u64 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_else(|| "multi".to_owned());
    let messages: u64 = arguments.next().map_or(Ok(10_000), |count| count.parse())?;
    match &*mode {
        "single" | "single-batch" => {
            let (mut producer, ring) = Ring::single(4_096, || 0_u64)?;
            let mut cursors = [ring.cursor()];
            for batch in 0..messages / BATCH {
                if mode == "single" {
                    for value in 0..BATCH {
                        producer.publish(black_box(value)).map_err(|_| "closed")?;
                    }
                } else {
                    let mut claim = producer.claim(BATCH)?;
                    claim.write_each(|_, slot| *slot = black_box(batch));
                    claim.publish();
                }
                read(&mut cursors);
            }
        }
        "multi" | "multi-batch" | "gates" => {
            let (slots, readers) = if mode == "gates" { (64, 64) } else { (4_096, 1) };
            let ring = Ring::multi(slots, || 0_u64)?;
            let mut cursors: Vec<_> = (0..readers).map(|_| ring.cursor()).collect();
            for batch in 0..messages / BATCH {
                if mode == "multi-batch" {
                    let mut claim = ring.claim(BATCH)?;
                    claim.write_each(|_, slot| *slot = black_box(batch));
                    claim.publish();
                } else {
                    for value in 0..BATCH {
                        ring.publish(black_box(value)).map_err(|_| "closed")?;
                    }
                }
                read(&mut cursors);
            }
        }
        other => return Err(format!("single, multi, single-batch, multi-batch or gates, not {other}").into()),
    }
    Ok(())
}

fn read<S: Sequencer>(cursors: &mut [Cursor<u64, S>]) {
    for cursor in cursors {
        let count = cursor.poll(64, |_, value| _ = black_box(*value));
        assert_eq!(count, 64, "all of the batch was published");
    }
}
