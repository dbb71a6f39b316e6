//! How a ring is claimed is the crate's: nobody else can say what a sequencer vouches for.

struct Mine;

impl ringmain_ring::Sequencer for Mine {}

fn main() {}
