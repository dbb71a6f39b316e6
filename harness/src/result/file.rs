//! Where results go.
//!
//! A run may take an hour, so that there is somewhere to put its result is made sure of before it begins; and where
//! there no longer is when it ends, the result goes to stdout rather than nowhere. A file appears whole or not at all.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::settings::Settings;

/// Makes the directory and makes sure that it can be written, so that a run does not end with nowhere to put its
/// result. `option` is what it was given by.
pub(crate) fn prepare(directory: &Path, option: &str) -> Result<(), String> {
    let cannot = |what: &str, error: &std::io::Error| {
        format!(
            "cannot {what} {option} {}: {error}; give a directory that can be written",
            directory.display()
        )
    };
    std::fs::create_dir_all(directory).map_err(|error| cannot("create", &error))?;
    tempfile::NamedTempFile::new_in(directory).map(drop).map_err(|error| cannot("write to", &error))
}

/// Writes the file and returns its path. Refuses an object that holds a null, which is what JSON makes of NaN. Where
/// there is no room the result goes to `instead`, and what comes back says so.
pub(crate) fn write(
    directory: &Path,
    settings: &Settings,
    result: &Value,
    instead: &mut impl Write,
) -> Result<PathBuf, String> {
    if let Some(path) = null_in(result, String::new()) {
        return Err(format!("{path} is not a number: the result is not written"));
    }
    let timestamp = result["environment"]["timestamp"].as_str().unwrap_or("unknown").replace([':', '.'], "-");
    let variant = settings.variant.as_ref().map_or_else(String::new, |variant| format!("-{variant}"));
    let path = directory.join(format!("{}{variant}-{timestamp}.json", settings.scenario.name()));
    let text = format!("{result:#}\n");
    let Err(error) = whole(directory, &path, &text) else { return Ok(path) };
    let printed = instead.write_all(text.as_bytes()).and_then(|()| instead.flush());
    let remedy = if printed.is_ok() {
        "it was printed to stdout instead; save it from there, and make room or give another --results"
    } else {
        "and stdout took it neither: it is lost; make room or give another --results, and run again"
    };
    Err(format!("cannot write {}: {error}; {remedy}", path.display()))
}

/// Writes beside `path` and renames, so that a full disk leaves no half of a result.
fn whole(directory: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let part = directory.join(format!(".{}.part", std::process::id()));
    let moved = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    if moved.is_err() {
        // As far as it goes: what matters is why the file could not be written.
        std::fs::remove_file(&part).unwrap_or(());
    }
    moved
}

/// The path of the first null in `value`.
fn null_in(value: &Value, path: String) -> Option<String> {
    match value {
        Value::Null => Some(path),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(index, value)| null_in(value, format!("{path}[{index}]")))
        }
        Value::Object(map) => map.iter().find_map(|(name, value)| null_in(value, format!("{path}.{name}"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, settings};
    use clap::Parser;
    use serde_json::json;

    #[test]
    fn a_number_that_is_none_is_found_by_its_path() {
        let fine = json!({"a": [1, {"b": 0.5}]});
        assert_eq!(null_in(&fine, String::new()), None);
        let broken = json!({"a": [1, {"b": f64::NAN}]});
        assert_eq!(null_in(&broken, String::new()).unwrap(), ".a[1].b");
    }

    fn settings() -> Settings {
        let arguments = Arguments::try_parse_from(["harness", "--scenario", "throughput"]).unwrap();
        settings::plan(&arguments).unwrap().runs.remove(0)
    }

    #[test]
    fn a_result_appears_whole_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let result = json!({"environment": {"timestamp": "2026-01-31T12:00:00.000Z"}});
        let mut stdout = Vec::new();
        let path = write(directory.path(), &settings(), &result, &mut stdout).unwrap();
        assert_eq!(path.file_name().unwrap(), "throughput-2026-01-31T12-00-00-000Z.json");
        assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()).unwrap(), result);
        assert_eq!((std::fs::read_dir(directory.path()).unwrap().count(), stdout.len()), (1, 0));
    }

    #[test]
    fn where_there_is_no_room_the_result_is_printed_and_that_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        let result = json!({"a": 1});
        let mut stdout = Vec::new();
        let line = write(&gone, &settings(), &result, &mut stdout).unwrap_err();
        assert_eq!(serde_json::from_slice::<Value>(&stdout).unwrap(), result);
        assert!(line.contains("printed to stdout instead") && !line.contains('\n'), "{line}");
        let line = write(&gone, &settings(), &result, &mut Full).unwrap_err();
        assert!(line.contains("it is lost") && !line.contains('\n'), "{line}");
    }

    /// A disk with no room.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_cannot_be_written_is_refused_before_anything_runs() {
        let line = prepare(Path::new("/proc"), "--results").unwrap_err();
        assert!(
            line.contains("cannot write to --results /proc") && line.contains("give a directory"),
            "{line}"
        );
    }
}
