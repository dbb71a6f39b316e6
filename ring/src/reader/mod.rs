//! Readers: four ways to stand on a ring.
//!
//! | reader | who advances it | what holds producers back |
//! |---|---|---|
//! | [`Cursor`] | its owner, after reading | its own gate |
//! | [`SharedCursor`] | any of several consumers, before reading | its gate, then the consumer's pin |
//! | [`Cover`] over shared cursors | one thread, before reading | one gate for all of them |
//! | [`LossyCursor`] | its owner, or a producer that needs the room | nothing, but a read under way |

mod batch;
mod cover;
mod covers;
mod cursor;
mod gather;
mod hold;
mod lines;
mod lossy;
mod padding;
mod push;
mod shared;
mod turn;

pub use batch::View;
pub use cover::Cover;
pub(crate) use covers::Covers;
pub use cursor::{Batch, Cursor};
pub use lossy::{LossyCursor, LossyRead, OnFull};
pub(crate) use push::push_lossy;
pub use shared::{PinnedBatch, SharedCursor};
pub use turn::Turn;
