//! Stands between nabat and libc (`LD_PRELOAD`): flushes that fail, writes that are refused or
//! wait, a wall clock that jumps, and a copy of what would be left of the disk without power.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::eventually;

/// The built library.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour/faults/interposer.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interposer.so");
    let fresh = library.with_extension(std::process::id().to_string());
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&fresh, &source])
        .arg("-ldl")
        .output()
        .expect("cc is there, as rustc needs it too");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // Other test processes may use the former one at this moment.
    std::fs::rename(&fresh, &library).unwrap();
    library
});

/// A switch, by its place in the page that `interposer.c` reads.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub enum Switch {
    /// The number of the error that every write gets; 0: none.
    WriteError = 8,
    /// How many flushes fail with EIO.
    FlushErrors = 12,
    HoldWrites = 16,
    HoldFlushes = 20,
    /// Calls that have waited.
    Held = 24,
    /// Flushes that succeeded after one had failed.
    FlushedAfter = 28,
    /// Flushes that failed.
    Failed = 32,
    /// Whether flushes of SQLite's log never fail.
    SpareTheLog = 36,
    /// Whether what is flushed is copied.
    Mirror = 40,
}

/// No file system to write to (`EROFS`).
pub const READ_ONLY: i32 = 30;

#[derive(Debug)]
pub struct Interposer {
    page: File,
    path: PathBuf,
    mirror: PathBuf,
}

impl Interposer {
    /// Keeps its switches, and the copy of the disk, in `directory`.
    pub fn new(directory: &Path) -> Self {
        let (path, mirror) = (directory.join("switches"), directory.join("mirror"));
        std::fs::create_dir(&mirror).unwrap();
        std::fs::write(&path, [0; 4096]).unwrap();
        let page = File::options().read(true).write(true).open(&path).unwrap();
        Self { page, path, mirror }
    }

    /// Has it stand below the command, whose store is `store`.
    pub fn below(&self, command: &mut Command, store: &Path) {
        std::fs::create_dir_all(store).unwrap();
        command
            .env("LD_PRELOAD", &*LIBRARY)
            .env("NABAT_TEST_SWITCHES", &self.path)
            .env("NABAT_TEST_STORE", store.canonicalize().unwrap())
            .env("NABAT_TEST_MIRROR", &self.mirror);
    }

    /// What is left of the store when the power goes: each file as it was last flushed.
    pub fn mirror(&self) -> &Path {
        &self.mirror
    }

    pub fn set(&self, switch: Switch, value: i32) {
        self.page.write_all_at(&value.to_ne_bytes(), switch as u64).unwrap();
    }

    pub fn get(&self, switch: Switch) -> i32 {
        let mut value = [0; 4];
        self.page.read_exact_at(&mut value, switch as u64).unwrap();
        i32::from_ne_bytes(value)
    }

    /// Moves the wall clock so many seconds away from the true time.
    pub fn move_clock(&self, seconds: i64) {
        self.page.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// Waits until a call waits.
    pub async fn holds(&self) {
        eventually("a call is held", async || self.get(Switch::Held) > 0).await;
    }
}
