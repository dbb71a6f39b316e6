//! Other people's crates, one file each, and a bare ring as the floor.
//!
//! Every function that makes `Roles` from a `Load` is one way to use one crate; where a crate has several
//! good ways, all of them run and the fastest is the one to beat.

pub(crate) mod bare;
pub(crate) mod broadcast;
pub(crate) mod channels;
pub(crate) mod crossbeam;
pub(crate) mod disruptor;
pub(crate) mod kanal;
pub(crate) mod rtrb;
pub(crate) mod thingbuf;
pub(crate) mod tokio;
