//! A cursor has one batch at a time: the next begins where it ends.

use ringmain_ring::{Cursor, Multi};

fn two(cursor: &mut Cursor<u64, Multi>) -> usize {
    let first = cursor.batch(1).unwrap();
    let second = cursor.batch(1).unwrap();
    first.view().len() + second.view().len()
}

fn main() {
    let _ = two;
}
