//! Send and Sync of every public type of a crate, as a table that a test writes down and this checks.
//!
//! A row says of a type which of the two it is; what the compiler says must be the same, both ways. A crate's `lib.rs`
//! says which types there are (by its `pub use`), and each must have a row: nobody adds a type without saying whether it
//! may cross threads. A type that depends on another has a row for each case.

use std::fs;
use std::marker::PhantomData;

/// A type, whether it is Send and Sync, and whether it must be.
pub(crate) struct Row {
    pub(crate) of: &'static str,
    pub(crate) is: (bool, bool),
    pub(crate) must_be: (bool, bool),
}

/// Asks the compiler: an inherent constant, there only with the bound, hides the trait's.
pub(crate) struct Probe<T>(PhantomData<T>);

pub(crate) trait Neither {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T> Neither for Probe<T> {}

impl<T: Send> Probe<T> {
    pub(crate) const SEND: bool = true;
}

impl<T: Sync> Probe<T> {
    pub(crate) const SYNC: bool = true;
}

/// A table: `Type => Send Sync;`, with `-` for what it must not be.
macro_rules! table {
    (@is Send) => { true };
    (@is Sync) => { true };
    (@is -) => { false };
    ($($type:ty => $send:tt $sync:tt;)*) => {{
        #[allow(unused_imports, reason = "not needed where all rows are both")]
        use $crate::matrix::Neither;
        vec![$($crate::matrix::Row {
            of: stringify!($type),
            is: (<$crate::matrix::Probe<$type>>::SEND, <$crate::matrix::Probe<$type>>::SYNC),
            must_be: (table!(@is $send), table!(@is $sync)),
        }),*]
    }};
}
pub(crate) use table;

impl Row {
    /// The name of the type, without path and parameters.
    fn name(&self) -> &str {
        let path = self.of.split('<').next().unwrap_or_default().trim();
        path.rsplit("::").next().unwrap_or_default().trim()
    }
}

/// What is wrong with the rows, of a crate whose public names are in `lib`; `traits` are those that are no types.
pub(crate) fn faults(rows: &[Row], lib: &str, traits: &[&str]) -> Vec<String> {
    let names = exported(lib);
    let wrong = rows.iter().filter(|row| row.is != row.must_be);
    let mut found: Vec<_> = wrong
        .map(|row| format!("{}: Send and Sync are {:?} and must be {:?}", row.of, row.is, row.must_be))
        .collect();
    let missing = names.iter().filter(|name| !traits.contains(&&***name));
    let missing = missing.filter(|name| rows.iter().all(|row| row.name() != **name));
    found.extend(missing.map(|name| format!("{name} is public and has no row")));
    let unknown = rows.iter().filter(|row| !names.iter().any(|name| name == row.name()));
    found.extend(unknown.map(|row| format!("{} has a row and is not public", row.of)));
    found
}

/// Checks the rows against the `lib.rs` at this path.
pub(crate) fn check(rows: &[Row], lib: &str, traits: &[&str]) {
    let lib = fs::read_to_string(lib).expect("a crate has a lib.rs");
    let found = faults(rows, &lib, traits);
    assert!(found.is_empty(), "{found:#?}");
}

/// The names of types and traits that `lib.rs` exports, by what it says behind `pub use`.
fn exported(lib: &str) -> Vec<String> {
    let mut names = Vec::new();
    for statement in lib.split("\npub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or_default();
        let words = statement.split(|c: char| !c.is_alphanumeric() && c != '_');
        let types = words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()));
        names.extend(types.map(str::to_owned));
    }
    names
}
