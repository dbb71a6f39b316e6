//! T13: what saturation does to the tail, by the harness, which runs as a program of its own.

use crate::case::{Case, Unit};
use crate::ours::saturation::{self, LEVELS};

/// All from one run of the harness.
pub(super) fn cases() -> Vec<Case> {
    vec![tail(), held(), modes()]
}

fn case(name: &str, unit: Unit) -> Case {
    // The first sample runs the harness, which takes longer than other cases take altogether; the others ask what it found.
    Case { placed: false, most: 1, patience: 8, ..Case::new("T13", name, unit) }
}

fn tail() -> Case {
    let mut case = case("saturation-p99", Unit::Tail);
    case.whole("at 50 %", saturation::tail_at_half);
    case.whole("at 90 %", saturation::tail_at_most);
    case.claim("at 90 %", &["at 50 %"], 10.0);
    case
}

fn held() -> Case {
    let mut case = case("saturation-levels", Unit::Levels);
    case.whole("levels that held", saturation::held);
    case.claim_recorded("levels that held", "levels up to 90 %", LEVELS.len() as f64, 1.0);
    case
}

fn modes() -> Case {
    let mut case = case("saturation-modes", Unit::Modes);
    case.whole("most modes of a level", saturation::modes);
    case.claim_recorded("most modes of a level", "one mode", 1.0, 1.0);
    case
}
