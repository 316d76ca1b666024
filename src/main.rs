//! The thin door: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// For the static build: musl's own allocator is slow with several threads.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    nabat::cli::run()
}
