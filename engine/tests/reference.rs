//! The engine against a naive reference model, by random histories: what every call returns, and every counter after
//! every step.
//!
//! `RINGMAIN_MODEL_CASES` asks for more histories than a quick run has. A history that fails is made smaller, printed
//! with all that happened in it, and remembered in `reference.proptest-regressions`.

mod model;
mod strategies;

use model::drive::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use strategies::history;

/// Takes five to ten seconds in a debug build.
const CASES: u32 = 600;
const OPERATIONS: usize = 150;

fn config() -> Config {
    let cases =
        std::env::var("RINGMAIN_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let remembered = FileFailurePersistence::Direct("tests/reference.proptest-regressions");
    Config {
        cases,
        failure_persistence: Some(Box::new(remembered)),
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_engine_does_what_the_model_allows(history in history(OPERATIONS)) {
        if let Err(fault) = World::live(&history) {
            return Err(TestCaseError::fail(fault));
        }
    }
}
