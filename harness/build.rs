//! Captures at build time what a result must say about the build: the compiler and the commit.
//!
//! Both are facts of the binary, not of the machine it runs on later, so they are compiled in. Without git (a source
//! archive, an installed crate) the commit is simply absent.

use std::path::Path;
use std::process::Command;

fn main() {
    for path in [
        "build.rs",
        "src",
        "../ring/src",
        "../fanout/src",
        "../engine/src",
        "../.git/HEAD",
        "../.git/logs/HEAD",
    ] {
        // Naming a path that does not exist would make Cargo run this script at every build.
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if let Some(version) = first_line(&rustc, &["--version"]) {
        println!("cargo:rustc-env=HARNESS_RUSTC_VERSION={version}");
    }
    if let Some(commit) = first_line("git", &["rev-parse", "HEAD"]) {
        let changed = first_line("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
        println!("cargo:rustc-env=HARNESS_COMMIT={commit}{}", if changed { "-dirty" } else { "" });
    }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())?;
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}
