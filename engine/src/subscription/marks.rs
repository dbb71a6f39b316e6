//! Marks that others see for as long as a guard lives: that leases are being ended, and that what is parked is being tried
//! again.

use ringmain_ring::sync::{AtomicBool, AtomicUsize, Ordering, ordering};

/// Leases are being ended; see `HeldMessages::coming`.
pub(crate) struct Coming<'a>(pub(super) &'a AtomicUsize);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        // Release: pairs with the acquire load in `is_coming`.
        self.0.fetch_sub(1, ordering("held.coming.release", Ordering::Release));
    }
}

/// What is parked is being tried again; see `HeldMessages::retry`.
pub(crate) struct Retrying<'a>(pub(super) &'a AtomicBool);

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        // Release: pairs with the acquire in `retry` and `is_quiet`.
        self.0.store(false, ordering("held.retry.release", Ordering::Release));
    }
}
