//! A lease begins on one thread and ends on another.

use std::rc::Rc;

fn main() {
    let _ = ringmain_ring::Slab::<Rc<u64>>::new();
}
