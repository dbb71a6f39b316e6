//! Which broken variant is run is chosen at run time, so that all twins share one build.

use super::Ordering;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

static BROKEN: RwLock<String> = RwLock::new(String::new());
static ASKED: Mutex<Option<BTreeSet<String>>> = Mutex::new(None);

/// Breaks the variant called `name` from now on; an empty name mends everything.
pub fn break_only(name: &str) {
    name.clone_into(&mut BROKEN.write().unwrap_or_else(PoisonError::into_inner));
}

/// From now on, remembers what might have been broken; returns what was until now. A run that does not come by a
/// place cannot notice that it is broken.
pub fn watch() -> BTreeSet<String> {
    asked().replace(BTreeSet::new()).unwrap_or_default()
}

fn asked() -> MutexGuard<'static, Option<BTreeSet<String>>> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(name: &str) {
    if let Some(asked) = &mut *asked()
        && !asked.contains(name)
    {
        asked.insert(name.to_owned());
    }
}

pub(super) fn is(name: &str) -> bool {
    note(name);
    *BROKEN.read().unwrap_or_else(PoisonError::into_inner) == name
}

pub(super) fn weakened(name: &str, ordering: Ordering) -> Ordering {
    note(name);
    let broken = BROKEN.read().unwrap_or_else(PoisonError::into_inner);
    match (broken.strip_prefix(name), ordering) {
        (Some(""), _) => Ordering::Relaxed,
        (Some(".acquire"), Ordering::AcqRel) => Ordering::Release,
        (Some(".release"), Ordering::AcqRel) => Ordering::Acquire,
        _ => ordering,
    }
}
