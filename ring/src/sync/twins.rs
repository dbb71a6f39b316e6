//! Which broken variant is run is chosen at run time, so that all twins share one build.

use super::Ordering;
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};

struct State {
    broken: String,
    /// What might have been broken so far, if somebody wants to know.
    asked: Option<Mutex<BTreeSet<String>>>,
}

/// The environment variable that names the broken variant of a whole process.
pub const VARIABLE: &str = "RINGMAIN_TWIN";

static STATE: LazyLock<RwLock<State>> = LazyLock::new(|| {
    let broken = std::env::var(VARIABLE).unwrap_or_default();
    RwLock::new(State { broken, asked: None })
});

/// Breaks the variant called `name` from now on; an empty name mends everything.
pub fn break_only(name: &str) {
    name.clone_into(&mut STATE.write().unwrap_or_else(PoisonError::into_inner).broken);
}

/// From now on, remembers what might have been broken; returns what was until now. A run that does not come by a
/// place cannot notice that it is broken.
pub fn watch() -> BTreeSet<String> {
    let before = STATE.write().unwrap_or_else(PoisonError::into_inner).asked.replace(Mutex::default());
    before.map(|asked| asked.into_inner().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default()
}

/// What `look` makes of the name of the broken variant; `name` is asked for.
fn asked<R>(name: &str, look: impl FnOnce(&str) -> R) -> R {
    let state = STATE.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(asked) = &state.asked {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.contains(name) {
            asked.insert(name.to_owned());
        }
    }
    look(&state.broken)
}

/// A variant may be several places at once, their names joined by `+`: both halves of a fence, for instance.
pub(super) fn is(name: &str) -> bool {
    asked(name, |broken| broken.split('+').any(|one| one == name))
}

pub(super) fn weakened(name: &str, ordering: Ordering) -> Ordering {
    let halves = |broken: &str| match (broken.strip_prefix(name), ordering) {
        (Some(""), _) => Some(Ordering::Relaxed),
        (Some(".acquire"), Ordering::AcqRel) => Some(Ordering::Release),
        (Some(".release"), Ordering::AcqRel) => Some(Ordering::Acquire),
        _ => None,
    };
    asked(name, |broken| broken.split('+').find_map(halves).unwrap_or(ordering))
}
