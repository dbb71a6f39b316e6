//! The command line: what may be asked, and what is wrong with it in one line.
//!
//! [`Arguments`] is what was written, [`settings::Settings`] what it means once defaults are filled in and
//! everything that would do nothing is refused. An option is an `Option` here wherever the scenario decides on the
//! default, or where it matters whether it was given at all. A sub-command takes none of these options; see
//! [`crate::commands`].

mod checks;
mod options;
pub(crate) mod payloads;
pub(crate) mod settings;
pub(crate) mod units;

use clap::error::ErrorKind;
use clap::{Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

use crate::commands::Command;
use crate::inject::Inject;
use crate::pin::Pinning;
use units::{Capacity, Mix};

/// The scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Closed loop at the maximum rate.
    Throughput,
    /// Bursts, with nobody there and with somebody, by reference and written.
    Firehose,
    /// One message to many subscriptions.
    Fanout,
    /// A thousand publishers at once.
    ThunderingHerd,
    /// Open loop at percentages of the measured capacity.
    Saturation,
    /// Half the capacity for long, with everything coming and going.
    Soak,
    /// The lines of a file, in their order or at their times.
    Replay,
    /// Every one of them in turn.
    All,
}

impl Scenario {
    pub(crate) const EVERY: [Self; 8] = [
        Self::Throughput,
        Self::Firehose,
        Self::Fanout,
        Self::ThunderingHerd,
        Self::Saturation,
        Self::Soak,
        Self::Replay,
        Self::All,
    ];

    /// The name on the command line and in results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Firehose => "firehose",
            Self::Fanout => "fanout",
            Self::ThunderingHerd => "thundering-herd",
            Self::Saturation => "saturation",
            Self::Soak => "soak",
            Self::Replay => "replay",
            Self::All => "all",
        }
    }

    /// What is run for it: itself, or every other one (a replay only when there is something to replay).
    pub(crate) fn parts(self, input: bool) -> Vec<Self> {
        let part = |one: &Self| *one != Self::All && (input || *one != Self::Replay);
        if self == Self::All { Self::EVERY.into_iter().filter(part).collect() } else { vec![self] }
    }

    fn parse(text: &str) -> Result<Self, String> {
        Self::EVERY.into_iter().find(|scenario| scenario.name() == text).ok_or_else(|| {
            let names = Self::EVERY.map(Self::name).join(", ");
            format!("unknown scenario '{text}'; there are {names}")
        })
    }
}

/// How deliveries are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The handler reads in the ring and returns a verdict.
    InPlace,
    /// Each delivery is owned, with a lease, and acknowledged by a call.
    Leased,
    /// As leased, from an async stream.
    Stream,
}

/// What a full subscription does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverflowPolicy {
    /// The publisher waits; nothing is lost.
    Block,
    /// The oldest messages go, and are counted.
    DropOldest,
    /// The subscription goes.
    Detach,
}

/// How the engine waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// Spins, giving way only when more threads spin than there are CPUs.
    Spin,
    /// Spins for about one wake-up, then sleeps.
    SpinThenPark,
    /// Gives way a few times, then sleeps.
    Park,
}

/// What readers look at in each payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadDepth {
    /// The first and last eight bytes.
    Ends,
    /// A checksum of every byte.
    All,
}

/// When to colour the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the harness exits with, below its options.
const EXIT: &str =
    "Exit codes: 0 passed, 1 failed its criteria, 2 wrong usage, 3 too noisy to tell (--strict, compare)";

/// Measures Ringmain: how much it carries, how fast, and when it saturates.
#[derive(Debug, Clone, Parser)]
#[command(name = "harness", version, about, long_about = None, max_term_width = 100, after_help = EXIT)]
pub(crate) struct Arguments {
    /// What to run: throughput, firehose, fanout, thundering-herd, saturation, soak, replay, or all of them
    #[arg(long, value_parser = Scenario::parse)]
    pub(crate) scenario: Scenario,
    /// Load levels in percent of the measured capacity, in the order given [saturation; default: 50,75,90,100,110,125]
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_parser = units::level)]
    pub(crate) levels: Vec<f64>,
    /// The capacity in messages a second, or auto to search it [saturation, soak; default: auto]
    #[arg(long, allow_hyphen_values = true, value_parser = units::capacity)]
    pub(crate) capacity: Option<Capacity>,
    /// Payload sizes; one run each. KB and MB are binary [default: 1KB; firehose: 1KB,10KB,1MB]
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_parser = units::size, value_name = "SIZES")]
    pub(crate) payload: Vec<usize>,
    /// Payload sizes in one run, each with its weight, such as 90x1KB,10x500KB
    #[arg(long, allow_hyphen_values = true, value_parser = units::mix, value_name = "WEIGHTxSIZE,..")]
    pub(crate) mix: Option<Mix>,
    /// A newline-delimited file whose lines are the payloads, in turn
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The field of each line of --input, which is JSON, that is the message's ordering key
    #[arg(long, requires = "input", value_name = "FIELD")]
    pub(crate) key_field: Option<String>,
    /// The field that tells when a line is due: seconds, milliseconds (from 1e11 on), microseconds (from 1e14), nanoseconds
    /// (from 1e17), or RFC 3339 [replay only]
    #[arg(long, requires = "input", value_name = "FIELD")]
    pub(crate) time_field: Option<String>,
    /// How much faster than recorded to replay [replay; default: 1]
    #[arg(long, requires = "time_field", allow_hyphen_values = true, value_parser = units::speed, value_name = "FACTOR")]
    pub(crate) speed: Option<f64>,
    /// Deal the messages of each publisher onto this many ordering keys, beginning with another one for each; order is then
    /// that of each key
    #[arg(long, allow_hyphen_values = true, value_parser = units::number, value_name = "N")]
    pub(crate) ordering_keys: Option<usize>,
    /// Publishers [default: 1; thundering-herd: 1000; soak: 2]
    #[arg(long, allow_hyphen_values = true, value_parser = units::number, value_name = "N")]
    pub(crate) publishers: Option<usize>,
    /// Numbers of subscriptions; one run each [default: 1; fanout, in one run: 10,20,30,50; thundering-herd: 10; soak: 3]
    #[arg(long, allow_hyphen_values = true, value_parser = units::number, value_delimiter = ',', value_name = "NUMBERS")]
    pub(crate) subscriptions: Vec<usize>,
    /// Consumers per subscription [default: 1]
    #[arg(long, allow_hyphen_values = true, value_parser = units::number, value_name = "N")]
    pub(crate) consumers: Option<usize>,
    /// throughput: messages that a publisher sends in each iteration, at least four rings' worth. firehose: messages in a burst
    /// [default: 1000, then 100000]
    #[arg(long, allow_hyphen_values = true, value_parser = units::whole, conflicts_with = "duration", value_name = "N")]
    pub(crate) messages: Option<u64>,
    /// Length of a sample, at least 2s [default: 2s; 500ms with --quick]; of the whole [soak; default: 60s; 10s]
    #[arg(long, allow_hyphen_values = true, value_parser = units::duration, value_name = "TIME")]
    pub(crate) duration: Option<Duration>,
    /// Load before what is measured, timed and discarded [default: 300ms; 100ms with --quick]
    #[arg(long, allow_hyphen_values = true, value_parser = units::duration, value_name = "TIME")]
    pub(crate) warmup: Option<Duration>,
    /// Samples of which the median is reported [default: 5; saturation (per level), fanout and replay: 3; replay with
    /// --time-field: 1; 2 with --quick]
    #[arg(long, allow_hyphen_values = true, value_parser = units::number, value_name = "N")]
    pub(crate) iterations: Option<usize>,
    /// How deliveries are received [default: in-place]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Rings per topic
    #[arg(long, allow_hyphen_values = true, value_parser = units::number, default_value_t = 1, value_name = "N")]
    pub(crate) shards: usize,
    /// Slots per ring, a power of two
    #[arg(long, allow_hyphen_values = true, value_parser = units::number, default_value_t = 4_096, value_name = "SLOTS")]
    pub(crate) ring: usize,
    /// What a full subscription does [default: block]
    #[arg(long, value_enum)]
    pub(crate) overflow: Option<OverflowPolicy>,
    /// How the engine waits
    #[arg(long, value_enum, default_value_t = Wait::SpinThenPark)]
    pub(crate) wait: Wait,
    /// Most messages in one publish call; more than 1 claims what is due together, up to half of the ring by slots and by
    /// bytes [default: 1]
    #[arg(long, allow_hyphen_values = true, value_parser = units::whole, value_name = "N")]
    pub(crate) batch: Option<u64>,
    /// Which CPUs the roles run on: auto, off, or CPUs such as 0,1, each once (publishers first) [default: auto]
    #[arg(long, allow_hyphen_values = true, value_parser = units::pinning, value_name = "CPUS")]
    pub(crate) pin: Option<Pinning>,
    /// What readers look at in each payload [default: ends]
    #[arg(long, value_enum)]
    pub(crate) read: Option<ReadDepth>,
    /// Where the result file goes
    #[arg(long, default_value = "results", value_name = "DIR")]
    pub(crate) results: PathBuf,
    /// Write the latency histograms, too, beside the result, as an HdrHistogram log (V2, compressed)
    #[arg(long)]
    pub(crate) hdr_log: bool,
    /// Short samples: under 30 s, and the result says so; a run whose four rings of messages take longer is announced
    #[arg(long)]
    pub(crate) quick: bool,
    /// Say what would run, and for how long, without running it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Exit 3 when the machine was too noisy to tell; what does not come of noise, such as a lost message, still exits 1
    #[arg(long)]
    pub(crate) strict: bool,
    /// A fault on purpose, for tests of the harness itself
    #[arg(long, hide = true, value_parser = crate::inject::parse)]
    pub(crate) inject: Option<Inject>,
    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// Why the command line leads nowhere.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Help or version was asked for: print it and leave content.
    Asked(clap::Error),
    /// One line that says what would be right.
    Usage(String),
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To run a scenario.
    Run(Box<Arguments>),
    /// A sub-command.
    Command(Command),
}

/// The whole command line: the options of a run, and the sub-commands, which take none of them.
pub(crate) fn command() -> clap::Command {
    // In this order, so that the description is that of the harness.
    Arguments::augment_args(Command::augment_subcommands(clap::Command::new("harness")))
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .subcommand_required(false)
        .arg_required_else_help(false)
}

/// Parses the arguments of this process.
pub(crate) fn parse() -> Result<Asked, Refusal> {
    parse_from(std::env::args_os()).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Refusal::Asked(error),
        _ => Refusal::Usage(usage(&error)),
    })
}

/// What the arguments of a run come to, or the line that a person would be told.
pub(crate) fn planned(arguments: &[String]) -> Result<settings::Plan, String> {
    let words = std::iter::once("harness").chain(arguments.iter().map(String::as_str));
    match parse_from(words).map_err(|error| usage(&error))? {
        Asked::Run(arguments) => settings::plan(&arguments),
        Asked::Command(_) => Err("a sub-command is no run; give --scenario and options of a run".to_owned()),
    }
}

fn parse_from<T: Into<std::ffi::OsString> + Clone>(
    words: impl IntoIterator<Item = T>,
) -> Result<Asked, clap::Error> {
    let matches = command().try_get_matches_from(words)?;
    if matches.subcommand().is_some() {
        Command::from_arg_matches(&matches).map(Asked::Command)
    } else {
        Arguments::from_arg_matches(&matches).map(Box::new).map(Asked::Run)
    }
}

/// What is wrong, on one line. What is missing from a line with nothing on it is told with what there is.
fn usage(error: &clap::Error) -> String {
    let line = one_line(&error.to_string());
    let names = || Scenario::EVERY.map(Scenario::name).join(", ");
    match error.kind() {
        ErrorKind::MissingRequiredArgument if line.contains("--scenario") => {
            format!("{line}; there are {}; or give a sub-command, see --help", names())
        }
        ErrorKind::InvalidSubcommand => {
            match Scenario::EVERY.iter().find(|one| line.contains(&quoted(one))) {
                Some(scenario) => format!("{line}: it is a scenario, so give --scenario {}", scenario.name()),
                None => {
                    format!(
                        "{line}; see --help for those there are, or give --scenario with one of {}",
                        names()
                    )
                }
            }
        }
        _ => line,
    }
}

fn quoted(scenario: &Scenario) -> String {
    format!("'{}'", scenario.name())
}

/// Clap's message without its epilogue, on one line.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let useful =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let text = useful.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_sub_command_needs_no_scenario_and_takes_no_option_of_a_run() {
        assert!(matches!(parse_from(["harness", "completions", "bash"]), Ok(Asked::Command(_))));
        assert!(matches!(parse_from(["harness", "--scenario", "throughput"]), Ok(Asked::Run(_))));
        assert!(parse_from(["harness", "--quick", "completions", "bash"]).is_err());
        assert!(parse_from(["harness", "completions", "bash", "--quick"]).is_err());
    }

    #[test]
    fn every_refusal_of_the_parser_is_one_line() {
        for wrong in [
            vec!["harness"],
            vec!["harness", "--scenario", "nonsense"],
            vec!["harness", "--scenario", "soak", "--speed", "2"],
            vec!["harness", "--scenario", "saturation", "--levels", "50,0"],
            vec!["harness", "--scenario", "saturation", "--wait", "sleep"],
            vec!["harness", "--scenario", "saturation", "--frobnicate"],
            vec!["harness", "completions"],
            vec!["harness", "frobnicate"],
        ] {
            let error = parse_from(&wrong).unwrap_err();
            let line = one_line(&error.to_string());
            assert!(
                !line.is_empty() && !line.contains('\n') && !line.starts_with("error"),
                "{wrong:?}: {line}"
            );
        }
    }

    #[test]
    fn every_scenario_is_known_by_its_name_and_all_is_all_of_the_others() {
        for scenario in Scenario::EVERY {
            assert_eq!(Scenario::parse(scenario.name()), Ok(scenario));
        }
        assert!(Scenario::parse("fan").unwrap_err().contains("unknown scenario"));
        assert_eq!((Scenario::All.parts(true).len(), Scenario::All.parts(false).len()), (7, 6));
    }
}
