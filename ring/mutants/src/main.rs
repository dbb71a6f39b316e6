//! All mutants of `ring`, or of the engine's leases, in one build, each chosen when a test starts.
//!
//! cargo-mutants says which mutants there are (`cargo mutants --list`), and would build the crate and its tests anew for
//! each: a thousand builds. Here they are all [woven](weave) into a copy of the crate, behind one number that is read from
//! the environment, so that there is one build; then the tests [run](run) once a mutant, as far as the first that fails.
//! What does not compile is told by the compiler, and taken out again ([build]).
//!
//! What cannot be woven (it is part of a constant, or of a chain of `let`s) is written down as such, for cargo-mutants.
//!
//! ```sh
//! cargo mutants --list -p ringmain-ring >list.txt # or -p ringmain -f FILE
//! cargo run --release --manifest-path ring/mutants/Cargo.toml -- list.txt OUT [PART ..]
//! ```
//!
//! With `PART`s, parts of paths, only the mutants of those files are run.

mod build;
mod list;
mod run;
mod weave;

use list::Mutant;
use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(list), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("give the file with the list of mutants, and a folder for what is found".into());
    };
    let only: Vec<String> = arguments.collect();
    let out = Path::new(&out);
    fs::create_dir_all(out)?;
    let mutants = list::read(&fs::read_to_string(list)?);
    println!("{} mutants", mutants.len());
    let is_of_ring = mutants.first().is_some_and(|mutant| mutant.file.starts_with("ring/"));
    let subject = if is_of_ring { build::RING } else { build::ENGINE };
    // What did not compile the last time does not now: or delete the file.
    let known = fs::read_to_string(out.join("unviable.txt")).unwrap_or_default();
    let known: HashSet<_> = known.lines().collect();
    let mut unviable: HashSet<_> =
        mutants.iter().filter(|one| known.contains(one.text.as_str())).map(|one| one.id).collect();
    let (woven, programs) = loop {
        let viable: Vec<_> = mutants.iter().filter(|mutant| !unviable.contains(&mutant.id)).collect();
        let woven = build::copy(&subject, out, &viable)?;
        match build::tests(&subject, out)? {
            Ok(programs) => break (woven, programs),
            Err(wrong) => {
                println!("{} do not compile", wrong.len());
                unviable.extend(wrong);
            }
        }
    };
    let of = |ids: &dyn Fn(u32) -> bool| mutants.iter().filter(|mutant| ids(mutant.id)).collect::<Vec<_>>();
    write(out, "unviable", &of(&|id| unviable.contains(&id)))?;
    write(out, "unwoven", &of(&|id| !unviable.contains(&id) && !woven.contains(&id)))?;
    let mut chosen = of(&|id| woven.contains(&id));
    chosen.retain(|mutant| only.is_empty() || only.iter().any(|part| mutant.text.contains(part.as_str())));
    let found = run::all(&chosen, &programs)?;
    let outcomes =
        [("caught", run::Outcome::Fails), ("timeout", run::Outcome::Hangs), ("missed", run::Outcome::Passes)];
    let part = only.first().map(|part| format!("-{}", part.replace('/', "."))).unwrap_or_default();
    for (name, outcome) in outcomes {
        let ids: HashSet<_> = found.iter().filter(|(_, one)| *one == outcome).map(|(id, _)| *id).collect();
        write(out, &format!("{name}{part}"), &of(&|id| ids.contains(&id)))?;
    }
    Ok(())
}

fn write(out: &Path, name: &str, mutants: &[&Mutant]) -> Result<(), Box<dyn Error>> {
    println!("{name}: {}", mutants.len());
    let lines: String = mutants.iter().map(|mutant| mutant.text.clone() + "\n").collect();
    Ok(fs::write(out.join(format!("{name}.txt")), lines)?)
}
