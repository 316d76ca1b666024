//! How many files the process may have open, and so how many connections it may take.

/// What nabat needs itself: the outbox, connections to Telegram and to Vault, what the runtime
/// and the libraries hold.
const KEPT: u64 = 96;

/// How many connections may be taken at one time: at most `most`, and never so many that nothing
/// is left to reach Telegram with.
pub(super) fn connections(most: u32) -> u32 {
    match open_files() {
        Some(limit) => most.min(share(limit)),
        None => most,
    }
}

/// What connections may take of so many open files.
fn share(limit: u64) -> u32 {
    let share = limit.saturating_sub(KEPT).max(limit / 2).max(1);
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// How many files may be open, once as many are asked for as the process may have: the usual
/// 1,024 are a default for programs of long ago.
#[cfg(target_os = "linux")]
fn open_files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limits.maximum, ..limits };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limits.maximum,
        Err(_) => limits.current,
    }
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept_for_nabat_itself_however_few_there_are() {
        for (limit, taken) in [(1 << 20, (1 << 20) - 96), (1024, 928), (150, 75), (2, 1), (0, 1)] {
            assert_eq!(share(limit), taken, "{limit}");
        }
        assert_eq!(connections(1), 1);
    }
}
