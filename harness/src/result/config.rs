//! The `config` object of a result.

use serde_json::{Value, json};

use crate::cli::Scenario;
use crate::cli::payloads::Payload;
use crate::cli::settings::{Settings, usual_pinning};
use crate::cli::units::Capacity;
use crate::mix::Patterns;
use crate::num;
use crate::payload::Read;

/// What was run, in full: two results compare only when these agree.
pub(crate) fn object(settings: &Settings) -> Value {
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
        Payload::Mixed(mix) => {
            config["payload"] = json!("written");
            config["mix"] = json!(mix.to_string());
            config["payloadBytes"] = json!(Patterns::mixed(&mix.0).mean_length());
        }
        Payload::Referenced(bytes) => {
            config["payload"] = json!("reference");
            config["payloadBytes"] = json!(bytes);
        }
        Payload::Input { path, lines } => {
            config["payload"] = json!("input");
            config["input"] = json!(path.to_string_lossy());
            config["inputMessages"] = json!(lines.count());
            config["payloadBytes"] = json!(lines.mean_length());
            config["keyed"] = json!(lines.keyed());
            if let Some(field) = lines.key_field() {
                config["keyField"] = json!(field);
            }
        }
    }
    if let Some(keys) = settings.keys {
        config["orderingKeys"] = json!(keys);
    }
    // As usual it is left out, as it was before results had it.
    if settings.pin != usual_pinning(settings.scenario) {
        config["pin"] = json!(settings.pin.to_string());
    }
    own(settings, &mut config);
    config
}

/// What only some scenarios have.
fn own(settings: &Settings, config: &mut Value) {
    let capacity = match settings.capacity {
        Capacity::Auto => json!("auto"),
        Capacity::Given(rate) => json!(rate),
    };
    match settings.scenario {
        Scenario::Saturation => {
            config["levels"] = json!(settings.levels);
            config["capacity"] = capacity;
        }
        Scenario::Throughput => {
            if let Some(messages) = settings.messages {
                config["messages"] = json!(messages);
            }
        }
        Scenario::Fanout => config["subscriptionCounts"] = json!(settings.counts),
        Scenario::Firehose => {
            // It runs with none and with one.
            config["subscriptions"] = json!([0, 1]);
            config["payload"] = json!("reference and written");
            config["bursts"] = json!(settings.bursts);
        }
        Scenario::Soak => config["capacity"] = capacity,
        Scenario::Replay => {
            if let Some(replay) = &settings.replay {
                config["timeField"] = json!(replay.field);
                config["speed"] = json!(replay.speed);
            }
        }
        Scenario::ThunderingHerd | Scenario::All => {}
    }
}

/// The name of an option's value as it is written on the command line.
pub(crate) fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, settings};
    use crate::pin;
    use clap::Parser;

    #[test]
    fn option_names_are_those_of_the_command_line() {
        assert_eq!(name(crate::cli::Wait::SpinThenPark), "spin-then-park");
        assert_eq!(name(crate::cli::Mode::InPlace), "in-place");
    }

    #[cfg(unix)]
    #[test]
    fn an_input_whose_name_is_no_text_is_written_as_near_to_it_as_text_comes() {
        use std::os::unix::ffi::OsStrExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(std::ffi::OsStr::from_bytes(b"in\xff.jsonl"));
        std::fs::write(&path, "one\n").unwrap();
        let words = ["harness", "--scenario", "replay", "--input"].map(std::ffi::OsStr::new);
        let arguments = Arguments::try_parse_from(words.into_iter().chain([path.as_os_str()])).unwrap();
        let config = object(&settings::plan(&arguments).unwrap().runs[0]);
        assert!(config["input"].as_str().is_some_and(|text| text.ends_with("in\u{fffd}.jsonl")), "{config}");
    }

    #[test]
    fn runs_on_other_cpus_or_with_the_keys_of_another_field_are_of_another_configuration() {
        let config = |line: &str| {
            let words = ["harness", "--scenario"].into_iter().chain(line.split_whitespace());
            let plan = settings::plan(&Arguments::try_parse_from(words).unwrap()).unwrap();
            object(&plan.runs[0])
        };
        let of = |line: &str| config(line).get("pin").cloned();
        let cpu = pin::available()[0].to_string();
        assert_eq!(of(&format!("throughput --pin {cpu}")), Some(json!(cpu)));
        assert_eq!(of("throughput --pin off"), Some(json!("off")));
        assert_eq!((of("throughput"), of("fanout --pin auto"), of("soak")), (None, None, None));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"a\":1,\"b\":2}\n").unwrap();
        let replay = format!("replay --input {}", file.path().display());
        let field = |field: &str| config(&format!("{replay} --key-field {field}"))["keyField"].clone();
        assert_eq!((field("a"), field("b")), (json!("a"), json!("b")));
        assert!(config(&replay).get("keyField").is_none());
    }
}
