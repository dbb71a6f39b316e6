//! Runs the models against each mutant. The programs are built once: what to break is chosen when they start.

use super::Mutant;
use super::report::Fate;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// For how long models run against a mutant, at least, as long as they take when nothing is broken. A mutant that many
/// models come by, and that the short ones do not notice, would otherwise take as long as all models together.
const ENOUGH: Duration = Duration::from_secs(60);
/// By what a model fails (see `models::check`).
const FAILED: i32 = 101;

/// A model, and what it is like when nothing is broken.
#[derive(Debug)]
pub struct Model {
    program: PathBuf,
    pub name: String,
    pub takes: Duration,
    /// How many executions it has: how long it is, however busy the machine.
    pub iterations: u64,
    /// The places that it comes by. It cannot notice what is broken elsewhere.
    pub places: BTreeSet<String>,
}

/// The models in `programs`, the short ones first. Each must hold while nothing is broken.
pub fn models(programs: &[PathBuf]) -> Vec<Model> {
    let names: Vec<_> = programs.iter().flat_map(|program| names(program)).collect();
    let found = Mutex::new(Vec::new());
    each(&names, |(program, name)| {
        let output = start(program, &[name, "--exact"], "").output().expect("a program runs");
        assert!(output.status.success(), "{name} fails as it is: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        // Behind what the test harness has written on the same line.
        let unbroken = said.lines().find_map(|line| Some(line.split_once("unbroken: ")?.1));
        found.lock().expect("nobody panics").push(describe(program, unbroken.expect("it tells")));
    });
    let mut found = found.into_inner().expect("nobody panics");
    found.sort_by_key(|model| model.iterations);
    found
}

/// The models in one program.
fn names(program: &Path) -> Vec<(PathBuf, String)> {
    let output = Command::new(program).arg("--list").output().expect("a program runs");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(|name| (program.to_owned(), name.to_owned())).collect()
}

fn describe(program: &Path, model: &str) -> Model {
    let mut words = model.split(' ');
    let name = words.next().expect("a model has a name").to_owned();
    let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
    let (takes, iterations) = (Duration::from_millis(number()), number());
    let places = words.map(str::to_owned).collect();
    Model { program: program.to_owned(), name, takes, iterations, places }
}

/// What becomes of each mutant, in their order; `done` is told of each.
pub fn run(models: &[Model], mutants: &[Mutant], done: impl Fn(&Mutant, &Fate) + Sync) -> Vec<Fate> {
    let fates = Mutex::new(vec![None; mutants.len()]);
    let numbered: Vec<_> = mutants.iter().enumerate().collect();
    each(&numbered, |(number, mutant)| {
        let fate = fate(models, mutant);
        done(mutant, &fate);
        fates.lock().expect("nobody panics")[*number] = Some(fate);
    });
    fates
        .into_inner()
        .expect("nobody panics")
        .into_iter()
        .map(|fate| fate.expect("each had its turn"))
        .collect()
}

fn fate(models: &[Model], mutant: &Mutant) -> Fate {
    let come_by: Vec<_> = models.iter().filter(|model| model.places.contains(&mutant.place.name)).collect();
    let mut taken = Duration::ZERO;
    for (ran, model) in come_by.iter().enumerate() {
        if taken > ENOUGH {
            return Fate::Survived(ran, come_by.len());
        }
        if fails(model, &mutant.name) {
            return Fate::Killed(model.name.clone());
        }
        taken += model.takes;
    }
    Fate::Survived(come_by.len(), come_by.len())
}

fn fails(model: &Model, broken: &str) -> bool {
    let arguments = [model.name.as_str(), "--exact"];
    let mut child =
        start(&model.program, &arguments, broken).stdout(Stdio::null()).spawn().expect("a program runs");
    let give_up = ringmain_ring::now() + Duration::from_secs(60) + 20 * model.takes;
    loop {
        match child.try_wait().expect("it is our child") {
            Some(status) if status.success() => return false,
            Some(status) if status.code() == Some(FAILED) => return true,
            Some(status) => panic!("{} broken by {broken} ends with {status}", model.name),
            // Broken, it goes round in circles: that was noticed.
            None if ringmain_ring::now() >= give_up => {
                let _killed = child.kill();
                let _status = child.wait();
                return true;
            }
            None => pause(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for another process")]
fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}

fn start(program: &Path, arguments: &[&str], broken: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).args(["--nocapture", "--test-threads=1"]).env("RINGMAIN_TWIN", broken);
    command.stderr(Stdio::null());
    command
}

/// Calls `f` for each item, on as many threads as there are CPUs.
fn each<T: Sync>(items: &[T], f: impl Fn(&T) + Sync) {
    let next = Mutex::new(items.iter());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(item) = next.lock().expect("nobody panics").next() else { return };
                    f(item);
                }
            });
        }
    });
}
