//! The folder of a profile, which is replaced as a whole: files of two runs side by side would pass for one.

use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;

/// All that a profile may have. What else lies in the folder is not touched.
const KNOWN: [&str; 6] = ["cpu.folded", "cpu.svg", "diff.svg", "meta.json", "threads.json", "top.txt"];

/// Files on their way into a folder, in a temporary directory beside it, which goes when this is dropped.
#[derive(Debug)]
pub(super) struct Staged {
    directory: tempfile::TempDir,
    /// In the order in which they were written.
    pub(super) files: Vec<String>,
}

impl Staged {
    /// Begins, in the directory that has the folder.
    pub(super) fn new(profiles: &Path) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix(".profile-").tempdir_in(profiles);
        let directory = directory.map_err(|error| cannot_write(profiles, &error))?;
        Ok(Self { directory, files: Vec::new() })
    }

    pub(super) fn json(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
        self.text(name, &(text + "\n"))
    }

    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<(), String> {
        self.bytes(name, text.as_bytes())
    }

    pub(super) fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).map_err(|error| cannot_write(&path, &error))?;
        self.files.push(name.to_owned());
        Ok(())
    }

    /// Moves the files into `folder`, in place of those of an earlier profile. Returns the names.
    pub(super) fn publish(self, folder: &Path) -> Result<Vec<String>, String> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot create {}: {error}; give another --out", folder.display()))?;
        // All of them, and first: what is left when something fails is less than a profile, and no mixture of two.
        KNOWN.iter().try_for_each(|name| remove(&folder.join(name)))?;
        for name in &self.files {
            let path = folder.join(name);
            std::fs::rename(self.directory.path().join(name), &path)
                .map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(self.files)
    }
}

fn remove(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!(
            "cannot remove {}, which is of an earlier profile: {error}; give another --out",
            path.display()
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}; give another --out", path.display())
}
