//! The tests, once a mutant, as far as the first program that fails.

use crate::build::Program;
use crate::list::Mutant;
use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

/// Programs run at the same time.
const JOBS: usize = 2;
/// Seconds. A program takes some tenths of one, of the engine a few, and the machine may be busy with others.
const PATIENCE: &str = "20";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passes,
    Fails,
    Hangs,
}

/// Runs the tests against each of these mutants.
#[expect(clippy::disallowed_methods, reason = "tells how long tests take")]
pub(crate) fn all(mutants: &[&Mutant], programs: &[Program]) -> Result<Vec<(u32, Outcome)>, Box<dyn Error>> {
    for program in programs {
        let start = Instant::now();
        if run(program, 0)? != Outcome::Passes {
            return Err(format!("{} fails without a mutant", program.name).into());
        }
        println!("{}: {:?}", program.name, start.elapsed());
    }
    let (next, found) = (Mutex::new(mutants.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let mutant = next.lock().ok().and_then(|mut next| next.next());
                    let Some(mutant) = mutant else { return };
                    let outcome = judge(mutant, programs);
                    println!("{outcome:?} {}", mutant.text);
                    if let Ok(mut found) = found.lock() {
                        found.push((mutant.id, outcome));
                    }
                }
            });
        }
    });
    Ok(found.into_inner().unwrap_or_default())
}

fn judge(mutant: &Mutant, programs: &[Program]) -> Outcome {
    // Those first that are most likely to notice.
    let is_near = |program: &&Program| program.name == "unit tests" || mutant.file.contains(&program.name);
    let (near, far): (Vec<_>, Vec<_>) = programs.iter().partition(is_near);
    let found = near.into_iter().chain(far).map(|program| run(program, mutant.id).unwrap_or(Outcome::Fails));
    found.into_iter().find(|outcome| *outcome != Outcome::Passes).unwrap_or(Outcome::Passes)
}

fn run(program: &Program, id: u32) -> Result<Outcome, Box<dyn Error>> {
    // A mutant may ask for all the memory there is. RINGMAIN_RUNNER is for machines where programs wait for their turn.
    let script = "ulimit -v 2000000; program=$0; patience=$1; shift; exec ${RINGMAIN_RUNNER:-} timeout $patience $program $*";
    let status = Command::new("sh")
        .args(["-c", script])
        .args([program.path.as_os_str(), PATIENCE.as_ref(), "--test-threads=4".as_ref()])
        .args(program.is_module.then(|| format!("{}::", program.name)))
        .env("RINGMAIN_MUTANT", id.to_string())
        .env("RINGMAIN_MODEL_CASES", "60")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true") // what a mutant fails on is no seed to be kept
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(match status.code() {
        Some(0) => Outcome::Passes,
        Some(124) => Outcome::Hangs,
        _ => Outcome::Fails,
    })
}
