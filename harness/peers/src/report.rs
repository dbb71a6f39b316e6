//! What people and programs read: a table for each case, or one line of JSON for each claim.

use std::fmt::Write;

use serde_json::json;

use crate::measure::{Series, Unit, median};
use crate::targets::{Case, Claim};

/// A claim, settled.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    ours: &'a Series,
    theirs: &'a Series,
    ratio: f64,
    goal: f64,
    pub(crate) holds: bool,
}

/// Compares medians. A claim about a contender that did not run is a mistake in the table.
pub(crate) fn settle<'a>(case: &Case, claim: &Claim, series: &'a [Series]) -> Result<Verdict<'a>, String> {
    let find = |name: &String| {
        let found = series.iter().find(|series| series.name == *name);
        found.ok_or_else(|| {
            format!("{} {}: no contender is called `{name}`; add it to the case", case.target, case.name)
        })
    };
    let ours = find(&claim.ours)?;
    let peers = claim.peers.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let rate = case.unit == Unit::Rate;
    let better = |a: &&Series, b: &&Series| {
        let order = a.median().total_cmp(&b.median());
        if rate { order } else { order.reverse() }
    };
    let theirs = peers.into_iter().max_by(better).ok_or("a claim names no peer")?;
    let ratio = ours.median() / theirs.median();
    let holds = if rate { ratio >= claim.goal } else { ratio <= claim.goal };
    Ok(Verdict { ours, theirs, ratio, goal: claim.goal, holds })
}

/// One line of JSON.
pub(crate) fn json_line(case: &Case, verdict: &Verdict<'_>) -> String {
    let round = |value: f64| (value * 1e3).round() / 1e3;
    let Verdict { ours, theirs, ratio, goal, holds } = verdict;
    let lines: Vec<f64> = ours.lines.iter().chain(&theirs.lines).copied().collect();
    json!({
        "target": case.target,
        "case": case.name,
        "contender": ours.name,
        "ours": round(ours.median()),
        "peer": theirs.name,
        "theirs": round(theirs.median()),
        "ratio": round(*ratio),
        "goal": goal,
        "holds": holds,
        "unit": symbol(case.unit),
        "ours_min": round(ours.min()),
        "ours_max": round(ours.max()),
        "theirs_min": round(theirs.min()),
        "theirs_max": round(theirs.max()),
        "line_ns": round(median(&lines)),
        "disturbed": ours.disturbed + theirs.disturbed,
    })
    .to_string()
}

/// A table of the contenders, and what became of the claims.
pub(crate) fn table(case: &Case, series: &[Series], verdicts: &[Verdict<'_>]) -> String {
    let lines: Vec<f64> = series.iter().flat_map(|series| &series.lines).copied().collect();
    let (nearest, farthest) =
        lines.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), &line| (a.min(line), b.max(line)));
    let mut text = String::new();
    // Writing to a string does not fail.
    writeln!(
        text,
        "{} {} [{}]  cache line {:.0} ns ({nearest:.0}..{farthest:.0})",
        case.target,
        case.name,
        symbol(case.unit),
        median(&lines)
    )
    .ok();
    for series in series {
        let mark =
            if series.disturbed > 0 { format!("  {} disturbed", series.disturbed) } else { String::new() };
        writeln!(
            text,
            "  {:<36} {:>9} ({} .. {}){mark}",
            series.name,
            figure(series.median()),
            figure(series.min()),
            figure(series.max())
        )
        .ok();
    }
    for verdict in verdicts {
        let sign = if case.unit == Unit::Rate { ">=" } else { "<=" };
        writeln!(
            text,
            "  {} {} is {:.2}x {} (goal {sign} {})",
            if verdict.holds { "holds:" } else { "FAILS:" },
            verdict.ours.name,
            verdict.ratio,
            verdict.theirs.name,
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

    fn series(name: &str, figures: &[f64]) -> Series {
        Series { name: name.into(), figures: figures.to_vec(), lines: vec![35.0], disturbed: 0 }
    }

    fn case(unit: Unit) -> Case {
        Case { target: "T1", name: "u64/64".into(), unit, contenders: Vec::new(), claims: Vec::new() }
    }

    fn claim(goal: f64) -> Claim {
        Claim { ours: "ours".into(), peers: vec!["slow".into(), "fast".into()], goal }
    }

    #[test]
    fn a_rate_is_held_against_the_highest_and_a_time_against_the_lowest() {
        let all = [series("ours", &[1.0, 30.0, 20.0]), series("slow", &[10.0]), series("fast", &[40.0])];
        let rate = settle(&case(Unit::Rate), &claim(0.6), &all).unwrap();
        assert_eq!((rate.theirs.name.as_str(), rate.holds), ("fast", false));
        let time = settle(&case(Unit::RoundTrip), &claim(2.0), &all).unwrap();
        assert_eq!((time.theirs.name.as_str(), time.holds), ("slow", true));
        let line: serde_json::Value = serde_json::from_str(&json_line(&case(Unit::Rate), &rate)).unwrap();
        assert_eq!((line["ratio"].as_f64(), line["holds"].as_bool()), (Some(0.5), Some(false)));
    }

    #[test]
    fn a_claim_about_nobody_is_a_mistake() {
        assert!(
            settle(&case(Unit::Rate), &claim(1.0), &[series("ours", &[1.0])]).unwrap_err().contains("slow")
        );
    }
}
