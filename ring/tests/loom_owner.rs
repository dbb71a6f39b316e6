//! A lone producer that claims with plain stores, and the second one that ends that; and a value with an owner.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{rest, spinning};
use ringmain_ring::{OwnerCell, Ring};
use std::sync::Arc;

/// The first producer does something and goes on while the second revokes its bias: no sequence is claimed twice.
fn revoked(first: fn(&Ring<u64>)) {
    let ring = spinning(4);
    let mut cursor = ring.cursor();
    ring.try_publish(1).unwrap();
    let second = ring.clone();
    let revokes = spawn(move || second.try_publish(2).unwrap());
    first(&ring);
    let mine = ring.try_publish(3).unwrap();
    assert_ne!(revokes.join().unwrap(), mine);
    let mut seen = rest(&mut cursor);
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3]);
}

model!(
    /// The first producer goes on while the second revokes its bias: no sequence is claimed twice.
    bias_revoked,
    broken by ["bias.revoke.no_fence", "bias.store.no_fence", "bias.no_wait", "bias.not_told"], {
        revoked(|_| ());
    }
);

model!(
    /// A claim of nothing, by the first producer, moves nothing, which the second would not see.
    bias_revoked_beside_a_claim_of_nothing, broken by ["multi.nothing.stored", "bias.revoke.no_fence"], {
        revoked(|ring| drop(ring.try_claim(0).unwrap()));
    }
);

model!(
    /// The same beside a close: what is published afterwards is refused.
    closed_beside_a_claim_of_nothing, broken by ["multi.nothing.stored"], {
        let ring = spinning(4);
        let mut cursor = ring.cursor();
        ring.try_publish(1).unwrap();
        let second = ring.clone();
        let closes = spawn(move || second.close());
        drop(ring.try_claim(0));
        let before = ring.try_publish(2).is_ok();
        closes.join().unwrap();
        assert!(ring.try_publish(3).is_err());
        assert_eq!(rest(&mut cursor), if before { vec![1, 2] } else { vec![1] });
    }
);

model!(
    /// Two more come at once: one revokes, the other waits until it has.
    bias_revoked_by_one_of_two, broken by ["bias.revoke.no_fence", "bias.store.no_fence", "bias.no_wait"], {
        let ring = spinning(4);
        let mut cursor = ring.cursor();
        ring.try_publish(1).unwrap();
        let others = [2, 3].map(|value| {
            let ring = ring.clone();
            spawn(move || ring.try_publish(value).unwrap())
        });
        ring.try_publish(4).unwrap();
        let [one, two] = others.map(|other| other.join().unwrap());
        assert_ne!(one, two);
        let mut seen = rest(&mut cursor);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4]);
    }
);

model!(
    /// A lone producer comes round to a slot that is being read.
    alone_lap_of_one_slot, broken by ["alone.gate.ignored"], {
        let ring = spinning(1);
        let mut cursor = ring.cursor();
        let producer = spawn(move || {
            ring.try_publish(1).unwrap();
            ring.try_publish(2).is_ok()
        });
        let mut seen = rest(&mut cursor);
        let lapped = producer.join().unwrap();
        seen.extend(rest(&mut cursor));
        assert_eq!(seen, if lapped { vec![1, 2] } else { vec![1] });
    }
);

model!(
    /// Two threads want the value: it is one's, for good.
    owner_cell_has_one_owner, broken by ["owner.unchecked"], {
        let cell = Arc::new(OwnerCell::new(0));
        let other = Arc::clone(&cell);
        let enters = spawn(move || other.enter().map(|mut value| *value += 1).is_some());
        let mine = cell.enter().map(|mut value| *value += 1).is_some();
        assert_ne!(enters.join().unwrap(), mine);
        assert_eq!(cell.enter().is_some(), mine);
    }
);
