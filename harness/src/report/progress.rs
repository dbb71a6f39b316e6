//! Progress on stderr: a bar on a terminal, a line a second elsewhere.
//!
//! Shown by the coordinator itself, which wakes once a second for it and sleeps otherwise: a thread of its own
//! would take a CPU from the roles now and then, and there may be only two.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::{Clock, TscClock};
use crate::commands::remark;
use crate::num;
use crate::sample::View;

/// Nanoseconds between two lines.
const EVERY: u64 = 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Progress {
    clock: TscClock,
    bar: Option<ProgressBar>,
    scenario: &'static str,
    label: String,
    began: u64,
    expected: u64,
    /// When the last line was shown, and when the sample began that it was about.
    shown: u64,
}

impl Progress {
    /// Progress of a run that is expected to take `expected`.
    pub(crate) fn new(scenario: &'static str, expected: Duration) -> Self {
        let clock = TscClock::new();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(num::nanos(expected)), ProgressDrawTarget::stderr());
            // An unusable template would leave the default one, which does too.
            if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {wide_msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(scenario);
            bar
        });
        let began = clock.now();
        Self {
            clock,
            bar,
            scenario,
            label: String::new(),
            began,
            expected: num::nanos(expected),
            shown: began,
        }
    }

    /// The run will take `time` longer than was expected.
    pub(crate) fn expect_more(&mut self, time: Duration) {
        self.expected += num::nanos(time);
    }

    /// Something that happened on the way, kept on a line of its own.
    pub(crate) fn note(&self, text: &str) {
        let line = format!("{}: {text}", self.scenario);
        match &self.bar {
            Some(bar) => bar.println(line),
            None => remark(&line),
        }
    }

    /// A sample called `label` begins.
    pub(crate) fn begin(&mut self, label: &str) {
        label.clone_into(&mut self.label);
        if let Some(bar) = &self.bar {
            bar.set_message(self.label.clone());
        }
    }

    /// The sample goes on.
    pub(crate) fn look(&mut self, view: View) {
        let rate = num::float(view.received) * 1e9 / num::float(view.elapsed.max(1));
        self.show(Some(rate), view.latency);
    }

    /// The sample is over, with `messages` in `nanos`. Shown when nothing was for a second, as with short samples.
    pub(crate) fn end(&mut self, messages: u64, nanos: u64) {
        if self.clock.now() - self.shown >= EVERY {
            self.show(Some(num::float(messages) * 1e9 / num::float(nanos.max(1))), None);
        }
    }

    fn show(&mut self, rate: Option<f64>, latency: Option<u64>) {
        let now = self.clock.now();
        self.shown = now;
        let elapsed = now - self.began;
        let line = line(&self.label, rate, latency, elapsed, self.expected);
        match &self.bar {
            Some(bar) => {
                bar.set_length(self.expected.max(elapsed));
                bar.set_position(elapsed);
                bar.set_message(line);
            }
            None => remark(&format!("{}: {line}", self.scenario)),
        }
    }

    /// The run is over: the bar goes.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(label: &str, rate: Option<f64>, latency: Option<u64>, elapsed: u64, expected: u64) -> String {
    let rate = rate.map_or_else(String::new, |rate| format!(", {}/s", num::signed(rate)));
    let latency =
        latency.map_or_else(String::new, |nanos| format!(", latency {}", num::time(num::float(nanos))));
    let left = match expected.saturating_sub(elapsed) {
        0 => "longer than was expected".to_owned(),
        left => format!("about {:.0} s left", num::float(left) / 1e9),
    };
    format!("{label}{rate}{latency}, {}, {left}", num::seconds(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_how_fast_and_how_long() {
        let text = line("level 50 %", Some(1.5e6), Some(1_200), 3_000_000_000, 60_000_000_000);
        assert_eq!(text, "level 50 %, 1,500,000/s, latency 1.20 us, 3.0 s, about 57 s left");
    }

    #[test]
    fn what_takes_longer_than_expected_says_so() {
        assert_eq!(line("x", None, None, 9_000_000_000, 5_000_000_000), "x, 9.0 s, longer than was expected");
    }
}
