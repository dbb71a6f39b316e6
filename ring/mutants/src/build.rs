//! A copy of the crate with the mutants in it, and its tests, built once.

use crate::list::Mutant;
use crate::weave::weave;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the woven code asks.
const MUTANT: &str = "
/// Which mutant is chosen; 0 for none.
pub fn mutant() -> u32 {
    static CHOSEN: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        std::env::var(\"RINGMAIN_MUTANT\").ok().and_then(|id| id.parse().ok()).unwrap_or(0)
    });
    *CHOSEN
}
";

/// Tests that run together: a program, and which of its modules.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Whether the name is that of a module; otherwise it is all of a program.
    pub(crate) is_module: bool,
}

/// What mutants are of.
pub(crate) struct Subject {
    pub(crate) package: &'static str,
    /// The folders that it is built from, which are members of the workspace.
    crates: &'static [&'static str],
    /// Programs with tests, beside the unit tests and the suite.
    programs: &'static [&'static str],
    /// Modules of the suite, those first that notice most.
    modules: &'static [&'static str],
}

pub(crate) const RING: Subject = Subject {
    package: "ringmain-ring",
    crates: &["ring"],
    programs: &[],
    modules: &[
        "slab", "claims", "ring", "padding", "covers", "lines", "views", "peek", "stalled", "waiting",
        "try_lock", "readers", "lossy", "within", "room",
    ],
};
pub(crate) const ENGINE: Subject = Subject {
    package: "ringmain",
    crates: &["ring", "fanout", "engine"],
    programs: &["faults", "reference"],
    modules: &[
        "leases",
        "deadlines",
        "delivery",
        "retry",
        "max_lease",
        "flow_control",
        "dead_letter",
        "parked",
        "ordered",
        "ordered_in_place",
        "ordered_threads",
        "credit_histories",
        "credit_waits",
        "ending",
        "counters",
        "in_place",
        "filters",
        "overflow",
        "closing",
        "closed",
        "core",
        "ledger",
        "stress",
    ],
};

/// Makes the copy in `out`; returns which mutants are in it.
pub(crate) fn copy(
    subject: &Subject,
    out: &Path,
    mutants: &[&Mutant],
) -> Result<HashSet<u32>, Box<dyn Error>> {
    let manifest = fs::read_to_string("Cargo.toml")?
        .replace("[\"ring\", \"fanout\", \"engine\", \"harness\"]", &format!("{:?}", subject.crates));
    write(&out.join("copy/Cargo.toml"), &manifest)?;
    write(&out.join("copy/Cargo.lock"), &fs::read_to_string("Cargo.lock")?)?;
    let mut of_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        of_file.entry(&mutant.file).or_default().push(mutant);
    }
    let mut files = Vec::new();
    for name in subject.crates {
        for part in ["src", "tests", "benches", "examples"].map(|part| Path::new(name).join(part)) {
            if part.is_dir() {
                collect(&part, &mut files)?;
            }
        }
        files.push(Path::new(name).join("Cargo.toml"));
    }
    let mut woven = HashSet::new();
    for file in files {
        let name = file.to_string_lossy().into_owned();
        let mut text = fs::read_to_string(&file)?;
        if let Some(mutants) = of_file.get(name.as_str()) {
            let ask =
                if name.starts_with("ring/") { "crate::sync::mutant" } else { "ringmain_ring::sync::mutant" };
            let (with, which) =
                weave(&text, &syn::parse_str(ask)?, mutants).map_err(|error| format!("{name}: {error}"))?;
            woven.extend(which);
            text = with;
        }
        if name == "ring/src/sync.rs" {
            text += MUTANT;
        }
        if name.starts_with("ring/tests") {
            // As many rounds as under Miri: a thousand runs, on a machine that is busy, and a hang must show.
            text = text.replace("cfg!(miri)", "cfg!(all())");
        }
        write(&out.join("copy").join(&file), &text)?;
    }
    Ok(woven)
}

/// Writes what has changed only, so that only that is built again.
fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().ok_or("a file lies in a folder")?)?;
    Ok(fs::write(path, text)?)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// Builds the tests, or says which mutants keep them from being built.
pub(crate) fn tests(
    subject: &Subject,
    out: &Path,
) -> Result<Result<Vec<Program>, HashSet<u32>>, Box<dyn Error>> {
    let mut command = Command::new("cargo");
    command.current_dir(out.join("copy")).args(["test", "-q", "--no-run", "-p", subject.package]);
    command.args(["--lib", "--test", "suite", "--message-format=json"]);
    command.args(subject.programs.iter().flat_map(|program| ["--test", program]));
    command.env("CARGO_PROFILE_TEST_OPT_LEVEL", "1").env("CARGO_PROFILE_TEST_DEBUG", "false");
    let output = command.env("CARGO_TARGET_DIR", std::path::absolute(out.join("target"))?).output()?;
    let (mut programs, mut modules, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let (mut wrong, mut said) = (HashSet::new(), String::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        if let Some(program) = message["executable"].as_str() {
            let path = PathBuf::from(program);
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let tests =
                |name: &str, is_module| Program { name: name.to_owned(), path: path.clone(), is_module };
            if name == "suite" {
                modules.extend(subject.modules.iter().map(|module| tests(module, true)));
            } else if subject.programs.contains(&name) {
                rest.push(tests(name, false));
            } else {
                programs.push(tests("unit tests", false));
            }
        }
        if message["message"]["level"] == "error" {
            said += message["message"]["rendered"].as_str().unwrap_or_default();
            wrong.extend(guilty(out, &message["message"]));
        }
    }
    if output.status.success() {
        programs.extend(modules.into_iter().chain(rest));
        return Ok(Ok(programs));
    }
    if wrong.is_empty() {
        return Err(format!("it does not build: {said}\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Err(wrong))
}

/// The mutant that an error is about: the last one named at or before its place.
fn guilty(out: &Path, error: &Value) -> Option<u32> {
    let spans = error["spans"].as_array()?;
    let span = spans.iter().find(|span| span["is_primary"] == true)?;
    let text = fs::read_to_string(out.join("copy").join(span["file_name"].as_str()?)).ok()?;
    let line = usize::try_from(span["line_start"].as_u64()?).ok()?;
    let before: Vec<_> = text.lines().take(line).collect();
    before.iter().rev().take(12).find_map(|line| {
        let (number, _) = line.split_once("u32 =>").or_else(|| line.split_once("u32 {"))?;
        number.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}
