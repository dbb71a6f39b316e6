//! Predicates: what the reader of a lossy gate would look at, for producers that push it past messages.
//!
//! A table beside the lossy gates, with a cell a gate. It stays empty, and costs nothing, until a cursor with a predicate
//! is attached.
//!
//! # The argument
//!
//! A cell has no word of its own: the gate's holder word guards it. Whoever holds the gate may use the cell of the same
//! index, and nobody else. A hold is acquired from the release of the one before it, so of two uses one happened before
//! the other.
//!
//! A gate that is detached is held by nobody, and its cell is empty: whoever detaches it takes the predicate out first.
//! Whoever attaches it again has acquired that, through the free list's mutex, into which its last owner put it after
//! acquiring the word that says that it is detached; and then holds the gate itself until it stands where it starts.

use super::table::Table;
use crate::sync::UnsafeCell;
use std::fmt;

/// Whether the reader of a cursor would look at a value.
pub(crate) type Predicate<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

struct Cell<T>(UnsafeCell<Option<Predicate<T>>>);

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self(UnsafeCell::new(None))
    }
}

// SAFETY: a predicate is Send and Sync itself, and the holder word lets one thread at a time at the cell.
unsafe impl<T> Sync for Cell<T> {}

/// The predicates of a ring's lossy gates.
pub(crate) struct Predicates<T>(Table<Cell<T>>);

impl<T> Predicates<T> {
    pub(crate) fn new() -> Self {
        Self(Table::new())
    }

    /// Puts a predicate, or none, in the place of the one of gate `index`, and takes that one out.
    ///
    /// # Safety
    /// The caller must hold that gate, have acquired it from its last holder, and not be inside [`with`](Self::with).
    pub(crate) unsafe fn exchange(
        &self,
        index: usize,
        predicate: Option<Predicate<T>>,
    ) -> Option<Predicate<T>> {
        let cell = match &predicate {
            Some(_) => self.0.grow_to(index),
            None => self.0.at(index)?, // so far nobody had one
        };
        // SAFETY: held, so nobody else is at the cell; acquired, so the last one was done before; and no reference into
        // it is left, for `with` lends one for its own duration only.
        cell.0.with_mut(|cell| unsafe { std::ptr::replace(cell, predicate) })
    }

    /// Lends the predicate of gate `index` to `look`, if it has one.
    ///
    /// # Safety
    /// The caller must hold that gate, have acquired it from its last holder, and not let go of it meanwhile.
    pub(crate) unsafe fn with<R>(&self, index: usize, look: impl FnOnce(&Predicate<T>) -> R) -> Option<R> {
        let cell = self.0.at(index)?;
        cell.0.with(|cell| {
            // SAFETY: held and acquired as above, until we return, so nobody writes while the reference lives.
            let predicate = unsafe { &*cell };
            predicate.as_ref().map(look)
        })
    }
}

impl<T> fmt::Debug for Predicates<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Predicates")
    }
}
