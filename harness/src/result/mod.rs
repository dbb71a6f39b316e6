//! The result file: one JSON object per run.
//!
//! Times are in milliseconds, names in camelCase, and the fields that other tools read keep their names and types
//! (see the documentation of the format). A figure that was not measured is absent; it is never 0 and never null,
//! and [`write()`] refuses to write a file in which it is.

mod books;
mod config;
mod file;
mod hdr_log;
pub(crate) mod metrics;

pub(crate) use books::{Account, NoiseReport, Threads};
pub(crate) use config::name;
pub(crate) use file::{prepare, write};
pub(crate) use hdr_log::write as write_hdr_log;
pub(crate) use metrics::ScenarioMetrics;

use serde_json::{Map, Value, json};

use crate::cli::settings::Settings;
use crate::environment::Environment;
use crate::memory::Memory;
use crate::num;
use crate::overhead::Overhead;
use crate::scenario::Outcome;
use crate::threads;

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
    /// Allocations while samples ran, and the messages of those samples.
    pub(crate) allocations: (u64, u64),
    pub(crate) accounts: Vec<Account>,
    pub(crate) errors: Vec<String>,
    /// Absent when the run ended before its time.
    pub(crate) outcome: Option<Outcome>,
    /// Whether somebody pressed Ctrl-C: the outcome is that of what was measured before.
    pub(crate) incomplete: bool,
}

impl Ran {
    /// Adds what the samples came to.
    pub(crate) fn conclude(&mut self, mut outcome: Outcome) {
        self.errors.append(&mut outcome.failures);
        self.noise.doubt(std::mem::take(&mut outcome.doubts));
        self.outcome = Some(outcome);
    }

    /// Whether the run met its criteria.
    pub(crate) fn success(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Makes the JSON object of a run.
pub(crate) fn object(settings: &Settings, ran: &Ran) -> Result<Value, serde_json::Error> {
    let mut result = Map::new();
    result.insert("schemaVersion".to_owned(), json!(SCHEMA_VERSION));
    result.insert("scenario".to_owned(), json!(settings.scenario.name()));
    result.insert("config".to_owned(), config::object(settings));
    result.insert("success".to_owned(), json!(ran.success()));
    if ran.incomplete {
        result.insert("incomplete".to_owned(), json!(true));
    }
    if let Some(inject) = settings.inject {
        result.insert("injected".to_owned(), json!(inject.to_string()));
    }
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
    let (allocations, messages) = ran.allocations;
    if messages > 0 {
        let each = num::float(allocations) / num::float(messages);
        metrics.insert("allocationsPerMessage".to_owned(), json!(each));
    }
    result.insert("metrics".to_owned(), Value::Object(metrics));
    result.insert("ledger".to_owned(), Value::Array(ran.accounts.iter().map(Account::object).collect()));
    result.insert("noise".to_owned(), serde_json::to_value(&ran.noise)?);
    result.insert("harness".to_owned(), serde_json::to_value(&ran.overhead)?);
    let mut threads = serde_json::to_value(&ran.threads)?;
    threads["roles"] = serde_json::to_value(threads::take())?;
    result.insert("threads".to_owned(), threads);
    Ok(Value::Object(result))
}
