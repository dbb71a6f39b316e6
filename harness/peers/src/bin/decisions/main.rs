//! `decisions`: the sketches behind the design decisions, compared in one run.
//!
//! Ringmain's decision records (docs/decisions) each say "measured". This binary is the measurement: one
//! module per question, each a self-contained sketch of the alternatives, with nothing of the engine in it
//! (but `fetching`, which asks the ring, since that has it as a setting),
//! so that a choice can be questioned again on another machine without building what lost.
//! They use raw atomics, and `unsafe` where the alternatives need it.
//!
//!     decisions                                     all experiments, a text table each
//!     decisions --only claim,leases --repeats 5     some of them
//!     decisions --json                              one JSON document instead of the tables
//!
//! How to read a table: all cases of one experiment are interleaved (case 1, 2, 3, .. and again from the
//! start, the starting point moved each time), so a neighbour's noise falls on all of them alike. Each line
//! is the median with the smallest and the largest repeat. Only ratios within one table count, and a
//! difference under 30 % is a tie: a hypervisor that moves a CPU changes every absolute figure. The probe
//! above each table shows whether it did.
//!
//! Every case checks the sum of what it read; a sketch that loses or doubles a message stops the run.

mod availability;
mod batcher;
mod claim;
mod fences;
mod fetching;
mod frees;
mod gates;
mod gathering;
mod handles;
mod lab;
mod lanes;
mod leases;
mod locked;
mod sharing;
mod staging;
mod threads;

use clap::Parser;

/// What to run, and for how long.
#[derive(Debug, Parser)]
#[command(about = "Measures the alternatives behind Ringmain's design decisions")]
struct Arguments {
    /// Experiments to run, by name, separated by commas; all if absent.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Interleaved repeats of every case.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Aimed-at milliseconds of one case in one repeat.
    #[arg(long, default_value_t = 30)]
    millis: u64,
    /// One JSON document instead of the tables.
    #[arg(long)]
    json: bool,
}

/// An experiment's name, its question, and what builds its cases.
type Experiment = (&'static str, &'static str, fn() -> Vec<lab::Case>);

const EXPERIMENTS: [Experiment; 10] = [
    ("availability", "How do readers learn that a slot of many producers is readable?", availability::cases),
    ("claim", "How do producers get their slots?", claim::cases),
    ("frees", "Who frees a 1 KB payload?", frees::cases),
    (
        "leases",
        "Where does the state of an outstanding delivery live, and what holds its payload?",
        leases::cases,
    ),
    ("gates", "What does finding the slowest of N cursors cost, and attaching N cursors?", gates::cases),
    ("fences", "Who pays for not losing a wake-up?", fences::cases),
    ("gathering", "Does a reader gain by letting the writer get ahead?", gathering::cases),
    ("fetching", "Does a producer gain by asking for cache lines before it writes them?", fetching::cases),
    ("sharing", "What does a store cost to a line that the reader's core has a copy of?", sharing::cases),
    ("batcher", "How does enqueue batch without a timer?", batcher::cases),
];

fn main() {
    let arguments = Arguments::parse();
    for name in &arguments.only {
        if !EXPERIMENTS.iter().any(|experiment| experiment.0 == name) {
            let known: Vec<_> = EXPERIMENTS.iter().map(|experiment| experiment.0).collect();
            eprintln!("no experiment is called `{name}`; choose from {}", known.join(", "));
            std::process::exit(2);
        }
    }
    let plan = lab::Plan { repeats: arguments.repeats.max(1), millis: arguments.millis.max(1) };
    let mut documents = Vec::new();
    for (name, question, cases) in EXPERIMENTS {
        if arguments.only.is_empty() || arguments.only.iter().any(|chosen| chosen == name) {
            let report = lab::run(&plan, name, question, cases());
            if arguments.json {
                documents.push(report.json());
            } else {
                println!("{report}");
            }
        }
    }
    if arguments.json {
        println!("{:#}", serde_json::Value::Array(documents));
    }
}
