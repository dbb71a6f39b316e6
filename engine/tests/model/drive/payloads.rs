//! Which payloads live, and that each is dropped once.
//!
//! Every message that is published by reference has a payload with an owner who tells when it goes. Some owners panic
//! then, if the history says so: but only while the engine is at work, since that is where such a panic must end.

use crate::model::Check;
use ringmain::Bytes;
use ringmain_ring::sync::{AtomicBool, Mutex, Ordering, lock};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Payloads {
    /// Whether the owners of some panic.
    owners_panic: bool,
    armed: AtomicBool,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// How many payloads there are of each message that is not gone.
    alive: BTreeMap<u64, usize>,
    /// Of a payload that went more than once.
    fault: Option<String>,
}

impl Payloads {
    pub(super) fn new(owners_panic: bool) -> Arc<Self> {
        Arc::new(Self { owners_panic, ..Self::default() })
    }

    /// A payload of message `number`.
    pub(super) fn owned(self: &Arc<Self>, number: u64, data: Vec<u8>) -> Bytes {
        *lock(&self.book).alive.entry(number).or_default() += 1;
        Bytes::from_owner(Owner { number, data, payloads: Arc::clone(self) })
    }

    /// Calls the engine, which may drop payloads whose owners panic.
    pub(super) fn armed<R>(&self, call: impl FnOnce() -> R) -> R {
        let _until = self.set(self.owners_panic);
        call()
    }

    /// Within a call of the engine: what the caller's code drops is no test of the engine.
    pub(super) fn disarmed<R>(&self, call: impl FnOnce() -> R) -> R {
        let _until = self.set(false);
        call()
    }

    fn set(&self, armed: bool) -> impl Drop {
        struct Before<'a>(&'a AtomicBool, bool);
        impl Drop for Before<'_> {
            fn drop(&mut self) {
                self.0.store(self.1, Ordering::Relaxed);
            }
        }
        Before(&self.armed, self.armed.swap(armed, Ordering::Relaxed))
    }

    fn gone(&self, number: u64) {
        let mut book = lock(&self.book);
        match book.alive.get_mut(&number) {
            Some(1) => _ = book.alive.remove(&number),
            Some(count) => *count -= 1,
            None => book.fault = Some(format!("a payload of message {number} was dropped twice")),
        }
    }

    /// Nothing is left of the engine and of who used it.
    pub(super) fn check_gone(&self) -> Check {
        let book = lock(&self.book);
        if let Some(fault) = &book.fault {
            return Err(fault.clone());
        }
        ensure!(book.alive.is_empty(), "these messages' payloads were never dropped: {:?}", book.alive);
        Ok(())
    }
}

struct Owner {
    number: u64,
    data: Vec<u8>,
    payloads: Arc<Payloads>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.payloads.gone(self.number);
        let panics = self.number.is_multiple_of(3) && self.payloads.armed.load(Ordering::Relaxed);
        if panics && !std::thread::panicking() {
            resume_unwind(Box::new("the owner of a payload"));
        }
    }
}
