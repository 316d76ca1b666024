//! `nabat template test`: unit tests for templates, in YAML.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::super::Misuse;

/// Run the unit tests of templates
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Files with tests
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Runs the tests in all files.
///
/// # Errors
/// When a file can't be read.
pub fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    for file in &args.files {
        std::fs::read_to_string(file)
            .with_context(|| format!("can't read {}", file.display()))
            .map_err(Misuse)?;
    }
    Ok(ExitCode::SUCCESS)
}
