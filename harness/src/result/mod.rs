//! The result file: one JSON object per run.
//!
//! Times are in milliseconds, names in camelCase, and the fields that other tools read keep their names and types
//! (see the documentation of the format). A figure that was not measured is absent; it is never 0 and never null,
//! and [`write()`] refuses to write a file in which it is.

mod books;
mod file;

pub(crate) use books::{Account, NoiseReport, Threads};
pub(crate) use file::{prepare, write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::payloads::Payload;
use crate::cli::settings::Settings;
use crate::cli::units::Capacity;
use crate::environment::Environment;
use crate::latency::{Recorder, Summary};
use crate::memory::Memory;
use crate::num;
use crate::overhead::Overhead;
use crate::payload::Read;
use crate::sample::Sample;
use crate::scenario::Outcome;

/// The version of this format; it rises when a field changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// Everything that a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) environment: Environment,
    pub(crate) noise: NoiseReport,
    pub(crate) memory: Memory,
    pub(crate) threads: Threads,
    pub(crate) overhead: Overhead,
    pub(crate) allocations_per_message: Option<f64>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) errors: Vec<String>,
    /// Absent when the run ended before its time.
    pub(crate) outcome: Option<Outcome>,
}

impl Ran {
    /// Whether the run met its criteria.
    pub(crate) fn success(&self) -> bool {
        self.errors.is_empty()
    }
}

/// What only one scenario has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum ScenarioMetrics {
    /// See [`Throughput`].
    Throughput(Throughput),
    /// See [`Saturation`].
    Saturation(Saturation),
}

/// The metrics of `throughput`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Throughput {
    /// Messages a second times subscriptions.
    pub(crate) deliveries_per_sec: f64,
    /// Payload bytes written a second.
    pub(crate) bytes_per_sec: f64,
    pub(crate) warmup_ms: f64,
    pub(crate) iterations: Vec<Iteration>,
}

/// One sample among several: what comparisons are made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Iteration {
    pub(crate) messages_per_sec: f64,
    pub(crate) duration_ms: f64,
    pub(crate) messages: u64,
    pub(crate) latency: Summary,
    pub(crate) noise: crate::noise::Noise,
}

impl Iteration {
    /// What `sample` says, with what was recorded in it.
    pub(crate) fn of(sample: &Sample, latency: &Recorder) -> Self {
        Self {
            messages_per_sec: sample.rate(),
            duration_ms: num::millis(num::float(sample.nanos)),
            messages: sample.delivered(),
            latency: latency.brief(),
            noise: sample.noise.clone(),
        }
    }
}

/// The metrics of `saturation`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Saturation {
    /// The highest rate that held, in messages a second.
    pub(crate) capacity: f64,
    pub(crate) closed_loop_maximum: f64,
    /// Capacity over the closed loop's maximum.
    pub(crate) capacity_share: f64,
    /// The closed loop once more after the last level: how much the machine drifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed_loop_afterwards: Option<f64>,
    /// How often the capacity was searched; 0 when it was given.
    pub(crate) searches: u32,
    /// What was wrong with the first search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) searched_again_for: Vec<String>,
    pub(crate) probes: Vec<Probe>,
    /// Whether any level did not hold.
    pub(crate) saturated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) knee: Option<Knee>,
    /// Which level the common figures are those of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headline_percent: Option<f64>,
    pub(crate) levels: Vec<Level>,
    pub(crate) warmup_ms: f64,
}

/// One rate tried by the search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Probe {
    pub(crate) rate: f64,
    pub(crate) held: bool,
}

/// The highest level that held at a latency worth having.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Knee {
    pub(crate) percent: f64,
    pub(crate) rate: f64,
    pub(crate) p99: f64,
}

/// One load level.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Level {
    pub(crate) percent: f64,
    pub(crate) offered_rate: f64,
    /// The median of the samples.
    pub(crate) achieved_rate: f64,
    pub(crate) held: bool,
    /// Of all samples together.
    pub(crate) latency: Summary,
    /// Messages a second, the median of the samples; absent when they were too short to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backlog_slope: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backlog_peak: Option<u64>,
    /// Messages due but not sent when the time of a sample was up; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unsent: Option<u64>,
    /// The achieved rate of each sample.
    pub(crate) samples: Vec<f64>,
    /// The same samples in full.
    pub(crate) iterations: Vec<Iteration>,
    /// How many of them the machine disturbed.
    pub(crate) disturbed: usize,
    pub(crate) noise: crate::noise::Noise,
}

/// Makes the JSON object of a run.
pub(crate) fn object(settings: &Settings, ran: &Ran) -> Result<Value, serde_json::Error> {
    let mut result = Map::new();
    result.insert("schemaVersion".to_owned(), json!(SCHEMA_VERSION));
    result.insert("scenario".to_owned(), json!(settings.scenario.name()));
    result.insert("config".to_owned(), config(settings));
    result.insert("success".to_owned(), json!(ran.success()));
    if !ran.errors.is_empty() {
        result.insert("errors".to_owned(), json!(ran.errors));
    }
    result.insert("environment".to_owned(), serde_json::to_value(&ran.environment)?);
    let mut metrics = Map::new();
    if let Some(outcome) = &ran.outcome {
        metrics.insert("messagesPerSec".to_owned(), json!(outcome.messages_per_sec));
        metrics.insert("durationMs".to_owned(), json!(num::millis(num::float(outcome.nanos))));
        if let Some(latency) = &outcome.latency {
            metrics.insert("latency".to_owned(), serde_json::to_value(latency)?);
        }
        if let Value::Object(own) = serde_json::to_value(&outcome.metrics)? {
            metrics.extend(own);
        }
    }
    metrics.insert("memory".to_owned(), serde_json::to_value(&ran.memory)?);
    if let Some(allocations) = ran.allocations_per_message {
        metrics.insert("allocationsPerMessage".to_owned(), json!(allocations));
    }
    result.insert("metrics".to_owned(), Value::Object(metrics));
    result.insert("ledger".to_owned(), Value::Array(ran.accounts.iter().map(Account::object).collect()));
    result.insert("noise".to_owned(), serde_json::to_value(&ran.noise)?);
    result.insert("harness".to_owned(), serde_json::to_value(&ran.overhead)?);
    result.insert("threads".to_owned(), serde_json::to_value(&ran.threads)?);
    Ok(Value::Object(result))
}

/// What was run, in full: two results compare only when these agree.
fn config(settings: &Settings) -> Value {
    let mut config = json!({
        "publishers": settings.publishers,
        "subscriptions": settings.subscriptions,
        "consumers": settings.consumers,
        "sampleMs": num::millis(num::float(num::nanos(settings.sample))),
        "warmupMs": num::millis(num::float(num::nanos(settings.warmup))),
        "iterations": settings.iterations,
        "mode": name(settings.mode),
        "shards": settings.shards,
        "ring": settings.ring,
        "overflow": name(settings.overflow),
        "wait": name(settings.wait),
        "batch": settings.batch,
        "read": if settings.read == Read::All { "all" } else { "ends" },
        "quick": settings.quick,
    });
    match &settings.payload {
        Payload::Generated(bytes) => {
            config["payload"] = json!("written");
            config["payloadBytes"] = json!(bytes);
        }
        Payload::Input { path, lines } => {
            config["payload"] = json!("input");
            config["input"] = json!(path);
            config["inputMessages"] = json!(lines.count());
            config["payloadBytes"] = json!(lines.mean_length());
        }
    }
    match settings.scenario {
        crate::cli::Scenario::Saturation => {
            config["levels"] = json!(settings.levels);
            config["capacity"] = match settings.capacity {
                Capacity::Auto => json!("auto"),
                Capacity::Given(rate) => json!(rate),
            };
        }
        crate::cli::Scenario::Throughput => {
            if let Some(messages) = settings.messages {
                config["messages"] = json!(messages);
            }
        }
    }
    config
}

/// The name of an option's value as it is written on the command line.
pub(crate) fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_names_are_those_of_the_command_line() {
        assert_eq!(name(crate::cli::Wait::SpinThenPark), "spin-then-park");
        assert_eq!(name(crate::cli::Mode::InPlace), "in-place");
    }
}
