//! Room on the disk that is set aside while there is plenty, and given up when there is none:
//! noting what was sent takes room too, and what can't be noted would have to be sent again.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A whole log may have to be copied into the file before it is written from its beginning again
/// (16 MiB, see `LONGEST_LOG`); the rest is for what sending adds.
const SIZE: u64 = 24 << 20;
/// Less than this is not worth keeping.
const LEAST: u64 = 1 << 20;
/// The part of a small disk that is set aside.
const SHARE: u64 = 8;
/// How often a full disk is asked for room again.
const ASK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    held: bool,
    /// How much is held, or to be held. A disk that had to give it back is full until it has as
    /// much again: with less, every new webhook would make it full again.
    size: u64,
    asked: Option<Instant>,
}

impl Reserve {
    /// Keeps what a former process set aside in `directory`, or sets it aside now.
    pub fn open(directory: &Path) -> Self {
        let path = directory.join("reserve");
        let mut reserve = Self { path, held: false, size: size_for(directory), asked: None };
        if !reserve.take() {
            tracing::error!(
                path = %directory.display(),
                "the disk has no room to set aside: webhooks are refused until it has"
            );
        }
        reserve
    }

    /// For a store that is on no disk.
    pub fn needless() -> Self {
        Self { path: PathBuf::new(), held: true, size: 0, asked: None }
    }

    /// Whether there is room set aside. When it was given up, tries to set some aside again, at
    /// most once a second.
    pub fn is_there(&mut self) -> bool {
        let now = crate::clock::monotonic();
        if !self.held && self.asked.is_none_or(|asked| now - asked >= ASK_EVERY) {
            self.asked = Some(now);
            if self.take() {
                tracing::info!("the disk has room again: webhooks are accepted");
            }
        }
        self.held
    }

    /// Lets the disk have the room back; returns whether there was any.
    pub fn give_up(&mut self) -> bool {
        self.asked = Some(crate::clock::monotonic());
        let held = std::mem::take(&mut self.held);
        if let Err(error) = std::fs::remove_file(&self.path)
            && held
        {
            tracing::warn!(%error, path = %self.path.display(), "room set aside can't be given up");
        }
        held
    }

    /// Sets room aside, where as much again stays free: what is accepted needs some too.
    fn take(&mut self) -> bool {
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path);
        let Ok(file) = open else { return false };
        let before = file.metadata().map_or(0, |file| file.len());
        // What is there already may have come from a backup, with nothing of the disk behind it.
        let room = if before >= self.size { self.size } else { 2 * self.size };
        self.held = allocate(&file, room).and_then(|()| file.set_len(self.size)).is_ok();
        if !self.held {
            let _ = file.set_len(before);
        }
        self.held
    }
}

/// How much to set aside: a share of a small disk, whatever is free on it now. One that is full at
/// the start is asked for as much as one that is not.
fn size_for(directory: &Path) -> u64 {
    let disk = rustix::fs::statvfs(directory)
        .map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
    (disk / SHARE).clamp(LEAST, SIZE)
}

/// Gives the file so many bytes of the disk.
#[cfg(target_os = "linux")]
fn allocate(file: &File, size: u64) -> io::Result<()> {
    use rustix::io::Errno;
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => fill(file, size),
        allocated => Ok(allocated?),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, size: u64) -> io::Result<()> {
    fill(file, size)
}

/// As [`allocate`], where a file system can only be asked by writing.
fn fill(mut file: &File, size: u64) -> io::Result<()> {
    use rand::{RngCore, SeedableRng};
    use std::io::{Seek, SeekFrom, Write};
    // Zeros would take no room on a file system that squeezes what it stores.
    let mut chunk = vec![0; 64 << 10];
    rand::rngs::StdRng::seed_from_u64(0).fill_bytes(&mut chunk);
    file.seek(SeekFrom::Start(0))?;
    let mut left = size;
    while left > 0 {
        let length = left.min(chunk.len() as u64);
        file.write_all(&chunk[..usize::try_from(length).unwrap_or(chunk.len())])?;
        left -= length;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_taken_again_and_survives_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::open(directory.path());
        assert!(reserve.is_there());
        assert_eq!(reserve.path.metadata().unwrap().len(), SIZE);
        assert!(reserve.give_up() && !reserve.path.exists());
        assert!(!reserve.give_up(), "there is none any more");
        assert!(!reserve.is_there(), "the disk is not asked all the time");
        reserve.asked = None;
        assert!(reserve.is_there());
        assert!(Reserve::open(directory.path()).is_there());
    }

    #[test]
    fn a_file_system_that_can_only_be_asked_by_writing_is_written_to() {
        let file = tempfile::tempfile().unwrap();
        fill(&file, 100_001).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 100_001);
    }
}
