//! The curves as they are measured by `ringmain-peers curves`, quickly: that all axes run, with every message accounted
//! for, and that what is written is whole. Figures are another matter.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const AXES: [&str; 8] =
    ["subscriptions", "publishers", "payload", "ring", "batch", "shards", "threads", "wait"];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The page with what stands between the marks taken out.
fn prose(page: &str) -> String {
    let mut parts =
        page.split("<!-- end -->").map(|part| part.split("<!-- curve ").next().unwrap_or_default());
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part)
}

#[test]
fn all_axes_run_and_leave_figures_pictures_and_a_page() {
    let docs = tempfile::tempdir().expect("a directory");
    let page = include_str!("../../../docs/SCALING.md");
    std::fs::write(docs.path().join("SCALING.md"), page).expect("a file");
    let program = Command::new(env!("CARGO_BIN_EXE_ringmain-peers"))
        .args(["curves", "--quick", "--docs"])
        .arg(docs.path())
        .output()
        .expect("the program starts");
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));

    let filled = read(&docs.path().join("SCALING.md"));
    assert_eq!(prose(&filled), prose(page), "what is between the marks, and nothing else, is written");
    assert!(filled.contains("| `SpinThenPark` (default) |"), "{filled}");
    for axis in AXES {
        let text = read(&docs.path().join(format!("curves/{axis}.json")));
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((json["axis"].as_str(), json["quick"].as_bool()), (Some(axis), Some(true)));
        let curves = json["curves"].as_array().expect("curves");
        assert!(!curves.is_empty(), "{axis}");
        for curve in curves {
            let points = curve["points"].as_array().expect("points");
            assert!(!points.is_empty() && curve["missing"] == json!([]), "{axis}: {curve:#}");
            assert!(points.is_sorted_by_key(|point| point["x"].as_u64()), "{axis}");
            for point in points {
                let [min, median, max, line] = ["min", "median", "max", "lineNanos"]
                    .map(|field| point[field].as_f64().expect("a figure"));
                assert!(0.0 < min && min <= median && median <= max && line > 0.0, "{axis}: {point:#}");
                assert!(point["samples"].as_u64() >= Some(1), "{axis}: {point:#}");
            }
        }
        if axis != "wait" {
            let marks: usize =
                curves.iter().map(|curve| curve["points"].as_array().map_or(0, Vec::len)).sum();
            let svg = read(&docs.path().join(format!("curves/{axis}.svg")));
            assert_eq!(svg.matches("<circle ").count(), marks, "{axis}");
            let shown = format!("](curves/{axis}.svg)");
            assert!(filled.contains(&shown), "{axis} is not in the page");
        }
    }
}

/// An axis that is through soon, as text.
fn shards(out: impl Into<Stdio>) -> Output {
    let program = Command::new(env!("CARGO_BIN_EXE_ringmain-peers"))
        .args(["curves", "--quick", "--only", "shards"])
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    program.wait_with_output().expect("the program ends")
}

#[test]
fn who_reads_no_further_is_no_fault() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let program = shards(writer);
    let said = String::from_utf8_lossy(&program.stderr);
    assert!(program.status.success() && said.lines().count() == 1, "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn figures_that_cannot_be_written_are_a_fault_that_says_so() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let program = shards(full);
    let said = String::from_utf8_lossy(&program.stderr);
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(program.status.code(), Some(1), "{said}");
    assert!(last.starts_with("ringmain-peers: cannot write to stdout: "), "{said}");
}
