//! A cell whose accesses are closures, which is the shape that a model checker can watch.

#[cfg(ringmain_loom)]
pub use loom::cell::UnsafeCell;

#[cfg(not(ringmain_loom))]
pub use plain::UnsafeCell;

#[cfg(not(ringmain_loom))]
mod plain {
    /// A cell whose accesses are closures.
    #[derive(Debug)]
    #[cfg_attr(not(ringmain_shuttle), repr(transparent))]
    pub struct UnsafeCell<T: ?Sized> {
        #[cfg(ringmain_shuttle)]
        users: super::watched::Users,
        value: std::cell::UnsafeCell<T>,
    }

    impl<T> UnsafeCell<T> {
        /// Wraps `value`.
        pub const fn new(value: T) -> Self {
            Self {
                #[cfg(ringmain_shuttle)]
                users: super::watched::Users::new(),
                value: std::cell::UnsafeCell::new(value),
            }
        }

        /// Runs `f` on a pointer for reading.
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            #[cfg(ringmain_shuttle)]
            let _reader = self.users.read();
            f(self.value.get())
        }

        /// Runs `f` on a pointer for writing.
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            #[cfg(ringmain_shuttle)]
            let _writer = self.users.write();
            f(self.value.get())
        }
    }
}

/// Shuttle does not watch cells: here an access that overlaps with another, one of the two a write, is a panic. It lets
/// the others run in the middle of each access, so that there is something to overlap with.
#[cfg(ringmain_shuttle)]
mod watched {
    use std::cell::Cell;

    const WRITER: usize = usize::MAX;

    /// How many read just now, or that somebody writes. A plain cell: the threads of a schedule take turns.
    #[derive(Debug)]
    pub(super) struct Users(Cell<usize>);

    impl Users {
        pub(super) const fn new() -> Self {
            Self(Cell::new(0))
        }

        pub(super) fn read(&self) -> Reader<'_> {
            assert_ne!(self.0.get(), WRITER, "a slot is read while it is written");
            self.0.set(self.0.get() + 1);
            let reader = Reader(self);
            let_others_run();
            reader
        }

        pub(super) fn write(&self) -> Writer<'_> {
            assert_eq!(self.0.get(), 0, "a slot is written while others use it");
            self.0.set(WRITER);
            let writer = Writer(self);
            let_others_run();
            writer
        }
    }

    fn let_others_run() {
        // Any atomic access is a point at which shuttle may go on with another thread.
        super::super::AtomicBool::new(false).load(super::super::Ordering::Relaxed);
    }

    pub(super) struct Reader<'a>(&'a Users);

    impl Drop for Reader<'_> {
        fn drop(&mut self) {
            self.0.0.set(self.0.0.get() - 1);
        }
    }

    pub(super) struct Writer<'a>(&'a Users);

    impl Drop for Writer<'_> {
        fn drop(&mut self) {
            self.0.0.set(0);
        }
    }
}
