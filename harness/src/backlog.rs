//! Whether the backlog grows.
//!
//! The backlog at a moment is what was due by then minus what was delivered. A reader notes it every few
//! milliseconds. On a shared machine it jumps whenever something stalls and falls back when the stall is made up
//! for, so a straight line through all points would call a stall near the end growth. What grows in an overloaded
//! system is the *floor* of the backlog, the level it falls back to: the sample is cut into windows, the smallest
//! backlog of each window is kept, and the slope is the median of the slopes between all pairs of windows
//! (Theil-Sen), which a quarter of odd windows cannot move.

use crate::num;

/// Windows per sample.
const WINDOWS: usize = 12;

/// The backlog over the course of one sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Backlog {
    /// Nanoseconds since the start, and messages.
    points: Vec<(u64, u64)>,
}

impl Backlog {
    /// Room for `points` notes, so that none is allocated for while measuring.
    pub(crate) fn with_capacity(points: usize) -> Self {
        Self { points: Vec::with_capacity(points) }
    }

    /// Notes the backlog `nanos` after the start.
    pub(crate) fn note(&mut self, nanos: u64, messages: u64) {
        self.points.push((nanos, messages));
    }

    /// Puts the notes of several readers together: of each reader's, the slope is taken of the worst.
    pub(crate) fn worst(backlogs: impl IntoIterator<Item = Self>) -> Self {
        let slope = |backlog: &Self| backlog.slope().unwrap_or(f64::NEG_INFINITY);
        backlogs.into_iter().max_by(|a, b| slope(a).total_cmp(&slope(b))).unwrap_or_default()
    }

    /// The largest backlog noted.
    pub(crate) fn peak(&self) -> Option<u64> {
        self.points.iter().map(|&(_, messages)| messages).max()
    }

    /// Growth of the floor in messages a second. `None` when fewer than four windows hold a note.
    pub(crate) fn slope(&self) -> Option<f64> {
        let floors = self.floors();
        if floors.len() < 4 {
            return None;
        }
        let mut slopes = Vec::with_capacity(floors.len() * floors.len() / 2);
        for (index, &(early, low)) in floors.iter().enumerate() {
            for &(late, high) in &floors[index + 1..] {
                slopes.push(num::difference(high, low) / (num::float(late - early) / 1e9));
            }
        }
        num::median(&slopes)
    }

    /// The middle of each window that holds a note, and the smallest backlog in it.
    fn floors(&self) -> Vec<(u64, u64)> {
        let Some(&(end, _)) = self.points.last() else { return Vec::new() };
        let width = (end / num::count(WINDOWS)).max(1);
        let mut floors: Vec<(u64, u64)> = Vec::with_capacity(WINDOWS + 1);
        for &(nanos, messages) in &self.points {
            let middle = (nanos / width).min(num::count(WINDOWS) - 1) * width + width / 2;
            match floors.last_mut() {
                Some((window, floor)) if *window == middle => *floor = (*floor).min(messages),
                _ => floors.push((middle, messages)),
            }
        }
        floors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A note every 10 ms for two seconds.
    fn backlog(messages: impl Fn(u64) -> u64) -> Backlog {
        let mut backlog = Backlog::default();
        (0..200).for_each(|step| backlog.note(step * 10_000_000, messages(step)));
        backlog
    }

    #[test]
    fn a_steady_growth_is_measured() {
        let slope = backlog(|step| step * 100).slope().unwrap();
        assert!((slope - 10_000.0).abs() < 200.0, "{slope}");
    }

    #[test]
    fn a_level_backlog_does_not_grow_however_it_jitters() {
        let slope = backlog(|step| (step * 7_919) % 500).slope().unwrap();
        assert!(slope.abs() < 50.0, "{slope}");
    }

    #[test]
    fn a_stall_that_is_made_up_for_is_no_growth_even_at_the_end() {
        for at in [20, 100, 190] {
            let stall =
                |step: u64| if step >= at { 50_000_u64.saturating_sub((step - at) * 4_000) } else { 3 };
            let slope = backlog(stall).slope().unwrap();
            assert!(slope.abs() < 50.0, "stall at {at}: {slope}");
        }
    }

    #[test]
    fn draining_is_negative() {
        assert!(backlog(|step| 20_000 - step * 100).slope().unwrap() < -9_000.0);
    }

    #[test]
    fn too_few_notes_say_nothing() {
        let mut short = Backlog::default();
        assert_eq!(short.slope(), None);
        short.note(0, 1);
        short.note(10, 1);
        assert_eq!(short.slope(), None);
    }

    #[test]
    fn of_several_readers_the_worst_counts() {
        let worst = Backlog::worst([backlog(|_| 5), backlog(|step| step * 10), backlog(|_| 900)]);
        assert_eq!(worst.peak(), Some(1_990));
    }
}
