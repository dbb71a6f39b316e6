//! One line of JSON for each claim. Fields of what was not measured, and a goal that there is not, are null; so is whether
//! it holds, where there were too few samples to tell, the length of samples that are as long as they take, and the number of
//! samples of what was measured elsewhere.

use serde_json::{Map, json};

use crate::case::{Against, Case, Claim, Contender, Work};
use crate::measure::Plan;
use crate::series::Figures;
use crate::verdict::{Ratio, Verdict};

/// A case that could not be measured.
pub(crate) fn json_fault(case: &Case, fault: &str) -> String {
    json!({ "target": case.target, "case": case.name, "holds": null, "fault": fault }).to_string()
}

/// The claim's line, measured by this plan, for so many samples each.
pub(crate) fn json_line(case: &Case, verdict: &Verdict, plan: &Plan, wanted: usize) -> String {
    let ratio = verdict.ratio.as_ref();
    let is_ours = |one: &&Contender| one.name == verdict.ours;
    let is_whole = case.contenders.iter().find(is_ours).is_some_and(|one| matches!(one.work, Work::Whole(_)));
    let is_recorded = |claim: &Claim| {
        let Against::Recorded(whose, _) = claim.against else { return false };
        ratio.is_some_and(|ratio| ratio.theirs.name == whose)
    };
    let recorded = case.claims.iter().any(is_recorded);
    let ours = ratio.map(|ratio| &ratio.ours.figures);
    let theirs = ratio.map(|ratio| &ratio.theirs.figures);
    let count = |figures: Option<&Figures>| figures.map_or(0, |figures| figures.0.len());
    let elsewhere: Map<_, _> = verdict
        .elsewhere
        .iter()
        .map(|ratio| (ratio.placement.name().to_owned(), json!(round(ratio.value()))))
        .collect();
    json!({
        "target": case.target,
        "case": case.name,
        "contender": verdict.ours,
        "ours": ours.map(|figures| round(figures.median())),
        "oursMin": ours.map(|figures| round(figures.min())),
        "oursMax": ours.map(|figures| round(figures.max())),
        "peer": ratio.map(|ratio| &ratio.theirs.name),
        "theirs": theirs.map(|figures| round(figures.median())),
        "theirsMin": theirs.map(|figures| round(figures.min())),
        "theirsMax": theirs.map(|figures| round(figures.max())),
        "unit": case.unit.symbol(),
        "ratio": ratio.map(Ratio::value).map(round),
        "goal": verdict.goal,
        "holds": verdict.holds,
        "placement": ratio.map(|ratio| ratio.placement.name()),
        "samples": [Some(count(ours)), Some(count(theirs)).filter(|_| !recorded)],
        "enough": verdict.enough,
        "elsewhere": elsewhere,
        "wanted": wanted,
        "sampleMs": Some(plan.sample.as_millis()).filter(|_| !is_whole),
        "quick": plan.quick,
    })
    .to_string()
}

/// Six significant digits, which is more than any figure has.
pub(crate) fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Unit;
    use crate::series::{Series, tests::series};
    use crate::verdict::settle;
    use std::time::Duration;

    fn line(goal: Option<f64>, all: &[Series]) -> serde_json::Value {
        let mut case = Case::new("T1", "u64/1024", Unit::Rate);
        case.claim("ring", &["peer"], goal);
        let verdict = settle(&case, &case.claims[0], all, 2).unwrap();
        let sample = Duration::from_millis(100);
        let plan = Plan { repeats: 2, sample, limit: sample, quick: false };
        let line = json_line(&case, &verdict, &plan, 2);
        assert!(!line.contains('\n'));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_line_has_both_sides_of_one_class() {
        let ring = series("ring", &[(10.0, 36.0), (30.0, 36.0), (20.0, 36.0), (99.0, 14.0)]);
        let peer = series("peer", &[(10.0, 36.0), (30.0, 36.0)]);
        let line = line(Some(1.5), &[ring, peer]);
        let expected = json!({
            "target": "T1", "case": "u64/1024", "contender": "ring", "unit": "M/s",
            "ours": 20.0, "oursMin": 10.0, "oursMax": 30.0,
            "peer": "peer", "theirs": 20.0, "theirsMin": 10.0, "theirsMax": 30.0,
            "ratio": 1.0, "goal": 1.5, "holds": false,
            "placement": "near", "samples": [3, 2], "enough": true, "elsewhere": {},
            "wanted": 2, "sampleMs": 100, "quick": false,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_is_there_to_be_seen_neither_holds_nor_fails() {
        let all = ["ring", "peer"].map(|name| series(name, &[(1.0, 36.0)]));
        let line = line(None, &all);
        assert!(line["goal"].is_null() && line["holds"].is_null());
        assert_eq!((line["ratio"].as_f64(), line["enough"].as_bool()), (Some(1.0), Some(false)));
    }

    #[test]
    fn what_was_not_measured_is_null_and_nor_is_it_known_to_hold() {
        let line = line(Some(1.0), &[series("ring", &[(1.0, 36.0)]), series("peer", &[(1.0, 14.0)])]);
        assert!(["ours", "theirs", "peer", "ratio", "placement"].iter().all(|field| line[field].is_null()));
        assert_eq!((line["holds"].as_bool(), &line["samples"]), (None, &json!([0, 0])));
    }

    #[test]
    fn what_measures_itself_has_no_length_and_what_was_measured_elsewhere_no_samples() {
        let mut case = Case::new("T10", "50-waiting", Unit::Rate);
        case.whole("idle", |_| Ok(1.0));
        case.claim_recorded("idle", "asked", 2.0, 0.1);
        let verdict = settle(&case, &case.claims[0], &[series("idle", &[(1.0, 36.0)])], 1).unwrap();
        let sample = Duration::from_millis(100);
        let plan = Plan { repeats: 1, sample, limit: sample, quick: false };
        let line: serde_json::Value = serde_json::from_str(&json_line(&case, &verdict, &plan, 1)).unwrap();
        assert_eq!((&line["sampleMs"], &line["samples"]), (&json!(null), &json!([1, null])));
        assert_eq!((line["theirs"].as_f64(), line["holds"].as_bool()), (Some(2.0), Some(true)));
    }

    #[test]
    fn small_figures_keep_their_digits() {
        assert!((round(0.009_384) - 0.009_384).abs() < 1e-12);
        assert!((round(1_234_567.0) - 1_234_570.0).abs() < 1e-6);
    }
}
