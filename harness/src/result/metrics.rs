//! What each scenario measures, as it is written to the result.
//!
//! Times are in milliseconds where the name says nothing else. What was not measured is absent.

use serde::Serialize;

use crate::latency::{Recorder, Summary};
use crate::num;
use crate::sample::Sample;

/// What only one scenario has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum ScenarioMetrics {
    /// See [`Throughput`].
    Throughput(Throughput),
    /// See [`Firehose`].
    Firehose(Firehose),
    /// See [`Fanout`].
    Fanout(Fanout),
    /// See [`ThunderingHerd`].
    ThunderingHerd(Box<ThunderingHerd>),
    /// See [`Saturation`].
    Saturation(Saturation),
    /// See [`Soak`].
    Soak(Box<Soak>),
    /// See [`Replay`].
    Replay(Replay),
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
    /// The highest share of the closed loop that held, of its median; or what was given. In messages a second.
    pub(crate) capacity: f64,
    /// The median of all closed loops.
    pub(crate) closed_loop_maximum: f64,
    /// The slowest of them, and the fastest: how the machine changed.
    pub(crate) closed_loop_lowest: f64,
    pub(crate) closed_loop_highest: f64,
    /// Capacity over the closed loop's maximum.
    pub(crate) capacity_share: f64,
    /// The closed loop once more after the last level, if the capacity was given: how much the machine drifted.
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
    /// The median of the rounds.
    pub(crate) offered_rate: f64,
    /// The median share of it that the rounds achieved, of it.
    pub(crate) achieved_rate: f64,
    /// Whether most rounds held.
    pub(crate) held: bool,
    /// Of all rounds together.
    pub(crate) latency: Summary,
    /// Messages a second, the median of the rounds; absent when they were too short to tell.
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
    pub(crate) rounds: Vec<Round>,
    /// How many rounds the machine disturbed.
    pub(crate) disturbed: usize,
    pub(crate) noise: crate::noise::Noise,
}

/// One round of a level: a closed loop, if the capacity was not given, and then an open one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    /// What the closed loop did right before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed_loop: Option<f64>,
    pub(crate) offered_rate: f64,
    pub(crate) achieved_rate: f64,
    pub(crate) held: bool,
}

/// The metrics of `fanout`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fanout {
    /// Deliveries a second at the maximum rate, with the most subscriptions.
    pub(crate) deliveries_per_sec: f64,
    /// Deliveries that were to be made in all samples: messages times subscriptions.
    pub(crate) expected: u64,
    /// And those that were made, and acked.
    pub(crate) received: u64,
    /// Cost per delivery with the most subscriptions over that with the fewest; absent with one number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost_ratio: Option<f64>,
    /// Whether a delivery costs more with more subscriptions, by more than a tenth and more than noise; absent where that
    /// cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost_rises: Option<bool>,
    pub(crate) points: Vec<FanoutPoint>,
}

/// One number of subscriptions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FanoutPoint {
    pub(crate) subscriptions: usize,
    pub(crate) expected: u64,
    pub(crate) received: u64,
    pub(crate) paced_rate: f64,
    pub(crate) paced_messages: u64,
    /// From when a message was due to the last of its acks, at the paced rate.
    pub(crate) last_ack_latency: Summary,
    /// At the maximum rate: the median of the samples.
    pub(crate) messages_per_sec: f64,
    pub(crate) deliveries_per_sec: f64,
    pub(crate) cost_per_delivery_ns: f64,
    /// The message rate of each sample.
    pub(crate) samples: Vec<f64>,
    /// The same samples in full.
    pub(crate) iterations: Vec<FanoutSample>,
}

/// One sample at the maximum rate, of which no latencies are taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FanoutSample {
    pub(crate) messages_per_sec: f64,
    pub(crate) duration_ms: f64,
    pub(crate) messages: u64,
    pub(crate) noise: crate::noise::Noise,
}

impl FanoutSample {
    /// What `sample` says.
    pub(crate) fn of(sample: &Sample) -> Self {
        Self {
            messages_per_sec: sample.rate(),
            duration_ms: num::millis(num::float(sample.nanos)),
            messages: sample.delivered(),
            noise: sample.noise.clone(),
        }
    }
}

/// The metrics of `firehose`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Firehose {
    /// How long the publish calls took of the case that the headline is about.
    pub(crate) publish_latency: Summary,
    pub(crate) memory_bandwidth: MemoryBandwidth,
    pub(crate) cases: Vec<FirehoseCase>,
}

/// What a plain copy loop over buffers larger than the cache moves on this machine, measured in the same run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemoryBandwidth {
    /// Bytes read and written.
    pub(crate) bytes_per_sec: f64,
    /// Bytes copied: half of that.
    pub(crate) copied_bytes_per_sec: f64,
    /// Threads that copied.
    pub(crate) threads: usize,
    /// All their buffers, in MiB.
    #[serde(rename = "bufferMB")]
    pub(crate) buffer: f64,
}

/// One kind of burst.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FirehoseCase {
    /// In words: whether it was stored, and how payloads were made.
    pub(crate) label: String,
    /// Whether there was a subscription to store it for.
    pub(crate) stored: bool,
    /// `reference` or `written`.
    pub(crate) form: &'static str,
    pub(crate) payload_bytes: usize,
    /// Messages of a burst, and how many bursts there were.
    pub(crate) messages: u64,
    pub(crate) bursts: usize,
    /// The median of the bursts: delivered, or published where nothing is stored.
    pub(crate) messages_per_sec: f64,
    /// Bytes written into payloads; absent by reference, where none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_sec: Option<f64>,
    /// Over the bandwidth of memory, which carries what is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bandwidth_share: Option<f64>,
    /// Over what a plain copy reaches into as much memory as the ring spans, or one buffer where nothing is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) copy_limit_share: Option<f64>,
    /// How long the publish calls took.
    pub(crate) publish_latency: Summary,
    /// From the publish call to when the message was done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Summary>,
    /// The bursts in full; absent where nothing was stored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) iterations: Vec<Iteration>,
}

/// The metrics of `thundering-herd`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThunderingHerd {
    /// Publishers whose message was published and delivered to every subscription, over all publishers: 1 is all.
    pub(crate) success_rate: f64,
    pub(crate) expected: u64,
    pub(crate) received: u64,
    pub(crate) threads: HerdForm,
    /// Absent when the run ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tasks: Option<HerdForm>,
}

/// A herd of one kind; medians of the samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HerdForm {
    pub(crate) messages_per_sec: f64,
    /// From the release to when the last publish call had returned.
    pub(crate) published_ms: f64,
    /// From the release to when the last delivery was done with.
    pub(crate) delivered_ms: f64,
    /// From the release to when the same herd had only counted.
    pub(crate) floor_ms: f64,
    /// Published over floor.
    pub(crate) floor_ratio: f64,
    /// From the release to when each delivery was done with.
    pub(crate) latency: Summary,
    /// What publishers that failed were told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) refusals: Vec<String>,
    /// The samples in full.
    pub(crate) iterations: Vec<Iteration>,
}

/// The metrics of `replay`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replay {
    /// Lines replayed in each pass.
    pub(crate) messages: u64,
    pub(crate) passes: usize,
    pub(crate) bytes_per_sec: f64,
    /// How long the recording is at this speed; absent when only its order was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recorded_ms: Option<f64>,
    /// How long the median pass took.
    pub(crate) replayed_ms: f64,
    /// The message rate of each pass.
    pub(crate) samples: Vec<f64>,
    /// The passes in full.
    pub(crate) iterations: Vec<Iteration>,
}

/// The metrics of `soak`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Soak {
    /// The rate at which all that comes and goes just keeps up, in messages a second; measured before, or given.
    pub(crate) capacity: f64,
    /// The searches of which it is the median; absent when it was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) capacity_samples: Vec<f64>,
    pub(crate) offered_rate: f64,
    /// Messages that were due when their publisher left, and that it could not send in a generation more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unsent: Option<u64>,
    /// All that ran at the same time, on so many CPUs.
    pub(crate) threads: usize,
    /// What came and went: consumers, handles of publishers, subscriptions.
    pub(crate) consumers: u64,
    pub(crate) publishers: u64,
    pub(crate) visiting_subscriptions: u64,
    /// What happened on purpose, by the engine's count.
    pub(crate) panics: u64,
    pub(crate) nacked: u64,
    pub(crate) expired: u64,
    pub(crate) redelivered: u64,
    pub(crate) dead_lettered: u64,
    /// Resident memory in the second quarter of the run, and in the last; medians in MiB.
    #[serde(rename = "plateauRssMB", skip_serializing_if = "Option::is_none")]
    pub(crate) plateau_rss: Option<f64>,
    #[serde(rename = "endRssMB", skip_serializing_if = "Option::is_none")]
    pub(crate) end_rss: Option<f64>,
    /// Growth from the one to the other, as a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rss_growth: Option<f64>,
    pub(crate) memory_over_time: Vec<MemorySample>,
    pub(crate) latency_over_time: Vec<LatencyWindow>,
}

/// Memory at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemorySample {
    pub(crate) at_ms: f64,
    #[serde(rename = "rssMB")]
    pub(crate) rss: f64,
    /// What the allocator has handed out: where this stays and the other grows, the allocator keeps it.
    #[serde(rename = "heapUsedMB")]
    pub(crate) heap_used: f64,
}

/// Latencies of first deliveries since the window before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LatencyWindow {
    pub(crate) until_ms: f64,
    pub(crate) latency: Summary,
}
