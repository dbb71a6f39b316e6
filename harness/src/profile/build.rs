//! The build that is profiled: the profile `profiling` of the workspace, with frame pointers.
//!
//! Frame pointers are what `perf record -g` follows; the compiler leaves them out unless told otherwise, by a flag
//! that Cargo has no setting for. The flag differs from that of an ordinary build, so the result goes into a target
//! directory of its own, and neither build undoes the other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Added to what is in `RUSTFLAGS` already.
pub(super) const FLAGS: &str = "-Cforce-frame-pointers=yes";

/// The workspace around the current directory.
pub(super) fn workspace() -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| format!("there is no current directory: {error}"))?;
    let is_workspace = |directory: &&Path| {
        let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).unwrap_or_default();
        manifest.contains("[profile.profiling]") && directory.join("harness/Cargo.toml").is_file()
    };
    here.ancestors().find(is_workspace).map(Path::to_path_buf).ok_or_else(|| {
        format!(
            "{} is in no clone of Ringmain, so there is nothing to build; go into one, or give --binary",
            here.display()
        )
    })
}

/// Builds the harness and returns where it is.
pub(super) fn harness(root: &Path) -> Result<PathBuf, String> {
    Ok(cargo(root, &["-p", "ringmain-harness"])?.join("harness"))
}

/// Builds an example of the engine and returns where it is.
pub(super) fn example(root: &Path, name: &str) -> Result<PathBuf, String> {
    Ok(cargo(root, &["-p", "ringmain", "--example", name])?.join("examples").join(name))
}

/// Builds, and returns where what was built is.
fn cargo(root: &Path, what: &[&str]) -> Result<PathBuf, String> {
    let target = target(root)?;
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let built = Command::new("cargo")
        .current_dir(root)
        .args(["build", "--locked", "--profile", "profiling", "--target-dir"])
        .arg(&target)
        .args(what)
        .env("RUSTFLAGS", format!("{flags} {FLAGS}").trim())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match built {
        Ok(status) if status.success() => Ok(target.join("profiling")),
        Ok(status) => Err(format!("the build failed ({status}); see above, or give --binary")),
        Err(error) => Err(format!("cannot run cargo: {error}; put it on PATH, or give --binary")),
    }
}

/// Where the build goes. Cargo takes a relative directory to be one below where it runs, which is not where we do: it is made
/// absolute by where the command was given, as if Cargo had been run there.
fn target(root: &Path) -> Result<PathBuf, String> {
    let given = std::env::var_os("CARGO_TARGET_DIR").filter(|directory| !directory.is_empty());
    let directory = given.map_or_else(|| root.join("target"), PathBuf::from).join("frame-pointers");
    std::path::absolute(&directory)
        .map_err(|error| format!("cannot tell where {} is: {error}; give --binary", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_from_within() {
        // Tests run in the package's directory, one below.
        let root = workspace().unwrap();
        assert!(root.join("engine/Cargo.toml").is_file(), "{}", root.display());
    }
}
