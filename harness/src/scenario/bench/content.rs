//! What the messages of a run are made of.

use std::sync::Arc;

use crate::cli::payloads::Payload;
use crate::cli::settings::Settings;
use crate::inbox::Content;
use crate::input::Lines;
use crate::keys::Keying;
use crate::mix::Patterns;
use crate::num;
use crate::shared::Stamps;

/// Different payloads that are published by reference in turn: enough to tell a swapped one.
const REFERENCED: usize = 16;

/// What payloads are made of, how long the longest is, and in what order they arrive.
pub(crate) fn content(settings: &Settings) -> (Content, usize, Keying) {
    let dealt = settings.keys.map_or(Keying::Unkeyed, |keys| Keying::Dealt(num::count(keys)));
    // Twice the ring covers what is in it and what a turn has taken out of it.
    let in_flight = 4 * settings.ring * settings.shards;
    let listed = |lines: &Arc<Lines>, referenced| Content::Lines {
        lines: Arc::clone(lines),
        stamps: Arc::new(Stamps::new(in_flight)),
        referenced,
    };
    match &settings.payload {
        Payload::Generated(length) => {
            (Content::Generated(Arc::new(Patterns::single(*length))), *length, dealt)
        }
        Payload::Mixed(mix) => {
            let patterns = Patterns::mixed(&mix.0);
            // The limit is about bytes, so that the mean stands for all.
            let mean = num::index(num::whole(patterns.mean_length()));
            (Content::Generated(Arc::new(patterns)), mean, dealt)
        }
        Payload::Referenced(length) => {
            (listed(&Arc::new(Lines::generated(REFERENCED, *length)), true), *length, Keying::Unkeyed)
        }
        Payload::Input { lines, .. } => {
            let keying = if lines.keyed() { Keying::Lines(Arc::clone(lines)) } else { Keying::Unkeyed };
            (listed(lines, false), lines.longest(), keying)
        }
    }
}
