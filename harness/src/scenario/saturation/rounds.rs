//! Rounds: what a level and a probe of the search are made of.
//!
//! On a shared machine the same two CPUs carry twice as much at one moment as a second later. A rate that was 90 % of the
//! capacity then is 180 % of it now, and what a long sample at that rate tells is how fast the machine was. So each round
//! first runs a short closed loop, and then offers its share of what that has just done. A round is short, so that the
//! machine is mostly the same to its end, and there are many: what most of them say counts. On a machine that does not
//! change, all of them offer the same rate.
//!
//! A capacity that was given stays as it is: then a round is one long sample at one rate.

use std::time::Duration;

use crate::cli::settings::Settings;
use crate::fault::Fault;
use crate::latency::Recorder;
use crate::level::Rates;
use crate::noise::Noise;
use crate::num;
use crate::result::metrics::{Iteration, Round};
use crate::sample::Sample;
use crate::scenario::Bench;
use crate::scenario::pace::{closed_loop, open_loop};
use crate::search::{self, Probed, System};

/// Length of the open loop of a round, at most, and rounds in a sample, at least.
const OPEN: Duration = Duration::from_millis(250);
const FEWEST: u32 = 8;
/// Of the length of the open loop, that of the closed loop before it.
const CLOSED: f64 = 0.25;

/// What a round offers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// This share of what the closed loop does right before.
    Share(f64),
    /// This many messages a second.
    Rate(f64),
}

impl Pace {
    /// So many percent of it.
    pub(super) fn percent(self, percent: f64) -> Self {
        match self {
            Self::Share(share) => Self::Share(share * percent / 100.0),
            Self::Rate(rate) => Self::Rate((rate * percent / 100.0).max(1.0)),
        }
    }
}

/// How long the open loop of a round is.
fn open(sample: Duration) -> Duration {
    OPEN.min(sample / FEWEST)
}

/// How many rounds make a sample.
pub(super) fn per_sample(pace: Pace, sample: Duration) -> usize {
    match pace {
        Pace::Share(_) => num::index(num::nanos(sample).div_ceil(num::nanos(open(sample)).max(1))),
        Pace::Rate(_) => 1,
    }
}

/// How long a sample takes with all that belongs to it.
pub(super) fn length(settings: &Settings, pace: Pace) -> Duration {
    // A quick run would rather be quick where it can.
    let paced = |length| if settings.quick { length } else { closed_loop(settings, length) };
    match pace {
        Pace::Share(_) => {
            let open = open(settings.sample);
            let rounds = num::float(num::count(per_sample(pace, settings.sample)));
            (closed_loop(settings, open.mul_f64(CLOSED)) + paced(open)).mul_f64(rounds)
        }
        Pace::Rate(rate) => open_loop(settings, rate, settings.sample),
    }
}

/// The rounds of one sample, or of all samples of a level.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    pub(super) all: Vec<Round>,
    slopes: Vec<f64>,
    pub(super) backlog_peak: Option<u64>,
    pub(super) unsent: u64,
    pub(super) noise: Vec<Noise>,
    /// What each sample comes to.
    parts: Vec<Part>,
}

/// The rounds of one sample together.
#[derive(Debug, Default)]
struct Part {
    nanos: u64,
    messages: u64,
    /// Messages a second times nanoseconds, of all rounds.
    rate_nanos: f64,
    latency: Option<Recorder>,
    noise: Noise,
}

impl Rounds {
    /// Adds a round; `sample` says of which sample.
    fn add(&mut self, index: usize, offered: f64, closed: Option<f64>, sample: Sample) {
        // Over as many intervals as messages: the last one's is not over when it arrives.
        let achieved = sample.rate().min(offered);
        let rates = Rates { offered, achieved, backlog_slope: sample.backlog.slope() };
        let round = Round {
            offered_rate: offered,
            achieved_rate: rates.achieved,
            held: rates.hold(),
            closed_loop: closed,
        };
        self.all.push(round);
        self.slopes.extend(rates.backlog_slope);
        self.backlog_peak = self.backlog_peak.max(sample.backlog.peak());
        self.unsent += sample.unsent;
        self.noise.push(sample.noise.clone());
        if self.parts.len() <= index {
            self.parts.push(Part::default());
        }
        self.parts[index].add(&sample, achieved);
    }

    /// Whether most rounds held.
    pub(super) fn held(&self) -> bool {
        self.won(self.all.len())
    }

    /// Whether, of `total` rounds, most cannot hold any more.
    pub(super) fn lost(&self, total: usize) -> bool {
        2 * self.all.iter().filter(|round| !round.held).count() >= total
    }

    /// Whether, of `total` rounds, most have held already.
    fn won(&self, total: usize) -> bool {
        2 * self.all.iter().filter(|round| round.held).count() > total
    }

    /// The median of what was offered.
    pub(super) fn offered(&self) -> f64 {
        let offered: Vec<f64> = self.all.iter().map(|round| round.offered_rate).collect();
        num::median(&offered).unwrap_or(0.0)
    }

    /// The median share of what was offered that was achieved, of the median offered.
    pub(super) fn achieved(&self) -> f64 {
        let shares: Vec<f64> =
            self.all.iter().map(|round| round.achieved_rate / round.offered_rate).collect();
        num::median(&shares).unwrap_or(0.0) * self.offered()
    }

    pub(super) fn backlog_slope(&self) -> Option<f64> {
        num::median(&self.slopes)
    }

    /// The latencies of all rounds.
    pub(super) fn latency(&self) -> Recorder {
        let mut latency = Recorder::new();
        self.parts.iter().filter_map(|part| part.latency.as_ref()).for_each(|one| latency.merge(one));
        latency
    }

    /// The achieved rate of each sample.
    pub(super) fn samples(&self) -> Vec<f64> {
        self.parts.iter().map(Part::rate).collect()
    }

    /// The samples in full.
    pub(super) fn iterations(&self) -> Vec<Iteration> {
        let iteration = |part: &Part| {
            Some(Iteration {
                messages_per_sec: part.rate(),
                duration_ms: num::millis(num::float(part.nanos)),
                messages: part.messages,
                latency: part.latency.as_ref()?.brief(),
                noise: part.noise.clone(),
            })
        };
        self.parts.iter().filter_map(iteration).collect()
    }

    /// What they took, in nanoseconds.
    pub(super) fn nanos(&self) -> u64 {
        self.parts.iter().map(|part| part.nanos).sum()
    }
}

impl Part {
    fn add(&mut self, sample: &Sample, achieved: f64) {
        self.nanos += sample.nanos;
        self.messages += sample.delivered();
        self.rate_nanos += achieved * num::float(sample.nanos);
        match (&mut self.latency, &sample.latency) {
            (Some(all), Some(one)) => all.merge(one),
            (all, one) => *all = all.take().or_else(|| one.clone()),
        }
        self.note(&sample.noise);
    }

    /// Adds the noise of a round.
    fn note(&mut self, noise: &Noise) {
        self.noise = self.noise.spanning(noise);
    }

    fn rate(&self) -> f64 {
        self.rate_nanos / num::float(self.nanos.max(1))
    }
}

/// A bench that runs rounds, and keeps what all closed loops did.
pub(super) struct Arena<'b, 'a> {
    pub(super) bench: &'b mut Bench<'a>,
    pub(super) closed: Vec<f64>,
}

impl Arena<'_, '_> {
    /// Runs one round, which belongs to the `index`-th sample of `rounds`.
    pub(super) fn round(
        &mut self,
        label: &str,
        pace: Pace,
        index: usize,
        rounds: &mut Rounds,
    ) -> Result<(), Fault> {
        let (offered, closed, sample) = match pace {
            Pace::Rate(rate) => (rate, None, self.bench.sample(label, self.bench.open_loop(rate))?),
            Pace::Share(share) => {
                let open = open(self.bench.settings.sample);
                let closed = self.bench.closed_loop(open.mul_f64(CLOSED));
                let closed = self.bench.sample_once(label, closed)?.rate();
                if closed < 1.0 {
                    return Err(search::too_slow());
                }
                self.closed.push(closed);
                let offered = (share * closed).max(1.0);
                let load = self.bench.open_loop_for(offered, open);
                (offered, Some(closed), self.bench.sample_once(label, load)?)
            }
        };
        rounds.add(index, offered, closed, sample);
        Ok(())
    }
}

impl System for Arena<'_, '_> {
    fn closed(&mut self) -> Result<f64, Fault> {
        let load = self.bench.closed_loop(self.bench.settings.sample);
        let rate = self.bench.sample("closed loop", load)?.rate();
        self.closed.push(rate);
        Ok(rate)
    }

    fn probe(&mut self, share: f64) -> Result<Probed, Fault> {
        let pace = Pace::Share(share);
        let label = format!("search at {} % of the closed loop", num::percent((share * 100.0).round()));
        let mut rounds = Rounds::default();
        let total = per_sample(pace, self.bench.settings.sample);
        while !rounds.lost(total) && !rounds.won(total) {
            self.round(&label, pace, 0, &mut rounds)?;
        }
        Ok(Probed { rate: rounds.offered(), held: rounds.held() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(offered: f64, achieved: f64, held: bool) -> Round {
        Round { closed_loop: None, offered_rate: offered, achieved_rate: achieved, held }
    }

    fn rounds(all: &[Round]) -> Rounds {
        Rounds { all: all.to_vec(), ..Rounds::default() }
    }

    #[test]
    fn what_most_rounds_say_counts() {
        let (yes, no) = (round(1e6, 1e6, true), round(1e6, 5e5, false));
        assert!(rounds(&[yes, no, yes]).held() && !rounds(&[yes, no, no]).held());
        assert!(!rounds(&[yes, no]).held(), "as many as not are not most");
        assert!(!Rounds::default().held());
    }

    #[test]
    fn the_rest_is_spared_once_it_is_decided() {
        let (yes, no) = (round(1e6, 1e6, true), round(1e6, 5e5, false));
        let so_far = rounds(&[yes, yes, no]);
        assert!(!so_far.won(4) && so_far.won(3) && !so_far.lost(3) && so_far.lost(2));
    }

    #[test]
    fn a_machine_that_halves_its_speed_changes_what_is_offered_and_not_the_share_achieved() {
        let all = [round(1e6, 1e6, true), round(5e5, 5e5, true), round(8e5, 4e5, false)];
        let rounds = rounds(&all);
        assert_eq!((rounds.offered(), rounds.achieved(), rounds.held()), (8e5, 8e5, true));
    }

    #[test]
    fn a_sample_is_as_many_rounds_as_its_length_takes() {
        let share = Pace::Share(1.0);
        assert_eq!(per_sample(share, Duration::from_secs(2)), 8);
        assert_eq!(per_sample(share, Duration::from_millis(500)), 8);
        assert_eq!(per_sample(share, Duration::from_secs(10)), 40);
        assert_eq!(per_sample(share, Duration::from_nanos(1)), 1);
        assert_eq!(per_sample(Pace::Rate(1e6), Duration::from_secs(2)), 1);
        assert_eq!(share.percent(90.0), Pace::Share(0.9));
        assert_eq!(Pace::Rate(1.0).percent(50.0), Pace::Rate(1.0), "less than a message a second is no load");
    }

    #[test]
    fn a_sample_whose_rounds_moved_is_told_to_have_moved() {
        let at = |before, after| Noise {
            placement_before_ns: Some(before),
            placement_after_ns: Some(after),
            ..Noise::default()
        };
        let mut part = Part::default();
        for round in [at(30.0, 31.0), at(32.0, 29.0), at(150.0, 151.0), at(30.0, 30.0)] {
            part.note(&round);
        }
        assert_eq!(part.noise, at(29.0, 151.0));
    }
}
