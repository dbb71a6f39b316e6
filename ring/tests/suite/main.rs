//! The ring's tests, a module for each thing: one program, since a dozen take several times as long to build. `cargo test -p
//! ringmain-ring --test suite slab::` runs one of them. Models and schedules are beside this folder.

mod claims;
mod covers;
mod lines;
mod lossy;
mod padding;
mod pairs;
mod peek;
mod readers;
mod ring;
mod room;
mod slab;
mod stalled;
mod try_lock;
mod views;
mod waiting;
mod within;
