//! What must not compile: uses that the types rule out.
//!
//! Each program in `compile/refused` is refused with the very words beside it, so that it is refused for that reason and no
//! other; where it can be said in a few words, a neighbour in `compile/allowed` differs in the one thing, and runs. The
//! words are those of the compiler that `rust-toolchain.toml` names: after a new one, look at them again and write them
//! with `TRYBUILD=overwrite`.
//!
//! The neighbours are part of this program. As cases of trybuild they would have all dependencies built once more, and
//! each case one by one: as it is, those that are refused are checked, and all at once.
#![cfg(not(any(ringmain_loom, ringmain_twins, miri)))]

#[path = "compile/allowed/mod.rs"]
mod allowed;

use std::path::Path;

#[test]
fn what_must_not_compile_does_not() {
    trybuild::TestCases::new().compile_fail("tests/compile/refused/*.rs");
}

#[test]
fn every_neighbour_is_run_and_has_one_that_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile");
    let run = include_str!("compile/allowed/mod.rs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder.join("allowed")).expect("the folder is there") {
        let path = entry.expect("a folder lists its entries").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        if name != "mod" {
            assert!(run.lines().any(|line| line == format!("mod {name};")), "{name} is not run");
            assert!(folder.join(format!("refused/{name}.rs")).exists(), "{name} is a neighbour of nothing");
            count += 1;
        }
    }
    assert_eq!(run.lines().filter(|line| line.starts_with("mod ")).count(), count);
}
