//! Result files as the commands take them.

use serde_json::Value;
use std::path::Path;

use crate::result::SCHEMA_VERSION;

/// The text of a file, or one line that names it.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        format!("cannot read {}: {error}; give a result file of the harness", path.display())
    })
}

/// The result in a file: an object with a scenario and metrics, of the version of the format that is known here. Whether it is valid, `harness validate` tells.
pub(crate) fn result(path: &Path) -> Result<Value, String> {
    let value: Value = serde_json::from_str(&text(path)?).map_err(|error| {
        format!("{} is not JSON: {error}; give a result file of the harness", path.display())
    })?;
    let version = &value["schemaVersion"];
    if !version.is_null() && *version != SCHEMA_VERSION {
        return Err(format!(
            "{} is of version {version} of the format, and this harness reads {SCHEMA_VERSION}; use a harness of its version",
            path.display()
        ));
    }
    if value["scenario"].is_string() && value["metrics"].is_object() {
        Ok(value)
    } else {
        Err(format!(
            "{} is no result: it has no scenario and metrics; give a result file of the harness",
            path.display()
        ))
    }
}
