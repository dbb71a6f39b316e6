//! Which types may cross threads: every public one has a row, which the compiler is asked about.
#![cfg(not(ringmain_loom))]

#[path = "../../ring/tests/matrix/mod.rs"]
mod matrix;

use matrix::{check, table};
use ringmain_fanout::*;
use std::rc::Rc;

#[test]
fn every_type_says_whether_it_crosses_threads() {
    let rows = table! {
        Channel<u64> => Send Sync;
        ChannelBuilder => Send Sync;
        Receiver<u64> => Send Sync;
        CursorSet<u64> => Send Sync;
        // Handlers are Send, so that the thread that runs them need not be the one that adds them; they are not shared.
        Dispatcher<u64> => Send -;
        StopHandle<u64> => Send Sync;
        Batch<'static, u64> => Send Sync;
        Event<'static, u64> => Send Sync;
        Foreign<u64> => Send Sync;
        Foreign<Rc<u64>> => - -;
        ReceiveError => Send Sync;
        Overflow => Send Sync;
        Slowest => Send Sync;
        // The ring's, which has its own table.
        BuildError => Send Sync;
        ClaimError => Send Sync;
        Closed<u64> => Send Sync;
        Closed<Rc<u64>> => - -;
        Sequence => Send Sync;
        TryPublishError<u64> => Send Sync;
        WaitStrategy => Send Sync;
    };
    check(&rows, concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"), &[]);
}
