//! `meta.json`: what was run, on what, by what means, and what came out. A profile without it says nothing.

use serde_json::{Map, Value, json};

use super::run::Child;
use super::{Cpu, Request, build, record};

/// The version of this format; it rises when a field changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// What there is to tell.
#[derive(Debug)]
pub(super) struct About<'a> {
    pub(super) request: &'a Request,
    /// Of the run.
    pub(super) arguments: &'a [String],
    pub(super) child: &'a Child,
    /// The version of `perf`, if it recorded.
    pub(super) perf: Option<&'a str>,
    pub(super) cpu: Option<&'a Cpu>,
    /// Per message, by mode.
    pub(super) instructions: Option<&'a Value>,
    pub(super) files: &'a [String],
}

/// The object. What was not measured is absent.
pub(super) fn object(about: &About<'_>) -> Value {
    let result = &about.child.result;
    let mut meta = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            meta.insert(name.to_owned(), value);
        }
    };
    put("schemaVersion", json!(SCHEMA_VERSION));
    put("scenario", json!(about.request.scenario));
    put("level", json!(about.request.level));
    put("command", json!(format!("harness {}", about.arguments.join(" "))));
    put("build", build(about.request));
    put("environment", result["environment"].clone());
    put("config", result["config"].clone());
    put("success", result["success"].clone());
    put("errors", result["errors"].clone());
    put("messagesPerSec", result["metrics"]["messagesPerSec"].clone());
    if let Some(level) = level(about) {
        for name in ["offeredRate", "achievedRate", "held"] {
            put(name, level[name].clone());
        }
    }
    put("noise", result["noise"].clone());
    if let Some(Cpu { folded, compared, has_kernel }) = about.cpu {
        put("perf", json!(about.perf));
        put("event", json!(record::EVENT));
        put("hertz", json!(record::HERTZ));
        put("samples", json!(folded.samples));
        put("samplesOfOtherThreads", json!(folded.left_out));
        put("kernelSamples", json!(has_kernel));
        put("baseline", json!(compared));
    }
    put("instructionsPerMessage", about.instructions.cloned().unwrap_or_default());
    put("files", json!(about.files));
    Value::Object(meta)
}

fn build(request: &Request) -> Value {
    match request.binary {
        Some(_) => json!("given by --binary"),
        None => json!(format!("cargo profile profiling, {}", build::FLAGS)),
    }
}

/// The one level that was run.
fn level<'a>(about: &'a About<'_>) -> Option<&'a Value> {
    about.request.level?;
    about.child.result["metrics"]["levels"].as_array()?.first()
}

#[cfg(test)]
mod tests {
    use super::super::fold::Folded;
    use super::*;

    fn about(result: Value, cpu: Option<&Cpu>) -> Value {
        let request = Request { scenario: "saturation".to_owned(), level: Some(90.0), ..Request::default() };
        let arguments = ["--scenario", "saturation", "--levels", "90"].map(str::to_owned);
        object(&About {
            request: &request,
            arguments: &arguments,
            child: &Child { result },
            perf: cpu.is_some().then_some("perf version 6"),
            cpu,
            instructions: None,
            files: &["threads.json".to_owned()],
        })
    }

    fn result() -> Value {
        json!({
            "environment": { "commitHash": "abc", "rustcVersion": "rustc 1.95.0", "cpuModel": "a CPU" },
            "success": true,
            "noise": { "noisy": false },
            "metrics": { "messagesPerSec": 5.0, "levels": [{ "offeredRate": 4.5, "achievedRate": 4.4, "held": true }] },
        })
    }

    #[test]
    fn it_says_what_was_run_where_and_what_came_out() {
        let folded = Folded { text: String::new(), samples: 7, left_out: 2 };
        let cpu = Cpu { folded, compared: Some("base".to_owned()), has_kernel: Some(false) };
        let meta = about(result(), Some(&cpu));
        assert_eq!(meta["command"], "harness --scenario saturation --levels 90");
        for (name, value) in [
            ("level", json!(90.0)),
            ("offeredRate", json!(4.5)),
            ("achievedRate", json!(4.4)),
            ("held", json!(true)),
            ("samples", json!(7)),
            ("samplesOfOtherThreads", json!(2)),
            ("kernelSamples", json!(false)),
            ("event", json!("cpu-clock")),
            ("hertz", json!(999)),
            ("baseline", json!("base")),
            ("perf", json!("perf version 6")),
            ("messagesPerSec", json!(5.0)),
        ] {
            assert_eq!(meta[name], value, "{name}");
        }
        assert_eq!(meta["environment"]["commitHash"], "abc");
        assert_eq!(meta["environment"]["rustcVersion"], "rustc 1.95.0");
        assert!(meta["build"].as_str().unwrap().contains("force-frame-pointers"));
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let meta = about(result(), None);
        for name in ["samples", "perf", "event", "hertz", "baseline", "instructionsPerMessage", "errors"] {
            assert!(meta.get(name).is_none(), "{name}: {meta}");
        }
    }
}
