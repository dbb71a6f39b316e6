//! Folding: samples with their stacks into one line per distinct stack, and the functions at the top of them.
//!
//! A recording has every thread of the child in it. The main thread is left out: it coordinates, and calibrates before
//! the run. Where a scenario offers several kinds of load, only the threads of one are kept, by their names: for a level of
//! `saturation` those of open loops, since the closed loops that say what the level is a percentage of are in it too.

use inferno::collapse::Collapse;
use inferno::collapse::perf::Folder;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::num;

/// Functions in a table.
const TOP: usize = 25;

/// Stacks and their counts.
#[derive(Debug)]
pub(super) struct Folded {
    /// A stack and its count a line, the thread's name first.
    pub(super) text: String,
    pub(super) samples: u64,
    /// Samples of other threads.
    pub(super) left_out: u64,
}

/// Folds the output of `perf script`: the stacks of threads under `load`, or of all but the main one.
pub(super) fn fold(script: &[u8], load: Option<&str>) -> Result<Folded, String> {
    let script = String::from_utf8_lossy(script);
    let mut kept = String::new();
    let (mut samples, mut left_out) = (0, 0);
    // A sample is a header and, behind it, a frame a line; an empty line ends it.
    for sample in script.split("\n\n") {
        let sample = sample.trim_start_matches('\n');
        let Some(header) = sample.lines().find(|line| !line.is_empty() && !line.starts_with('#')) else {
            continue;
        };
        if wanted(header, load) {
            samples += 1;
            kept.push_str(sample);
            kept.push_str("\n\n");
        } else {
            left_out += 1;
        }
    }
    if samples == 0 {
        return Err(format!(
            "perf recorded no sample of a role thread, and {left_out} of others; run it longer"
        ));
    }
    let mut text = Vec::new();
    Folder::default()
        .collapse(kept.as_bytes(), &mut text)
        .map_err(|error| format!("cannot fold: {error}"))?;
    let text = String::from_utf8(text).map_err(|error| format!("cannot fold: {error}"))?;
    Ok(Folded { text, samples, left_out })
}

/// Whether the thread of this header is one to keep: `name pid/tid time: event:`, where a name may have spaces.
fn wanted(header: &str, load: Option<&str>) -> bool {
    let words: Vec<&str> = header.split_whitespace().collect();
    let ids = |word: &&str| {
        let (process, thread) = word.split_once('/')?;
        Some((process.parse::<u32>().ok()?, thread.parse::<u32>().ok()?))
    };
    let Some((position, (process, thread))) =
        words.iter().enumerate().find_map(|(position, word)| Some((position, ids(word)?)))
    else {
        return false;
    };
    let name = words[..position].join(" ");
    process != thread && load.is_none_or(|load| name.rsplit('-').next() == Some(load))
}

/// The functions with the most samples of their own, a table a thread name.
pub(super) fn top(folded: &str) -> String {
    let mut threads: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (stack, count) in folded.lines().filter_map(split) {
        let thread = stack.split(';').next().unwrap_or(stack);
        let function = stack.rsplit(';').next().unwrap_or(stack);
        *threads.entry(thread).or_default().entry(function).or_default() += count;
    }
    let mut text =
        String::from("Samples that a function had itself on top of the stack, in percent of its thread's.\n");
    for (thread, functions) in threads {
        let total: u64 = functions.values().sum();
        let mut rows: Vec<_> = functions.into_iter().collect();
        rows.sort_by(|(a, more), (b, less)| less.cmp(more).then(a.cmp(b)));
        // Writing to a string cannot fail.
        write!(text, "\n{thread}: {} samples\n", num::grouped(total)).unwrap_or(());
        for (function, count) in rows.into_iter().take(TOP) {
            let percent = 100.0 * num::float(count) / num::float(total);
            writeln!(text, "{percent:6.2} %  {count:>8}  {function}").unwrap_or(());
        }
    }
    text
}

/// A folded line's stack and count.
fn split(line: &str) -> Option<(&str, u64)> {
    let (stack, count) = line.rsplit_once(' ')?;
    Some((stack, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `perf script` prints it; the last frame is the outermost.
    const SCRIPT: &str = "\
harness 10/10  1.000001: cpu-clock: \n\t5581 calibrate+0x1 (/bin/harness)\n\t5580 main+0x8 (/bin/harness)\n\n\
publisher-full 10/11  1.1: cpu-clock: \n\t5591 memcpy+0x1 (/lib/libc.so.6)\n\t5590 ringmain::publish+0x8 (/bin/harness)\n\n\
publisher-open 10/12  1.2: cpu-clock: \n\t5591 memcpy+0x1 (/lib/libc.so.6)\n\t5590 ringmain::publish+0x8 (/bin/harness)\n\n\
publisher-open 10/12  1.3: cpu-clock: \n\t5591 memcpy+0x9 (/lib/libc.so.6)\n\t5590 ringmain::publish+0x8 (/bin/harness)\n\n\
publisher-open 10/12  1.4: cpu-clock: \n\t5590 ringmain::publish+0xc (/bin/harness)\n\n\
consumer-open 10/13  1.5: cpu-clock: \n\t55a0 ringmain::poll+0x2 (/bin/harness)\n\n";

    #[test]
    fn a_script_is_folded_without_the_main_thread() {
        let folded = fold(SCRIPT.as_bytes(), None).unwrap();
        assert_eq!((folded.samples, folded.left_out), (5, 1));
        assert_eq!(
            folded.text,
            "consumer-open;ringmain::poll 1\n\
             publisher-full;ringmain::publish;memcpy 1\n\
             publisher-open;ringmain::publish 1\n\
             publisher-open;ringmain::publish;memcpy 2\n"
        );
    }

    #[test]
    fn of_a_level_only_the_open_loop_counts() {
        let folded = fold(SCRIPT.as_bytes(), Some("open")).unwrap();
        assert_eq!((folded.samples, folded.left_out), (4, 2));
        assert!(!folded.text.contains("publisher-full"));
    }

    #[test]
    fn nothing_recorded_is_no_profile() {
        let main = SCRIPT.split("\n\n").next().unwrap();
        let error = fold(main.as_bytes(), None).unwrap_err();
        assert!(error.contains("1 of others") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_name_may_have_spaces() {
        assert!(wanted("my own thread 10/12 [001]  1.2: cpu-clock: ", None));
        assert!(!wanted("my own main 10/10 [001]  1.2: cpu-clock: ", None));
    }

    #[test]
    fn the_top_is_by_thread_and_by_own_samples() {
        let folded = fold(SCRIPT.as_bytes(), Some("open")).unwrap();
        let top = top(&folded.text);
        let memcpy = top.find("66.67 %         2  memcpy").unwrap();
        let publish = top.find("33.33 %         1  ringmain::publish").unwrap();
        let poll = top.find("100.00 %         1  ringmain::poll").unwrap();
        assert!(poll < memcpy && memcpy < publish, "{top}");
    }
}
