//! What people and programs read: a table for each case, or one line of JSON for each claim.

use std::fmt::Write;

use serde_json::json;

use crate::measure::Unit;
use crate::placement::Placement;
use crate::series::{Figures, Series, best_filled, median};
use crate::targets::{Case, Claim};

/// A claim, settled.
#[derive(Debug)]
pub(crate) struct Verdict {
    ours: (String, Figures),
    theirs: (String, Figures),
    /// The class that both were measured in.
    placement: Placement,
    ratio: f64,
    goal: f64,
    pub(crate) holds: bool,
}

/// Compares medians within the class in which all contenders of the claim have the most samples. A claim
/// about a contender that did not run is a mistake in the table.
pub(crate) fn settle(case: &Case, claim: &Claim, series: &[Series]) -> Result<Verdict, String> {
    let place = format!("{} {}", case.target, case.name);
    let find = |name: &String| {
        let found = series.iter().find(|series| series.name == *name);
        found.ok_or_else(|| format!("{place}: no contender is called `{name}`; add it to the case"))
    };
    let ours = find(&claim.ours)?;
    let peers = claim.peers.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let (placement, _) = best_filled(peers.iter().copied().chain([ours]))
        .ok_or_else(|| format!("{place}: no placement in which all of the claim have a sample; try again"))?;
    let of = |series: &Series| (series.name.clone(), series.figures(placement));
    let rate = case.unit == Unit::Rate;
    let better = |a: &(String, Figures), b: &(String, Figures)| {
        let order = a.1.median().total_cmp(&b.1.median());
        if rate { order } else { order.reverse() }
    };
    let ours = of(ours);
    let theirs = peers.into_iter().map(of).max_by(better).ok_or("a claim names no peer")?;
    let ratio = ours.1.median() / theirs.1.median();
    let holds = if rate { ratio >= claim.goal } else { ratio <= claim.goal };
    Ok(Verdict { ours, theirs, placement, ratio, goal: claim.goal, holds })
}

/// One line of JSON.
pub(crate) fn json_line(case: &Case, verdict: &Verdict) -> String {
    let round = |value: f64| (value * 1e3).round() / 1e3;
    let Verdict { ours: (name, ours), theirs: (peer, theirs), placement, ratio, goal, holds } = verdict;
    json!({
        "target": case.target,
        "case": case.name,
        "contender": name,
        "ours": round(ours.median()),
        "oursMin": round(ours.min()),
        "oursMax": round(ours.max()),
        "peer": peer,
        "theirs": round(theirs.median()),
        "theirsMin": round(theirs.min()),
        "theirsMax": round(theirs.max()),
        "ratio": round(*ratio),
        "goal": goal,
        "holds": holds,
        "placement": placement.name(),
        "samples": [ours.0.len(), theirs.0.len()],
        "unit": symbol(case.unit),
    })
    .to_string()
}

/// A table of the contenders, and what became of the claims.
pub(crate) fn table(case: &Case, series: &[Series], verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    let lines = |placement: Placement| {
        let points = series.iter().flat_map(|series| &series.points);
        points.filter(|point| point.placement == placement).map(|point| point.line).collect::<Vec<_>>()
    };
    let classes: Vec<_> = Placement::ALL.into_iter().filter(|&class| lines(class).len() > 1).collect();
    // Writing to a string does not fail.
    write!(text, "{:<38}", format!("{} {} [{}]", case.target, case.name, symbol(case.unit))).ok();
    for &class in &classes {
        write!(text, "  {:<29}", format!("{}, {:.0} ns", class.name(), median(&lines(class)))).ok();
    }
    writeln!(text).ok();
    for series in series {
        write!(text, "  {:<36}", series.name).ok();
        for &class in &classes {
            let figures = series.figures(class);
            let cell = if figures.0.is_empty() {
                "-".into()
            } else {
                let [median, min, max] = [figures.median(), figures.min(), figures.max()].map(figure);
                format!("{median:>6} ({min} .. {max}) n={}", figures.0.len())
            };
            write!(text, "  {cell:<29}").ok();
        }
        if series.discarded > 0 {
            write!(text, "  {} discarded", series.discarded).ok();
        }
        text.truncate(text.trim_end().len());
        writeln!(text).ok();
    }
    for verdict in verdicts {
        let sign = if case.unit == Unit::Rate { ">=" } else { "<=" };
        writeln!(
            text,
            "  {} {} is {:.2}x {} ({}, n {} and {}; goal {sign} {})",
            if verdict.holds { "holds:" } else { "FAILS:" },
            verdict.ours.0,
            verdict.ratio,
            verdict.theirs.0,
            verdict.placement.name(),
            verdict.ours.1.0.len(),
            verdict.theirs.1.0.len(),
            verdict.goal
        )
        .ok();
    }
    text
}

fn symbol(unit: Unit) -> &'static str {
    match unit {
        Unit::Rate => "M/s",
        Unit::Median => "ns p50",
        Unit::RoundTrip => "ns round trip",
    }
}

/// Three significant digits or so.
fn figure(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::series;

    fn case(unit: Unit) -> Case {
        Case { target: "T1", name: "u64/64".into(), unit, contenders: Vec::new(), claims: Vec::new() }
    }

    fn claim(goal: f64) -> Claim {
        Claim { ours: "ours".into(), peers: vec!["slow".into(), "fast".into()], goal }
    }

    #[test]
    fn a_rate_is_held_against_the_highest_and_a_time_against_the_lowest() {
        let all = [
            series("ours", &[(1.0, 35.0), (30.0, 35.0), (20.0, 35.0)]),
            series("slow", &[(10.0, 35.0)]),
            series("fast", &[(40.0, 35.0)]),
        ];
        let rate = settle(&case(Unit::Rate), &claim(0.6), &all).unwrap();
        assert_eq!((rate.theirs.0.as_str(), rate.holds), ("fast", false));
        let time = settle(&case(Unit::RoundTrip), &claim(2.0), &all).unwrap();
        assert_eq!((time.theirs.0.as_str(), time.holds), ("slow", true));
        let line: serde_json::Value = serde_json::from_str(&json_line(&case(Unit::Rate), &rate)).unwrap();
        assert_eq!((line["ratio"].as_f64(), line["holds"].as_bool()), (Some(0.5), Some(false)));
    }

    #[test]
    fn a_claim_about_nobody_is_a_mistake() {
        let ours = [series("ours", &[(1.0, 35.0)])];
        assert!(settle(&case(Unit::Rate), &claim(1.0), &ours).unwrap_err().contains("slow"));
    }
}
