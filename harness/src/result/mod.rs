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
pub(crate) use config::{name, object as configuration};
pub(crate) use file::{prepare, write};
pub(crate) use hdr_log::write as write_hdr_log;
pub(crate) use metrics::ScenarioMetrics;

use serde_json::{Map, Value, json};

use crate::Verdict;
use crate::cli::Scenario;
use crate::cli::settings::Settings;
use crate::environment::Environment;
use crate::memory::Memory;
use crate::num;
use crate::overhead::Overhead;
use crate::scenario::{self, Outcome};
use crate::threads;

/// The version of this format; it rises when a field changes its meaning.
pub(crate) const SCHEMA_VERSION: u32 = 1;

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
    /// What went wrong by itself: a ledger that does not balance, a message refused, a breakdown. Criteria that were
    /// not met are those of the outcome.
    pub(crate) errors: Vec<String>,
    /// Absent when the run ended before its time.
    pub(crate) outcome: Option<Outcome>,
    /// Whether somebody pressed Ctrl-C: the outcome is that of what was measured before.
    pub(crate) incomplete: bool,
}

impl Ran {
    /// Adds what the samples came to.
    pub(crate) fn conclude(&mut self, mut outcome: Outcome) {
        self.noise.doubt(std::mem::take(&mut outcome.doubts));
        self.outcome = Some(outcome);
    }

    /// Everything for which the run failed.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &String> {
        self.errors.iter().chain(self.outcome.iter().flat_map(|outcome| &outcome.failures))
    }

    /// Whether nothing went wrong and the criteria were met.
    pub(crate) fn success(&self) -> bool {
        self.failures().next().is_none()
    }

    /// What is to be made of it. A noisy machine excuses, when `strict`, a rate or a latency that was missed: never a
    /// message that was, nor a breakdown.
    pub(crate) fn verdict(&self, scenario: Scenario, strict: bool) -> Verdict {
        let in_doubt = self.errors.is_empty() && scenario::is_judged_by_time(scenario);
        match self.success() {
            passed if strict && self.noise.noisy && (passed || in_doubt) => Verdict::Noisy,
            true => Verdict::Passed,
            false => Verdict::Failed,
        }
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
    if !ran.success() {
        result.insert("errors".to_owned(), json!(ran.failures().collect::<Vec<_>>()));
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

#[cfg(test)]
mod tests {
    use super::metrics::Throughput;
    use super::*;
    use crate::clock::TscClock;
    use crate::inbox::Content;
    use crate::mix::Patterns;
    use crate::payload::Read;
    use crate::pin::Layout;
    use std::sync::Arc;

    /// A run that the machine disturbed or not, with what went wrong and the criteria that were not met.
    fn ran(noisy: bool, errors: &[&str], failures: &[&str]) -> Ran {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let content = Content::Generated(Arc::new(Patterns::single(64)));
        let reasons = if noisy { vec!["stolen from".to_owned()] } else { Vec::new() };
        let mut ran = Ran {
            environment: Environment::read(&Layout::herd(1, &[], &[0]), true, "1"),
            noise: NoiseReport::new(&[], 0, reasons, 0.25),
            memory: Memory::read(),
            threads: Threads::new(None, None, None),
            overhead: Overhead::measure(&TscClock::new(), &content, Read::Ends),
            allocations: (0, 0),
            accounts: Vec::new(),
            errors: owned(errors),
            outcome: None,
            incomplete: false,
        };
        ran.conclude(Outcome {
            messages_per_sec: 1.0,
            nanos: 1,
            latency: None,
            metrics: ScenarioMetrics::Throughput(Throughput {
                deliveries_per_sec: 1.0,
                bytes_per_sec: 1.0,
                warmup_ms: 0.0,
                iterations: vec![],
            }),
            failures: owned(failures),
            doubts: vec![],
        });
        ran
    }

    #[test]
    fn noise_excuses_a_rate_but_neither_a_lost_message_nor_a_breakdown() {
        let of = |scenario, ran: &Ran| [false, true].map(|strict| ran.verdict(scenario, strict));
        let (passed, failed, noisy) = (Verdict::Passed, Verdict::Failed, Verdict::Noisy);
        assert_eq!(of(Scenario::Saturation, &ran(true, &[], &[])), [passed, noisy]);
        assert_eq!(of(Scenario::Saturation, &ran(true, &[], &["a level did not hold"])), [failed, noisy]);
        assert_eq!(of(Scenario::Saturation, &ran(false, &[], &["a level did not hold"])), [failed, failed]);
        assert_eq!(of(Scenario::Saturation, &ran(true, &["1 lost"], &["a level"])), [failed, failed]);
        assert_eq!(of(Scenario::Fanout, &ran(true, &[], &["a delivery cost more"])), [failed, noisy]);
        // What these fail by is refusals and memory.
        for scenario in [Scenario::ThunderingHerd, Scenario::Soak] {
            assert_eq!(of(scenario, &ran(true, &[], &["3 publishers failed"])), [failed, failed]);
        }
    }

    #[test]
    fn what_went_wrong_is_told_before_the_criteria() {
        let ran = ran(false, &["1 lost"], &["a level did not hold"]);
        assert!(!ran.success() && ran.failures().eq(["1 lost", "a level did not hold"]));
    }
}
