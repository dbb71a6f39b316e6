//! Readers on several threads share what a slot holds.

use std::cell::Cell;

fn main() {
    let _ = ringmain_ring::Ring::multi(8, || Cell::new(0));
}
