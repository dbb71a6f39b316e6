//! Profiles: where a scenario's time goes.
//!
//! [`prepare`] says what is wrong with a request. [`Ready::make`] builds the harness with line tables and frame pointers ([`build`]), runs the scenario in it under `perf
//! record` ([`record`]), folds the samples of the role threads ([`fold`]), and replaces one folder ([`folder`]):
//!
//! | file | what it is |
//! |---|---|
//! | `cpu.folded`, `cpu.svg` | the stacks with their counts, and the flame graph |
//! | `diff.svg` | against the committed `cpu.folded` of the same folder |
//! | `top.txt` | the functions with the most samples of their own |
//! | `threads.json` | per role thread: CPU time, run-queue delay, spins, waits, parks, yields |
//! | `meta.json` | what was run, where, and what came out |
//!
//! A profile is a run of its own: the thing that is looked at is a child process, so that nothing of what makes the
//! profile is in it. Without `perf` the run is made all the same, for `threads.json`, and the remedy is one line.

mod build;
mod callgrind;
mod fold;
mod folder;
mod graph;
mod meta;
mod record;
mod run;
mod subject;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

use crate::interrupt;
use crate::result;
use fold::Folded;
use folder::Staged;
use graph::Baseline;
use run::Child;

const INTERRUPTED: &str = "interrupted: no profile";

/// What to make a profile of.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Request {
    pub(crate) scenario: String,
    /// In percent of the capacity, for `saturation`.
    pub(crate) level: Option<f64>,
    /// Messages a second; searched for when it is not given.
    pub(crate) capacity: Option<String>,
    /// Length of a sample, if not the usual one.
    pub(crate) duration: Option<String>,
    /// Where the folder goes; `profiles` in the workspace unless given.
    pub(crate) out: Option<PathBuf>,
    /// A harness that is built already.
    pub(crate) binary: Option<PathBuf>,
    pub(crate) callgrind: bool,
    /// Further options of the run.
    pub(crate) more: Vec<String>,
}

impl Request {
    /// Which kind of load is profiled, by the name that its threads have; all where a scenario has but one.
    fn load(&self) -> Option<&'static str> {
        match &*self.scenario {
            // Not the closed loops that say what the level is a percentage of.
            "saturation" => Some("open"),
            // Of fanout, not the few messages a second that say how long one takes.
            "throughput" | "fanout" => Some("full"),
            _ => None,
        }
    }
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<String>,
    /// What could not be made, and the remedy, a line each.
    pub(crate) remedies: Vec<String>,
    /// What a reader of it should know, a line each.
    pub(crate) notes: Vec<String>,
    /// Why the run that was profiled failed, a line each; `None` when it did not.
    pub(crate) failed: Option<Vec<String>>,
}

/// What was recorded.
#[derive(Debug)]
struct Cpu {
    folded: Folded,
    /// The commit that it was compared with.
    compared: Option<String>,
    /// Whether samples of the kernel are in it, if that is known.
    has_kernel: Option<bool>,
}

/// A profile that can be made: whatever is wrong with a request has been said by then.
#[derive(Debug)]
pub(crate) struct Ready<'a> {
    request: &'a Request,
    /// Of the run.
    arguments: Vec<String>,
    /// Where the folder goes.
    profiles: PathBuf,
    /// The workspace, needed unless there is a binary.
    root: Result<PathBuf, String>,
    /// Of the folder, in `profiles`.
    name: String,
    title: String,
    /// What is committed there.
    baseline: Option<Baseline>,
}

/// Looks at all that a profile needs, before anything is built or run. `Err` is what would be right.
pub(crate) fn prepare(request: &Request) -> Result<Ready<'_>, String> {
    let arguments = run::arguments(request)?;
    let config = run::rehearse(&arguments)?;
    let root = build::workspace();
    if request.binary.is_none() {
        root.as_ref().map_err(Clone::clone)?;
    }
    let profiles = request.out.clone();
    let profiles = profiles.unwrap_or_else(|| root.as_deref().unwrap_or(Path::new(".")).join("profiles"));
    result::prepare(&profiles, "--out")?;
    let (name, title) = (subject::folder(request, &config), subject::title(request, &config));
    let baseline = graph::committed(&profiles, &name);
    if let Some(difference) = other(request, baseline.as_ref(), &config) {
        return Err(difference);
    }
    request.binary.as_deref().map_or(Ok(()), run::starts)?;
    Ok(Ready { request, arguments, profiles, root, name, title, baseline })
}

impl Ready<'_> {
    /// Makes the profile. `Err` is why there is none.
    pub(crate) fn make(&self) -> Result<Made, String> {
        interrupt::listen_for("ending the run, of which there will be no profile")?;
        // Whatever failed then failed by that: Cargo and perf are told of a Ctrl-C as well.
        self.made().map_err(|error| if interrupt::requested() { INTERRUPTED.to_owned() } else { error })
    }

    fn made(&self) -> Result<Made, String> {
        let request = self.request;
        let binary = match &request.binary {
            Some(binary) => binary.clone(),
            None => build::harness(self.root.as_deref().map_err(Clone::clone)?)?,
        };
        let arguments = run::with_capacity(&binary, request, self.arguments.clone())?;
        let work =
            tempfile::tempdir().map_err(|error| format!("cannot make a temporary directory: {error}"))?;

        let (mut remedies, mut notes) = (Vec::new(), Vec::new());
        let perf = record::probe(&binary, work.path()).map_err(|remedy| remedies.push(remedy)).ok();
        let data = perf.as_ref().map(|_| work.path().join("perf.data"));
        let child = run::child(&binary, &arguments, data.as_deref(), work.path())?;

        if let Some(difference) = other(request, self.baseline.as_ref(), &child.result["config"]) {
            return Err(format!("nothing is written: {difference}"));
        }
        let folder = self.profiles.join(&self.name);
        let mut writer = Staged::new(&self.profiles)?;
        writer.json("threads.json", &threads(&child, request.load())?)?;
        let mut cpu = None;
        if let Some(data) = &data {
            let folded = fold::fold(&record::script(data)?, request.load())?;
            writer.text("cpu.folded", &folded.text)?;
            writer.text("top.txt", &fold::top(&folded.text))?;
            writer.bytes("cpu.svg", &graph::flame(&folded.text, &self.title)?)?;
            let compared = self.comparable(&child.result, &mut notes);
            if let Some(baseline) = compared {
                let difference = graph::difference(&baseline.folded, &folded.text, &self.title)?;
                writer.bytes("diff.svg", &difference)?;
            }
            let compared = compared.map(|baseline| baseline.commit.clone());
            let has_kernel = record::has_kernel(data);
            if has_kernel == Some(false) {
                notes.push(record::USER_ONLY.to_owned());
            }
            cpu = Some(Cpu { folded, compared, has_kernel });
        }
        let mut counts = None;
        if request.callgrind {
            match callgrind::measure(self.root.as_deref().unwrap_or(Path::new("."))) {
                Ok(counted) => counts = Some(counted),
                Err(remedy) => remedies.push(remedy),
            }
        }
        let meta = meta::object(&meta::About {
            request,
            arguments: &arguments,
            child: &child,
            perf: perf.as_deref(),
            cpu: cpu.as_ref(),
            instructions: counts.as_ref(),
            files: &writer.files,
        });
        writer.json("meta.json", &meta)?;
        if interrupt::requested() {
            return Err(INTERRUPTED.to_owned());
        }
        let files = writer.publish(&folder)?;
        Ok(Made { folder, files, remedies, notes, failed: failures(&child.result) })
    }

    /// The committed profile, if this one is of the same; otherwise `notes` say why not.
    fn comparable(&self, result: &Value, notes: &mut Vec<String>) -> Option<&Baseline> {
        let baseline = self.baseline.as_ref()?;
        let meta = &baseline.meta;
        match subject::difference(meta, &result["config"]).or_else(|| subject::other_cpu(meta, result)) {
            None => Some(baseline),
            Some(difference) => {
                notes.push(format!("no diff.svg: {difference}, and only the same can be compared"));
                None
            }
        }
    }
}

/// What is said when this would take the place of a committed profile of something else, unless that place was given.
fn other(request: &Request, baseline: Option<&Baseline>, config: &Value) -> Option<String> {
    let difference = subject::difference(&baseline?.meta, config).filter(|_| request.out.is_none())?;
    Some(format!("{difference}; give --out DIR, so that this one does not take its place"))
}

/// The errors of a run that failed.
fn failures(result: &Value) -> Option<Vec<String>> {
    let errors = result["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    (result["success"] == false).then(|| errors.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// What the role threads did under this kind of load, from the child's result.
fn threads(child: &Child, load: Option<&str>) -> Result<Value, String> {
    let all = &child.result["threads"];
    let roles = all["roles"]
        .as_array()
        .ok_or("the harness that was run does not tell what its threads did; build it from this commit")?;
    let wanted: Vec<&Value> =
        roles.iter().filter(|role| load.is_none_or(|load| role["load"] == load)).collect();
    let mut threads = json!({ "roles": wanted });
    if let Some(coordinator) = all.get("coordinatorCpuMs") {
        threads["coordinatorCpuMs"] = coordinator.clone();
    }
    Ok(threads)
}
