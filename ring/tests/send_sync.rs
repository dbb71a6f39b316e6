//! Which types may cross threads, checked when this is compiled. (What must *not* is below, by method probing.)
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::{
    Batch, Buffer, Claim, Cover, Cursor, LossyCursor, Multi, Notify, PinnedBatch, Registration, Ring,
    SharedCursor, Single, SingleProducer, Slab, Sleeper, TryLock, TryLockGuard, Turn, UniqueBuffer, View,
};
use std::cell::Cell;
use std::rc::Rc;

fn both<T: Send + Sync>() {}
fn send<T: Send>() {}

#[test]
fn handles_cross_threads() {
    both::<Ring<u64, Multi>>();
    both::<Ring<u64, Single>>();
    both::<SingleProducer<u64>>();
    both::<Cursor<u64, Multi>>();
    both::<SharedCursor<u64, Multi>>();
    both::<LossyCursor<u64, Multi>>();
    both::<Notify>();
    both::<Sleeper>();
    both::<Registration<'_>>();
    both::<Batch<'_, u64, Multi>>();
    both::<View<'_, u64, Single>>();
    both::<PinnedBatch<'_, u64, Multi>>();
    send::<Cover<u64, Multi>>();
    send::<Turn<'_, u64, Multi>>();
    send::<Claim<u64, &Ring<u64, Multi>>>();
    send::<Claim<u64, &mut SingleProducer<u64>>>();
    both::<Buffer<u64>>();
    both::<UniqueBuffer<u64>>();
    send::<UniqueBuffer<Cell<u64>>>();
    both::<Slab<Cell<u64>>>();
    both::<TryLock<Cell<u64>>>();
    both::<TryLockGuard<'_, u64>>();
    send::<TryLockGuard<'_, Cell<u64>>>();
}

/// Whether a type is Send, or Sync: an inherent constant, there only with the bound, hides the trait's.
trait Fallback {
    const SEND: bool = false;
    const SYNC: bool = false;
}
struct Probe<T>(std::marker::PhantomData<T>);
impl<T> Fallback for Probe<T> {}
struct ProbeSend<T>(std::marker::PhantomData<T>);
impl<T> Fallback for ProbeSend<T> {}
#[expect(dead_code, reason = "chosen where the bound holds, which for most of these it must not")]
impl<T: Send> ProbeSend<T> {
    const SEND: bool = true;
}
impl<T: Sync> Probe<T> {
    const SYNC: bool = true;
}

#[test]
fn what_holds_something_unshareable_does_not() {
    const { assert!(!ProbeSend::<Buffer<Cell<u64>>>::SEND, "clones on two threads would share the cell") };
    const { assert!(!Probe::<Buffer<Cell<u64>>>::SYNC) };
    const { assert!(!Probe::<UniqueBuffer<Cell<u64>>>::SYNC) };
    const { assert!(!ProbeSend::<UniqueBuffer<Rc<u64>>>::SEND) };
    const { assert!(!Probe::<TryLock<Rc<u64>>>::SYNC) };
    const { assert!(!ProbeSend::<TryLock<Rc<u64>>>::SEND) };
    const { assert!(!Probe::<TryLockGuard<'static, Cell<u64>>>::SYNC, "a shared guard gives &Cell") };
    const { assert!(!ProbeSend::<TryLockGuard<'static, Rc<u64>>>::SEND) };
    const { assert!(Probe::<Buffer<u64>>::SYNC, "the probe can say yes") };
}
