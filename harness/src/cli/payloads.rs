//! Where payloads come from, and which options go with the lines of a file.

use std::path::PathBuf;
use std::sync::Arc;

use super::settings::within;
use super::{Arguments, OverflowPolicy};
use crate::input::{LARGEST, Lines};
use crate::payload;

/// Where payloads come from.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// Written by the harness, this many bytes each.
    Generated(usize),
    /// The lines of `--input`.
    Input { path: PathBuf, lines: Arc<Lines> },
}

/// The payloads asked for: one run each.
pub(super) fn of(arguments: &Arguments) -> Result<Vec<Payload>, String> {
    let Some(path) = &arguments.input else {
        let sizes = if arguments.payload.is_empty() { vec![1_024] } else { arguments.payload.clone() };
        for &size in &sizes {
            within("--payload", size, payload::MINIMUM, LARGEST)?;
        }
        return Ok(sizes.into_iter().map(Payload::Generated).collect());
    };
    if !arguments.payload.is_empty() {
        return Err(
            "--payload does nothing with --input, whose lines are the payloads; leave one out".to_owned()
        );
    }
    if arguments.publishers > 1 || arguments.consumers > 1 {
        return Err(
            "--input tells messages by their order; use one publisher and one consumer per subscription"
                .to_owned(),
        );
    }
    if arguments.batch > 1 {
        return Err("--batch does nothing with --input, whose lines are published one by one; leave it out"
            .to_owned());
    }
    if arguments.overflow != OverflowPolicy::Block {
        return Err(
            "--input tells messages by their order; use --overflow block, which drops none".to_owned()
        );
    }
    let lines = Arc::new(Lines::read(path)?);
    Ok(vec![Payload::Input { path: path.clone(), lines }])
}
