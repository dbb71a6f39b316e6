//! A table of a case's contenders, a column a placement class, and what became of its claims.

use std::fmt::Write;

use super::{figure, sign};
use crate::case::Case;
use crate::placement::Placement;
use crate::series::{Discard, Series, median};
use crate::verdict::Verdict;

/// The case's table; ends with a newline.
pub(crate) fn table(case: &Case, series: &[Series], verdicts: &[Verdict]) -> String {
    let has_samples = |class: &Placement| series.iter().any(|series| series.count(*class) > 0);
    let classes: Vec<_> = Placement::ALL.into_iter().filter(has_samples).collect();
    let mut rows = vec![head(case, series, &classes)];
    rows.extend(series.iter().map(|series| row(series, &classes)));
    rows.extend(verdicts.iter().map(|verdict| outcome(case, verdict)));
    rows.into_iter().fold(String::new(), |text, row| text + row.trim_end() + "\n")
}

// Writing to a string does not fail.
fn head(case: &Case, series: &[Series], classes: &[Placement]) -> String {
    let mut text = format!("{:<38}", format!("{} {} [{}]", case.target, case.name, case.unit.symbol()));
    for &class in classes {
        let points = series.iter().flat_map(|series| &series.points);
        let lines: Vec<_> =
            points.filter(|point| point.placement == class).filter_map(|point| point.line).collect();
        let distance = if lines.is_empty() { String::new() } else { format!(", {:.0} ns", median(&lines)) };
        write!(text, "  {:<30}", format!("{}{distance}", class.name())).ok();
    }
    text
}

fn row(series: &Series, classes: &[Placement]) -> String {
    let mut text = format!("  {:<36}", series.name);
    for &class in classes {
        let figures = series.figures(class);
        let cell = match figures.0.len() {
            0 => format!("{:>7}", "-"),
            1 => format!("{:>7} n=1", figure(figures.median())),
            count => {
                let [median, min, max] = [figures.median(), figures.min(), figures.max()].map(figure);
                format!("{median:>7} ({min} .. {max}) n={count}")
            }
        };
        write!(text, "  {cell:<30}").ok();
    }
    let counts = [(Discard::Moved, "moved"), (Discard::Disturbed, "disturbed"), (Discard::Short, "short")];
    for (why, name) in counts {
        let count = series.discarded.iter().filter(|&&discard| discard == why).count();
        if count > 0 {
            write!(text, " {count} {name}").ok();
        }
    }
    text
}

fn outcome(case: &Case, verdict: &Verdict) -> String {
    let mark = match (verdict.holds, verdict.goal) {
        (Some(true), _) => "holds:",
        (Some(false), _) => "FAILS:",
        (None, Some(_)) => "UNDECIDED:",
        (None, None) => "shows:",
    };
    let goal = verdict
        .goal
        .map_or(String::new(), |goal| format!("; goal {} {goal}", sign(case.unit.more_is_better())));
    let Some(ratio) = &verdict.ratio else {
        return format!(
            "  {mark} {}: no class in which all had a sample that counts (see what was moved or disturbed){goal}",
            verdict.ours
        );
    };
    let few = if verdict.enough { "" } else { ", fewer than wanted" };
    let mut text = format!(
        "  {mark} {} is {}x {} ({}, n {} and {}{few}{goal})",
        verdict.ours,
        figure(ratio.value()),
        ratio.theirs.name,
        ratio.placement.name(),
        ratio.ours.figures.0.len(),
        ratio.theirs.figures.0.len(),
    );
    for other in &verdict.elsewhere {
        write!(text, "; {} {}x {}", other.placement.name(), figure(other.value()), other.theirs.name).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Unit;
    use crate::series::tests::series;
    use crate::verdict::settle;

    #[test]
    fn a_table_has_a_column_a_class_and_says_what_failed() {
        let mut case = Case::new("T9", "p50", Unit::Median);
        case.claim("ours", &["peer"], 0.5);
        let mut peer = series("peer", &[(400.0, 36.0), (500.0, 14.0)]);
        peer.discarded = vec![Discard::Moved, Discard::Moved, Discard::Short];
        let all = [series("ours", &[(300.0, 36.0)]), peer];
        let verdict = settle(&case, &case.claims[0], &all, 2).unwrap();
        let text = table(&case, &all, &[verdict]);
        assert!(text.contains("sibling, 14 ns") && text.contains("near, 36 ns"), "{text}");
        assert!(text.contains("2 moved 1 short"), "{text}");
        let told = "UNDECIDED: ours is 0.7500x peer (near, n 1 and 1, fewer than wanted; goal <= 0.5)";
        assert!(text.contains(told), "{text}");
        let verdict = settle(&case, &case.claims[0], &all, 1).unwrap();
        let text = table(&case, &all, &[verdict]);
        assert!(text.contains("FAILS: ours is 0.7500x peer (near, n 1 and 1; goal <= 0.5)"), "{text}");
    }
}
