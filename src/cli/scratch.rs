//! A directory that goes away with the command that made it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one among the temporary files, named after the command and the process.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(command: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("nabat-{command}-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
