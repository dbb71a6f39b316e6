//! A failing history, made smaller: operations are left out while it still fails in the same way.

use crate::model::drive::History;
use crate::run::fault;

/// So many runs are enough.
const PATIENCE: usize = 4_000;

/// The smallest history found, and how it fails.
pub(crate) fn shrink(history: &History, first: &str) -> (History, String) {
    let (mut smallest, mut how) = (history.clone(), first.to_owned());
    let mut runs = 0;
    let mut still_fails = |candidate: &History| {
        runs += 1;
        if runs > PATIENCE { None } else { fault(candidate).filter(|fault| kind(fault) == kind(first)) }
    };
    let mut size = smallest.ops.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut any = false;
        while at < smallest.ops.len() {
            let mut candidate = smallest.clone();
            candidate.ops.drain(at..(at + size).min(candidate.ops.len()));
            match still_fails(&candidate) {
                Some(fault) => (smallest, how, any) = (candidate, fault, true),
                None => at += size,
            }
        }
        for index in (0..smallest.subscriptions.len()).rev() {
            let mut candidate = smallest.clone();
            candidate.subscriptions.remove(index);
            if let Some(fault) = still_fails(&candidate) {
                (smallest, how, any) = (candidate, fault, true);
            }
        }
        if size == 1 && !any {
            return (smallest, how);
        }
        size = (size / 2).max(1);
    }
}

/// A fault without its numbers.
fn kind(fault: &str) -> String {
    fault.chars().filter(|c| !c.is_ascii_digit()).take(40).collect()
}
