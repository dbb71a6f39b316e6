//! What must not compile: uses that the types rule out.
//!
//! Each program in `compile/refused` is refused with the very words beside it, so that it is refused for that reason and no
//! other; where it can be said in a few words, a neighbour in `compile/allowed` differs in the one thing, and runs. The
//! words are those of the compiler that `rust-toolchain.toml` names: after a new one, look at them again and write them
//! with `TRYBUILD=overwrite`.
#![cfg(not(any(ringmain_loom, ringmain_twins, miri)))]

#[test]
fn what_must_not_compile_does_not() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile/refused/*.rs");
    cases.pass("tests/compile/allowed/*.rs");
}
