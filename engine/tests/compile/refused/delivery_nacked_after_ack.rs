//! Nor is it nacked after it was acked.

fn settle(delivery: ringmain::Delivery) {
    delivery.ack().unwrap();
    delivery.nack().unwrap();
}

fn main() {
    let _ = settle;
}
