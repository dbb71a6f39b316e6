//! A run in several parts, each on a bench of its own: one result of them all.

use super::Outcome;
use super::bench::DISTURBED;
use crate::fault::Fault;
use crate::result::{NoiseReport, Ran};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Parts(Vec<Ran>);

impl Parts {
    /// Adds a part, whose accounts and errors get its name.
    pub(crate) fn add(&mut self, name: &str, mut ran: Ran) {
        for account in &mut ran.accounts {
            account.name = format!("{name}, {}", account.name);
        }
        ran.errors.iter_mut().for_each(|error| *error = format!("{name}: {error}"));
        self.0.push(ran);
    }

    /// Puts the parts together with what they came to.
    pub(crate) fn finish(self, outcome: Option<Outcome>) -> Result<Ran, Fault> {
        let mut parts = self.0.into_iter();
        let mut whole = parts.next().ok_or_else(|| Fault::new("nothing was run"))?;
        let mut noise = vec![whole.noise.clone()];
        for part in parts {
            noise.push(part.noise);
            whole.accounts.extend(part.accounts);
            whole.errors.extend(part.errors);
            whole.threads = whole.threads.and(&part.threads);
            whole.allocations.0 += part.allocations.0;
            whole.allocations.1 += part.allocations.1;
            whole.incomplete |= part.incomplete;
            whole.environment = part.environment;
            let peak = whole.memory.peak_rss.into_iter().chain(part.memory.peak_rss).max_by(f64::total_cmp);
            whole.memory = part.memory;
            whole.memory.peak_rss = peak;
        }
        whole.noise = NoiseReport::together(noise, DISTURBED);
        if let Some(outcome) = outcome {
            whole.conclude(outcome);
        }
        Ok(whole)
    }
}
