//! The thin door: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Messages are many small texts, on several threads.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    nabat::cli::run()
}
