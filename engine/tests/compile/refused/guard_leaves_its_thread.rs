//! The guard of an owner's cell stays with the owner.

use ringmain_ring::OwnerCell;

fn main() {
    let cell = OwnerCell::new(1);
    let guard = cell.enter().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
}
