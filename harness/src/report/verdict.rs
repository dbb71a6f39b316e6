//! The last lines of a run: what came of it, in agreement with the exit code.

use super::Paint;
use crate::Verdict;

/// The verdict in a word, as in a table.
pub(crate) fn word(verdict: Verdict, paint: Paint) -> String {
    match verdict {
        Verdict::Passed => paint.good("passed"),
        Verdict::Noisy => paint.bad("noisy "),
        Verdict::Failed | Verdict::Usage => paint.bad("failed"),
    }
}

/// The verdict, and below it everything for which the run failed, or would have on a calm machine.
pub(crate) fn lines<'a>(
    verdict: Verdict,
    failures: impl Iterator<Item = &'a String>,
    paint: Paint,
) -> Vec<String> {
    let failures: Vec<String> = failures.map(|failure| format!("  {}", paint.bad(failure))).collect();
    let first = match verdict {
        Verdict::Noisy => paint.bad(&format!(
            "cannot be told, the machine was too noisy (exit 3 under --strict): {}",
            if failures.is_empty() { "it passed all the same" } else { "what it failed by may be noise" }
        )),
        Verdict::Passed | Verdict::Failed | Verdict::Usage => word(verdict, paint),
    };
    std::iter::once(first).chain(failures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_say_what_the_exit_code_says() {
        let of = |verdict, failures: &[&str]| {
            let failures: Vec<String> = failures.iter().map(|text| (*text).to_owned()).collect();
            lines(verdict, failures.iter(), Paint::plain())
        };
        assert_eq!(of(Verdict::Passed, &[]), ["passed"]);
        assert_eq!(of(Verdict::Failed, &["1 lost"]), ["failed", "  1 lost"]);
        for (failures, also) in [(&[][..], "passed all the same"), (&["slow"], "may be noise")] {
            let lines = of(Verdict::Noisy, failures);
            assert!(lines[0].contains("too noisy (exit 3") && lines[0].contains(also), "{lines:?}");
            assert_eq!(lines.len(), 1 + failures.len());
        }
    }
}
