//! How many more leases there may be.

use super::inner::SubscriptionInner;
use ringmain_ring::sync::Ordering;

/// Credit for leases, held while a call receives: calls at the same time do not exceed the limit together.
pub(super) struct Credit<'a> {
    subscription: &'a SubscriptionInner,
    reserved: usize,
    pub(super) granted: usize,
}

impl<'a> Credit<'a> {
    #[inline]
    pub(super) fn reserve(subscription: &'a SubscriptionInner, max: usize) -> Self {
        let limit = subscription.config.max_outstanding_messages;
        let reserved = max.min(limit);
        // Acquire: pairs with the release in `drop`. Whose reservation we do not see, their leases we do.
        let others = subscription.receiving.fetch_add(reserved, Ordering::Acquire);
        let unreserved = limit.saturating_sub(others.saturating_add(reserved));
        let left = limit.saturating_sub(subscription.leases.live_at_most(unreserved).saturating_add(others));
        Self { subscription, reserved, granted: reserved.min(left) }
    }
}

impl Drop for Credit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.subscription.receiving.fetch_sub(self.reserved, Ordering::Release);
    }
}
