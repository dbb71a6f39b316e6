//! Figures of one result that contradict one another: what is said twice is the same, and a success met what it takes.

use serde_json::Value;

use super::Flaw;
use crate::compare;
use crate::level::{self, Point};
use crate::scenario::soak;

/// How far apart two figures may be that are one: they are rounded, and made of the same samples in another order.
const SAME: f64 = 0.01;

/// Adds what contradicts itself in `result`.
pub(super) fn check(result: &Value, flaws: &mut Vec<Flaw>) {
    let metrics = &result["metrics"];
    if metrics["levels"].is_array() {
        levels(metrics, flaws);
    } else {
        parts(metrics, flaws);
        iterations(metrics, flaws);
    }
    noise(&result["noise"], flaws);
    if result["success"] == true {
        success(metrics, flaws);
    }
}

fn are_one(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * a.abs().max(b.abs())
}

/// Says so unless `figure` of `object` is `wanted`, `what` that is.
pub(super) fn same(
    object: &Value,
    figure: &str,
    path: &str,
    wanted: Option<f64>,
    what: &str,
    flaws: &mut Vec<Flaw>,
) {
    let (Some(found), Some(wanted)) = (object[figure].as_f64(), wanted) else { return };
    if !are_one(found, wanted) {
        flaws.push(Flaw::new(&format!("{path}.{figure}"), format!("is {found}, and {what} is {wanted}")));
    }
}

/// No more is achieved than is offered; the knee is where it should be, and has its level's figures, and so has the headline.
fn levels(metrics: &Value, flaws: &mut Vec<Flaw>) {
    let levels = metrics["levels"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, level) in levels.iter().enumerate() {
        let rates = [level["achievedRate"].as_f64(), level["offeredRate"].as_f64()];
        if let [Some(achieved), Some(offered)] = rates
            && achieved > offered * (1.0 + SAME)
        {
            flaws.push(Flaw::new(
                &format!("$.metrics.levels[{index}].achievedRate"),
                format!("is {achieved} of {offered} offered"),
            ));
        }
    }
    let point = |level: &Value| {
        Some(Point {
            percent: level["percent"].as_f64()?,
            held: level["held"].as_bool()?,
            p99: level["latency"]["p99"].as_f64(),
        })
    };
    let Some(points) = levels.iter().map(point).collect::<Option<Vec<_>>>() else { return };
    let knee = level::knee(&points).map(|index| &levels[index]);
    let told = &metrics["knee"];
    let held = |percent| points.iter().any(|point| point.percent == percent && point.held);
    if told["percent"].as_f64().is_some_and(|percent| !held(percent)) {
        return; // that is told by the rules
    }
    match (knee, told["percent"].as_f64()) {
        (Some(knee), Some(_)) => {
            let figure = |name: &str| knee[name].as_f64();
            let path = "$.metrics.knee";
            same(told, "percent", path, figure("percent"), "the highest level that is one", flaws);
            same(told, "rate", path, figure("achievedRate"), "what was achieved there", flaws);
            same(told, "p99", path, knee["latency"]["p99"].as_f64(), "the p99 there", flaws);
        }
        (Some(knee), None) => flaws.push(Flaw::new(
            "$.metrics.knee",
            format!("is missing, and {} % is one", knee["percent"].as_f64().unwrap_or(0.0)),
        )),
        (None, Some(percent)) => {
            flaws.push(Flaw::new("$.metrics.knee.percent", format!("is {percent}, and no level is one")));
        }
        (None, None) => {}
    }
    let headline = metrics["headlinePercent"].as_f64();
    if let Some(level) = levels.iter().find(|level| level["percent"].as_f64() == headline) {
        let achieved = level["achievedRate"].as_f64();
        same(metrics, "messagesPerSec", "$.metrics", achieved, "what was achieved at headlinePercent", flaws);
    }
}

/// Where a run has several parts, its rate is that of one of them.
fn parts(metrics: &Value, flaws: &mut Vec<Flaw>) {
    let rates: Vec<f64> =
        compare::parts(metrics).filter_map(|part| part["messagesPerSec"].as_f64()).collect();
    let Some(rate) = metrics["messagesPerSec"].as_f64() else { return };
    if !rates.is_empty() && !rates.iter().any(|other| are_one(rate, *other)) {
        flaws.push(Flaw::new("$.metrics.messagesPerSec", format!("is {rate}, which no part of the run had")));
    }
}

/// A rate is messages by time; and that of the whole is among those of its samples.
fn iterations(metrics: &Value, flaws: &mut Vec<Flaw>) {
    let all = metrics["iterations"].as_array().map_or(&[][..], Vec::as_slice);
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for (index, one) in all.iter().enumerate() {
        let figure = |name: &str| one[name].as_f64();
        let Some(rate) = figure("messagesPerSec") else { return };
        (least, most) = (least.min(rate), most.max(rate));
        if let (Some(messages), Some(millis)) = (figure("messages"), figure("durationMs")) {
            let path = format!("$.metrics.iterations[{index}]");
            same(one, "messagesPerSec", &path, Some(messages * 1e3 / millis), "messages by time", flaws);
        }
    }
    if let Some(rate) = metrics["messagesPerSec"].as_f64().filter(|_| !all.is_empty())
        && (rate < least * (1.0 - SAME) || rate > most * (1.0 + SAME))
    {
        flaws.push(Flaw::new(
            "$.metrics.messagesPerSec",
            format!("is {rate}, and its samples are {least} to {most}"),
        ));
    }
}

/// No more is disturbed than was taken, and nothing is more than all of it.
fn noise(noise: &Value, flaws: &mut Vec<Flaw>) {
    if let (Some(disturbed), Some(samples)) = (noise["disturbed"].as_u64(), noise["samples"].as_u64())
        && disturbed > samples
    {
        flaws.push(Flaw::new("$.noise.disturbed", format!("is {disturbed} of {samples} samples")));
    }
    // (Not so of threads that wait for a CPU: each can wait for longer than the sample took.)
    if let Some(percent) = noise["worst"]["stealPercent"].as_f64().filter(|percent| *percent > 100.0) {
        flaws.push(Flaw::new("$.noise.worst.stealPercent", format!("is {percent} %")));
    }
}

/// What a run that succeeded cannot have.
fn success(metrics: &Value, flaws: &mut Vec<Flaw>) {
    if metrics["costRises"] == true {
        flaws.push(Flaw::new("$.metrics.costRises", "is true in a run that succeeded".to_owned()));
    }
    let figure = |name: &str| metrics[name].as_f64();
    if let (Some(plateau), Some(end)) = (figure("plateauRssMB"), figure("endRssMB")) {
        let growth = (end - plateau).max(0.0) / plateau;
        let told = figure("rssGrowth").unwrap_or(growth);
        if soak::is_too_much(growth.max(told), end - plateau) {
            flaws.push(Flaw::new(
                "$.metrics.endRssMB",
                format!("is {end} after {plateau} in a run that succeeded"),
            ));
        }
        if (growth - told).abs() > SAME {
            flaws.push(Flaw::new("$.metrics.rssGrowth", format!("is {told}, from {plateau} to {end}")));
        }
    }
}
