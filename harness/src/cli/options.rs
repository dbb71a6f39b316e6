//! Which option means something in which scenario.
//!
//! An option that would do nothing is refused, so that nobody believes to have measured what it says. Options that
//! are not in this table mean the same in every scenario. `all` takes what any of its scenarios takes, and hands
//! each of them its own.

use super::{Arguments, Scenario};
use Scenario::{Fanout, Firehose, Replay, Saturation, Soak, Throughput, ThunderingHerd};

/// An option that only some scenarios take.
struct Row {
    name: &'static str,
    given: fn(&Arguments) -> bool,
    clear: fn(&mut Arguments),
    of: &'static [Scenario],
}

/// A row for an option that is an `Option` or a list in [`Arguments`].
macro_rules! row {
    ($name:literal, $field:ident.$given:ident, $of:expr) => {
        Row {
            name: $name,
            given: |arguments| !arguments.$field.$given(),
            clear: |arguments| arguments.$field = Default::default(),
            of: &$of,
        }
    };
}

const TABLE: [Row; 21] = [
    row!("--levels", levels.is_empty, [Saturation]),
    row!("--capacity", capacity.is_none, [Saturation, Soak]),
    row!("--messages", messages.is_none, [Throughput, Firehose]),
    row!("--duration", duration.is_none, [Throughput, Saturation, Fanout, Soak]),
    row!("--warmup", warmup.is_none, [Throughput, Saturation, Fanout, Soak]),
    row!("--iterations", iterations.is_none, [Throughput, Saturation, Fanout, ThunderingHerd, Replay]),
    row!("--payload", payload.is_empty, [Throughput, Saturation, Fanout, Firehose, ThunderingHerd, Soak]),
    row!("--mix", mix.is_none, [Throughput, Saturation, Fanout, ThunderingHerd, Soak]),
    row!("--input", input.is_none, [Throughput, Saturation, Fanout, Replay]),
    row!("--key-field", key_field.is_none, [Throughput, Saturation, Fanout, Replay]),
    row!("--time-field", time_field.is_none, [Replay]),
    row!("--speed", speed.is_none, [Replay]),
    row!("--ordering-keys", ordering_keys.is_none, [Throughput, Saturation, Fanout, ThunderingHerd]),
    row!("--publishers", publishers.is_none, [Throughput, Saturation, Fanout, ThunderingHerd, Soak]),
    row!(
        "--subscriptions",
        subscriptions.is_empty,
        [Throughput, Saturation, Fanout, ThunderingHerd, Soak, Replay]
    ),
    row!("--consumers", consumers.is_none, [Throughput, Saturation, Fanout, ThunderingHerd]),
    row!("--overflow", overflow.is_none, [Throughput, Saturation]),
    row!("--pin", pin.is_none, [Throughput, Saturation, Fanout, Firehose, Replay]),
    row!("--batch", batch.is_none, [Throughput, Saturation, Fanout]),
    row!("--read", read.is_none, [Throughput, Saturation, Fanout, ThunderingHerd, Replay]),
    row!("--mode", mode.is_none, [Throughput, Saturation, Fanout, Firehose, ThunderingHerd, Replay]),
];

/// Refuses what would do nothing.
pub(super) fn check(arguments: &Arguments) -> Result<(), String> {
    let scenarios = arguments.scenario.parts(arguments.input.is_some());
    for row in TABLE.iter().filter(|row| (row.given)(arguments)) {
        if !row.of.iter().any(|taker| scenarios.contains(taker)) {
            let names: Vec<&str> = row.of.iter().map(|scenario| scenario.name()).collect();
            return Err(format!(
                "{} does nothing in --scenario {}; it belongs to --scenario {}",
                row.name,
                arguments.scenario.name(),
                names.join(", ")
            ));
        }
    }
    Ok(())
}

/// The arguments as `scenario` gets them, which is one of those that were asked for.
pub(super) fn of(scenario: Scenario, arguments: &Arguments) -> Arguments {
    let mut own = Arguments { scenario, ..arguments.clone() };
    if arguments.scenario == Scenario::All {
        TABLE.iter().filter(|row| !row.of.contains(&scenario)).for_each(|row| (row.clear)(&mut own));
        if scenario != Replay {
            // Among all of them the lines are for the one that is about them.
            (own.input, own.key_field) = (None, None);
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn arguments(line: &str) -> Arguments {
        let words = std::iter::once("harness").chain(line.split_whitespace());
        Arguments::try_parse_from(words).unwrap()
    }

    #[test]
    fn what_does_nothing_is_told_where_it_belongs() {
        for (line, part) in [
            ("--scenario throughput --levels 50", "belongs to --scenario saturation"),
            ("--scenario saturation --messages 5", "belongs to --scenario throughput, firehose"),
            ("--scenario firehose --subscriptions 2", "--subscriptions does nothing in --scenario firehose"),
            ("--scenario soak --mode leased", "--mode does nothing"),
            ("--scenario thundering-herd --batch 4", "--batch does nothing"),
            ("--scenario fanout --input x --time-field t --speed 2", "belongs to --scenario replay"),
            ("--scenario firehose --mix 1x1KB", "--mix does nothing"),
        ] {
            let error = check(&arguments(line)).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
        }
    }

    #[test]
    fn all_takes_what_one_of_its_scenarios_takes_and_gives_it_to_that_one_alone() {
        let all = arguments("--scenario all --levels 50 --input x --payload 10KB");
        check(&all).unwrap();
        let throughput = of(Throughput, &all);
        assert!(throughput.levels.is_empty() && throughput.input.is_none());
        assert_eq!((throughput.payload, of(Saturation, &all).levels), (vec![10_240], vec![50.0]));
        let replay = of(Replay, &all);
        assert!(replay.input.is_some() && replay.payload.is_empty());
    }
}
