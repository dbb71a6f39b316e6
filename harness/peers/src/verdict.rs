//! What became of a claim.
//!
//! Medians are compared within one class: the one in which all contenders of the claim have the most samples.
//! The best of several peers is the best in that class. Other classes that are filled as well as they should be
//! are told beside it and decide nothing.

use crate::case::{Against, Case, Claim};
use crate::placement::Placement;
use crate::series::{Figures, Series, best_filled, fewest};

/// One side of a ratio.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) name: String,
    pub(crate) figures: Figures,
}

/// A ratio of medians in one class.
#[derive(Clone, Debug)]
pub(crate) struct Ratio {
    pub(crate) placement: Placement,
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
}

impl Ratio {
    pub(crate) fn value(&self) -> f64 {
        self.ours.figures.median() / self.theirs.figures.median()
    }
}

/// A claim, settled.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// None when there is no class in which all of them have a sample.
    pub(crate) ratio: Option<Ratio>,
    /// The same in other classes with enough samples.
    pub(crate) elsewhere: Vec<Ratio>,
    pub(crate) ours: String,
    pub(crate) goal: Option<f64>,
    /// Whether each side had as many samples as it should.
    pub(crate) enough: bool,
    /// None when there was no goal, or not enough to tell.
    pub(crate) holds: Option<bool>,
}

/// Settles a claim. One about a contender that did not run is a mistake in the table.
pub(crate) fn settle(
    case: &Case,
    claim: &Claim,
    series: &[Series],
    repeats: usize,
) -> Result<Verdict, String> {
    let place = format!("{} {}", case.target, case.name);
    let find = |name: &String| {
        let found = series.iter().find(|series| series.name == *name);
        found.ok_or_else(|| format!("{place}: no contender is called `{name}`; add it to the case"))
    };
    let ours = find(&claim.ours)?;
    let peers = match &claim.against {
        Against::Best(names) if names.is_empty() => return Err(format!("{place}: a claim names no peer")),
        Against::Best(names) => names.iter().map(find).collect::<Result<Vec<_>, _>>()?,
        Against::Recorded(..) => Vec::new(),
    };
    let all: Vec<_> = peers.iter().copied().chain([ours]).collect();
    let side =
        |series: &Series, placement| Side { name: series.name.clone(), figures: series.figures(placement) };
    let ratio_in = |placement| {
        let theirs = match claim.against {
            Against::Recorded(whose, figure) => {
                Some(Side { name: whose.into(), figures: Figures(vec![figure]) })
            }
            Against::Best(_) => peers.iter().map(|peer| side(peer, placement)).max_by(|a, b| {
                let order = a.figures.median().total_cmp(&b.figures.median());
                if case.unit.more_is_better() { order } else { order.reverse() }
            }),
        };
        theirs.map(|theirs| Ratio { placement, ours: side(ours, placement), theirs })
    };
    let main = best_filled(&all);
    let well_filled = |placement: &Placement| fewest(&all, *placement) >= repeats;
    let others = Placement::ALL.into_iter().filter(|placement| Some(*placement) != main);
    let ratio = main.and_then(ratio_in);
    let meets = |goal: f64| {
        ratio.as_ref().is_some_and(|ratio| {
            if case.unit.more_is_better() { ratio.value() >= goal } else { ratio.value() <= goal }
        })
    };
    let enough = main.as_ref().is_some_and(well_filled);
    Ok(Verdict {
        elsewhere: others.filter(well_filled).filter_map(ratio_in).collect(),
        ours: claim.ours.clone(),
        goal: claim.goal,
        enough,
        holds: claim.goal.filter(|_| enough).map(meets),
        ratio,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Unit;
    use crate::series::tests::series;

    fn settled(unit: Unit, goal: f64, all: &[Series]) -> Verdict {
        let mut case = Case::new("T1", "test", unit);
        case.claim("ours", &["slow", "fast"], goal);
        settle(&case, &case.claims[0], all, 2).unwrap()
    }

    /// Ours 20, and peers of 10 and 40.
    fn three() -> [Series; 3] {
        let near = |name, figures: &[f64]| {
            series(name, &figures.iter().map(|&figure| (figure, 35.0)).collect::<Vec<_>>())
        };
        [near("ours", &[1.0, 30.0, 20.0]), near("slow", &[10.0, 10.0]), near("fast", &[40.0, 40.0])]
    }

    #[test]
    fn a_rate_is_held_against_the_highest_and_is_to_reach_the_goal() {
        let verdict = settled(Unit::Rate, 0.5, &three());
        assert_eq!(verdict.ratio.unwrap().theirs.name, "fast");
        assert_eq!(verdict.holds, Some(true));
        assert_eq!(settled(Unit::Rate, 0.51, &three()).holds, Some(false));
    }

    #[test]
    fn a_time_is_held_against_the_lowest_and_is_to_stay_below_the_goal() {
        for unit in [Unit::Median, Unit::RoundTrip, Unit::Herd, Unit::Publish, Unit::Share, Unit::Tail] {
            let verdict = settled(unit, 2.0, &three());
            assert_eq!(verdict.ratio.unwrap().theirs.name, "slow");
            assert_eq!(verdict.holds, Some(true));
            assert_eq!(settled(unit, 1.99, &three()).holds, Some(false));
        }
    }

    #[test]
    fn sides_are_compared_within_one_class() {
        // Over all samples ours is five times as fast; side by side it is half as fast.
        let ours = series("ours", &[(10.0, 36.0), (10.0, 36.0), (500.0, 14.0), (500.0, 14.0), (500.0, 14.0)]);
        let peer = |name| series(name, &[(20.0, 36.0), (20.0, 36.0), (100.0, 220.0)]);
        let verdict = settled(Unit::Rate, 1.0, &[ours, peer("slow"), peer("fast")]);
        let ratio = verdict.ratio.unwrap();
        assert_eq!((ratio.placement, ratio.ours.figures.0.len()), (Placement::Near, 2));
        assert!((ratio.value() - 0.5).abs() < 1e-9);
        assert_eq!((verdict.holds, verdict.enough, verdict.elsewhere.len()), (Some(false), true, 0));
    }

    #[test]
    fn other_well_filled_classes_are_told() {
        let both = |name| series(name, &[(1.0, 36.0), (1.0, 36.0), (1.0, 220.0), (1.0, 220.0)]);
        let verdict = settled(Unit::Rate, 1.0, &["ours", "slow", "fast"].map(both));
        assert_eq!(verdict.elsewhere.len(), 1);
        assert_eq!(verdict.elsewhere[0].placement, Placement::Far);
    }

    #[test]
    fn without_enough_samples_in_one_class_nothing_is_decided() {
        let all =
            [series("ours", &[(9.0, 36.0)]), series("slow", &[(1.0, 14.0)]), series("fast", &[(1.0, 14.0)])];
        let verdict = settled(Unit::Rate, 0.1, &all);
        assert!(verdict.ratio.is_none() && !verdict.enough && verdict.holds.is_none());
        let few = ["ours", "slow", "fast"].map(|name| series(name, &[(1.0, 36.0)]));
        let verdict = settled(Unit::Rate, 0.1, &few);
        assert!(verdict.ratio.is_some() && !verdict.enough && verdict.holds.is_none());
    }

    #[test]
    fn a_recorded_figure_is_a_peer_in_every_class() {
        let mut case = Case::new("T14", "test", Unit::Rate);
        case.claim_recorded("ours", "the record", 0.01, 1_000.0);
        let verdict = settle(&case, &case.claims[0], &three(), 2).unwrap();
        assert!((verdict.ratio.unwrap().value() - 2_000.0).abs() < 1e-6);
        assert_eq!(verdict.holds, Some(true));
    }

    #[test]
    fn a_claim_about_nobody_is_a_mistake() {
        let mut case = Case::new("T1", "test", Unit::Rate);
        case.claim("ours", &["nobody"], 1.0);
        assert!(settle(&case, &case.claims[0], &three(), 2).unwrap_err().contains("nobody"));
    }
}
