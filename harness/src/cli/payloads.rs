//! Where payloads come from, and which options go with which source.

use std::path::PathBuf;
use std::sync::Arc;

use super::checks::within;
use super::units::{Mix, size_text};
use super::{Arguments, OverflowPolicy, Scenario};
use crate::driver;
use crate::input::{LARGEST, Lines};
use crate::num;
use crate::payload;

/// Where payloads come from.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// Written by the harness, this many bytes each.
    Generated(usize),
    /// Written by the harness, of several sizes.
    Mixed(Mix),
    /// A few payloads of this many bytes, written once and published by reference. (The engine copies those of up to 512.)
    Referenced(usize),
    /// The lines of `--input`.
    Input { path: PathBuf, lines: Arc<Lines> },
}

impl Payload {
    /// For names and tables.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Generated(bytes) => format!("{} written per message", size_text(*bytes)),
            Self::Mixed(mix) => format!("{mix} written per message"),
            Self::Referenced(bytes) => format!("{} by reference", size_text(*bytes)),
            Self::Input { path, lines } => {
                let plural = if lines.count() == 1 { "" } else { "s" };
                format!("{} message{plural} from {}", lines.count(), path.display())
            }
        }
    }
}

/// The payloads asked for: one run each.
pub(super) fn of(arguments: &Arguments) -> Result<Vec<Payload>, String> {
    let size = |size: usize| within("a payload size of", size, payload::MINIMUM, LARGEST);
    if let Some(path) = &arguments.input {
        return of_lines(arguments, path.clone());
    }
    if arguments.scenario == Scenario::Replay {
        return Err("--scenario replay takes --input FILE, the messages to replay".to_owned());
    }
    if let Some(mix) = &arguments.mix {
        if !arguments.payload.is_empty() {
            return Err("--mix and --payload both say how large payloads are; leave one out".to_owned());
        }
        if arguments.batch.is_some_and(|batch| batch > 1) {
            return Err("--batch claims messages of one size together; leave it out with --mix".to_owned());
        }
        mix.0.iter().try_for_each(|&(_, bytes)| size(bytes))?;
        return Ok(vec![Payload::Mixed(mix.clone())]);
    }
    let default: &[usize] =
        if arguments.scenario == Scenario::Firehose { &[1 << 10, 10 << 10, 1 << 20] } else { &[1 << 10] };
    let sizes = if arguments.payload.is_empty() { default } else { &arguments.payload };
    sizes.iter().try_for_each(|&bytes| size(bytes).and_then(|()| batch(arguments, bytes)))?;
    Ok(sizes.iter().map(|&bytes| Payload::Generated(bytes)).collect())
}

/// Refuses batches that the engine would refuse.
fn batch(arguments: &Arguments, bytes: usize) -> Result<(), String> {
    let most = driver::largest_batch(arguments.ring, bytes);
    match arguments.batch {
        Some(batch) if num::index(batch) > most => Err(format!(
            "--batch {batch} is more than one call may publish; give up to {most}: with --ring {} and payloads of {} that \
             is half of the ring, by slots or by bytes",
            arguments.ring,
            size_text(bytes)
        )),
        _ => Ok(()),
    }
}

fn of_lines(arguments: &Arguments, path: PathBuf) -> Result<Vec<Payload>, String> {
    let refuse = |what: &str| Err(format!("--input {what}"));
    if !arguments.payload.is_empty() || arguments.mix.is_some() {
        return refuse("brings the payloads, so that --payload and --mix do nothing; leave one out");
    }
    if arguments.publishers.unwrap_or(1) > 1 || arguments.consumers.unwrap_or(1) > 1 {
        return refuse("tells messages by their order; use one publisher and one consumer per subscription");
    }
    if arguments.batch.unwrap_or(1) > 1 {
        return refuse("publishes line by line, so that --batch does nothing; leave it out");
    }
    if arguments.ordering_keys.is_some() {
        return refuse("takes ordering keys from its lines; use --key-field in place of --ordering-keys");
    }
    if arguments.overflow.is_some_and(|policy| policy != OverflowPolicy::Block) {
        return refuse("tells messages by their order; use --overflow block, which drops none");
    }
    let mut lines = Lines::read(&path)?;
    if let Some(field) = &arguments.key_field {
        lines.take_keys(field).map_err(|error| format!("--input {}: {error}", path.display()))?;
    }
    Ok(vec![Payload::Input { path, lines: Arc::new(lines) }])
}
