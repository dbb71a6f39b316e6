//! Whether a delivery costs more with more subscriptions.
//!
//! The samples with the fewest subscriptions against those with the most, as comparisons of two builds are made: within one
//! placement of the CPUs, and by ranks, so that what the samples scatter by is no rise. A sample that the machine disturbed
//! counts on neither side.
//!
//! Ranks can tell from five samples a side. Of fewer it can be told that every sample of the one is several times above all of
//! the other, by more than one placement of the CPUs changes its speed. What lies between is in doubt, and has not passed for
//! certain.

use crate::compare::contrast;
use crate::num;
use crate::result::metrics::FanoutPoint;

/// Cost with the most subscriptions over that with the fewest, up to which it is said not to rise.
pub(crate) const RISES: f64 = 1.10;
/// How far all samples of the one are above all of the other where they are too few for ranks, and how many of each it takes.
/// A closed loop has been seen to change its speed by 2.9 within minutes, though across placements.
const FAR: f64 = 3.0;
const FEWEST: usize = 2;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// Cost with the most subscriptions over that with the fewest: where they compare, of the samples that do.
    pub(super) ratio: f64,
    pub(super) rise: Rise,
}

/// See the module. With the reason, for people.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rise {
    No,
    Clear(String),
    Untold(String),
}

/// Looks at all numbers of subscriptions; `None` with fewer than two.
pub(super) fn find(points: &[FanoutPoint]) -> Option<Found> {
    let most = points.iter().max_by_key(|point| point.subscriptions)?;
    let fewest = points.iter().min_by_key(|point| point.subscriptions)?;
    if most.subscriptions == fewest.subscriptions {
        return None;
    }
    let between = format!("with {} subscriptions as with {}", most.subscriptions, fewest.subscriptions);
    let [few, many] = [fewest, most].map(calm);
    let Some(contrast) = contrast(&few, &many) else {
        let why = format!(
            "whether a delivery costs as much {between} cannot be told: the machine disturbed the samples of one, or the CPUs \
             were elsewhere"
        );
        let ratio = most.cost_per_delivery_ns / fewest.cost_per_delivery_ns;
        return Some(Found { ratio, rise: Rise::Untold(why) });
    };
    let ratio = 1.0 + contrast.change;
    let [fewer, more] = contrast.values;
    let is_far = contrast.apart >= FAR && fewer >= FEWEST && more >= FEWEST;
    let rise = if ratio <= RISES {
        Rise::No
    } else if !contrast.is_enough && !is_far {
        Rise::Untold(format!(
            "a delivery cost {ratio:.2} times as much {between}, in too few samples that compare ({more} and {fewer}) to tell; \
             give more --iterations, from five on",
        ))
    } else if contrast.is_clear || is_far {
        Rise::Clear(format!(
            "a delivery costs {ratio:.2} times as much {between}, more than samples scatter; at most {RISES:.2} times was wanted"
        ))
    } else {
        Rise::No
    };
    Some(Found { ratio, rise })
}

/// What a delivery cost in each undisturbed sample, and where the CPUs were.
fn calm(point: &FanoutPoint) -> Vec<(f64, Option<[f64; 2]>)> {
    let subscriptions = num::float(num::count(point.subscriptions));
    let calm = point.iterations.iter().filter(|sample| sample.noise.reasons().is_empty());
    calm.map(|sample| {
        let placement = sample.noise.placement_before_ns.zip(sample.noise.placement_after_ns);
        (1e9 / (sample.messages_per_sec * subscriptions), placement.map(|(before, after)| [before, after]))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, point};
    use super::*;

    const CALM: [f64; 5] = [10.0, 10.1, 9.9, 10.2, 9.8];

    fn rise(few: &FanoutPoint, many: &FanoutPoint) -> Rise {
        find(&[many.clone(), few.clone()]).unwrap().rise
    }

    #[test]
    fn a_rise_beyond_what_samples_scatter_by_is_clear() {
        let (few, many) = (point(10, &CALM), point(50, &CALM.map(|cost| cost * 1.3)));
        let Rise::Clear(text) = rise(&few, &many) else { panic!("1.3 times as much") };
        assert!(text.contains("1.30 times as much with 50 subscriptions as with 10"), "{text}");
        assert_eq!(rise(&few, &point(50, &CALM.map(|cost| cost * 1.05))), Rise::No);
        assert_eq!(rise(&few, &point(50, &CALM.map(|cost| cost * 0.5))), Rise::No);
    }

    #[test]
    fn a_rise_of_several_times_is_clear_in_as_few_samples_as_a_run_takes_by_default() {
        for count in [2, 3] {
            let (few, dear) = (point(10, &CALM[..count]), CALM.map(|cost| cost * 5.0));
            let Rise::Clear(text) = rise(&few, &point(50, &dear[..count])) else { panic!("{count} a side") };
            assert!(text.contains("5.00 times as much with 50 subscriptions as with 10"), "{text}");
            // What one disturbed sample makes of a median is no rise, and nor is what a machine may do by itself.
            let mut wild = CALM.map(|cost| cost * 5.0);
            wild[0] = 10.0;
            for other in [wild, CALM.map(|cost| cost * 2.0), CALM.map(|cost| cost * 1.3)] {
                let found = rise(&few, &point(50, &other[..count]));
                assert!(matches!(found, Rise::Untold(_)), "{count} a side: {found:?}");
            }
        }
        // One against two, or the like: too few for anything.
        let found = rise(&point(10, &CALM[..2]), &point(50, &[50.0]));
        assert!(matches!(found, Rise::Untold(_)), "{found:?}");
    }

    #[test]
    fn what_is_within_the_scatter_is_no_rise() {
        let wild = point(50, &[12.5, 9.0, 12.0, 9.7, 13.0]);
        assert_eq!(rise(&point(10, &CALM), &wild), Rise::No);
    }

    #[test]
    fn too_few_samples_disturbed_ones_and_other_placements_cannot_tell() {
        let dear = CALM.map(|cost| cost * 1.3);
        let untold = |few: &FanoutPoint, many: &FanoutPoint| match rise(few, many) {
            Rise::Untold(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(untold(&point(10, &CALM[..2]), &point(50, &dear[..2])).contains("too few samples"));
        let near = point(10, &CALM);
        let mut disturbed = point(50, &dear);
        disturbed.iterations.iter_mut().for_each(|one| one.noise.steal_percent = Some(9.0));
        assert!(untold(&near, &disturbed).contains("disturbed"));
        // Farther apart everything costs more, however many receive it.
        assert!(untold(&near, &at(point(50, &dear), 200.0)).contains("elsewhere"));
        assert!(untold(&near, &at(point(50, &CALM), 200.0)).contains("elsewhere"));
    }

    #[test]
    fn one_number_of_subscriptions_tells_nothing() {
        assert_eq!(find(&[point(10, &CALM)]), None);
        assert_eq!(find(&[]), None);
    }
}
