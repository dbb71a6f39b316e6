//! Which types may cross threads: every public one has a row, which the compiler is asked about.
#![cfg(all(feature = "async", not(ringmain_loom)))]

#[path = "../../ring/tests/matrix/mod.rs"]
mod matrix;

use matrix::{check, table};
use ringmain::*;
use std::rc::Rc;

#[test]
fn every_type_says_whether_it_crosses_threads() {
    let rows = table! {
        // Handles.
        Engine => Send Sync;
        EngineBuilder => Send Sync;
        Clock => Send Sync;
        ManualClock => Send Sync;
        Topic => Send Sync;
        Publisher => Send Sync;
        Subscription => Send Sync;
        StopHandle => Send Sync;
        // Handlers are Send and need not be Sync.
        Dispatcher => Send -;
        // What is received.
        Delivery => Send Sync;
        Deliveries<'static> => Send Sync;
        DeliveryStream => Send Sync;
        InPlace<'static> => Send Sync;
        Received => Send Sync;
        Attributes<'static> => Send Sync;
        AttributesIter<'static> => Send Sync;
        AckId => Send Sync;
        Verdict => Send Sync;
        // What is published, and what becomes of it.
        Bytes => Send Sync;
        Message => Send Sync;
        MessageId => Send Sync;
        Receipt => Send Sync;
        PublishFuture => Send Sync;
        // Errors go where their message may.
        PublishError<Message> => Send Sync;
        PublishError<Rc<u64>> => - -;
        BatchError<Message> => Send Sync;
        BatchError<Rc<u64>> => - -;
        AckError => Send Sync;
        Error => Send Sync;
        Invalid => Send Sync;
        RecvError => Send Sync;
        Resource => Send Sync;
        // Settings and counters.
        TopicConfig => Send Sync;
        PublisherConfig => Send Sync;
        SubscriptionConfig => Send Sync;
        LimitExceeded => Send Sync;
        RetryPolicy => Send Sync;
        Overflow => Send Sync;
        WaitStrategy => Send Sync;
        Close => Send Sync;
        CloseReport => Send Sync;
        Slowest => Send Sync;
        TopicStats => Send Sync;
        PublisherStats => Send Sync;
        SubscriptionStats => Send Sync;
    };
    check(&rows, concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"), &[]);
}
