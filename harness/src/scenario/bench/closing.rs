//! The end of a bench: its books against the engine's, and everything else that a result needs but the outcome.

use super::{Bench, DISTURBED};
use crate::driver;
use crate::environment::Environment;
use crate::fault::Fault;
use crate::interrupt;
use crate::memory::Memory;
use crate::noise::ThreadMeter;
use crate::num;
use crate::result::{Account, NoiseReport, Ran, Threads};
use crate::scenario::Outcome;

impl Bench<'_> {
    /// Closes the books of a scenario that is a single part.
    pub(crate) fn close(self, outcome: Result<Outcome, Fault>) -> Ran {
        match outcome {
            Ok(mut outcome) => {
                let doubts = std::mem::take(&mut outcome.doubts);
                let mut ran = self.close_part(None, doubts);
                ran.conclude(outcome);
                ran
            }
            Err(fault) => self.close_part(Some(&fault), Vec::new()),
        }
    }

    /// Closes the books against the engine's counters and puts together all but the outcome. `doubts` are about the machine.
    pub(crate) fn close_part(self, failed: Option<&Fault>, mut doubts: Vec<String>) -> Ran {
        let mut errors = Vec::new();
        let accounts: Vec<Account> =
            (0..self.tallies.len()).map(|subscription| self.account(subscription)).collect();
        for account in &accounts {
            errors.extend(account.faults.iter().cloned());
        }
        let accepted: u64 = self.bases.iter().sum();
        let published = self.session.published();
        // A sample that broke down was not entered in the harness's books.
        if published != accepted && failed.is_none_or(Fault::is_interrupt) {
            errors.push(format!(
                "the engine counts {} published, the harness {}",
                num::grouped(published),
                num::grouped(accepted)
            ));
        }
        let interrupted = interrupt::requested().then(Fault::interrupted);
        errors.extend(failed.or(interrupted.as_ref()).map(Fault::to_string));
        if !self.pinned {
            doubts.push("the system refused to pin a thread".to_owned());
        }
        let coordinator = self.coordinator.used_until(&ThreadMeter::read());
        Ran {
            environment: Environment::read(&self.layout, self.pinned, driver::ENGINE_VERSION),
            noise: NoiseReport::new(&self.noise, self.retakes, doubts, DISTURBED),
            memory: Memory::read(),
            threads: Threads::new(coordinator.cpu, self.publishers_cpu, self.consumers_cpu),
            overhead: self.overhead,
            allocations: self.allocations,
            accounts,
            errors,
            outcome: None,
            incomplete: interrupt::requested(),
        }
    }

    /// One subscription's books beside the engine's.
    fn account(&self, subscription: usize) -> Account {
        let name = format!("subscription {subscription}");
        let tally = self.tallies[subscription];
        let counters = self.session.counters(subscription);
        let mut faults = tally.faults(&name);
        let mut compare = |what: &str, engine: u64, harness: u64| {
            if engine != harness {
                let (engine, harness) = (num::grouped(engine), num::grouped(harness));
                faults.push(format!("{name}: the engine counts {engine} {what}, the harness {harness}"));
            }
        };
        let received = tally.received + tally.duplicated;
        compare("delivered", counters.delivered, received);
        compare("acked", counters.acked, received);
        compare("left in the backlog", counters.backlog, 0);
        Account { name, tally, counters, faults }
    }
}
