//! `nabat template test`: unit tests for templates, in YAML, in the manner of `promtool test
//! rules`.

mod judge;
mod suite;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;

use super::super::Misuse;
use super::super::check::Paint;
use super::super::output::{complain, print};
use suite::Suite;

/// Run the unit tests of templates
#[derive(Debug, clap::Args)]
#[command(after_help = "For example: nabat template test config/templates/*.test.yml\n\
                        Exit codes: 0 all tests passed, 1 one failed, 2 a file or a template is \
                        faulty, or no test has the name.")]
pub struct TestArgs {
    /// Files with tests
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Run only the tests whose name holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// How one file did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// No test has the name that is asked for.
    Unnamed,
    Passed,
    Failed,
    /// There was nothing to run.
    Faulty,
}

/// Runs the tests in all files, and tells of all that fail. Exits with 1 when one failed, with 2
/// when a file or a template is faulty.
///
/// # Errors
/// When no test of any file has the name that is asked for, or standard output does not take what
/// is told.
pub fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let mut worst = Outcome::Unnamed;
    for file in &args.files {
        worst = worst.max(run_file(file, args.only.as_deref())?);
    }
    Ok(match worst {
        Outcome::Unnamed => {
            let only = args.only.as_deref().unwrap_or_default();
            return Err(Misuse(anyhow!("--only: no test has {only:?} in its name")).into());
        }
        Outcome::Passed => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::FAILURE,
        Outcome::Faulty => ExitCode::from(2),
    })
}

fn run_file(file: &Path, only: Option<&str>) -> anyhow::Result<Outcome> {
    let suite = match Suite::read(file) {
        Ok(suite) => suite,
        Err(faults) => {
            let mark = Paint::on(&io::stderr()).bad("error:");
            for fault in faults {
                complain(format_args!("{mark} {fault}"));
            }
            return Ok(Outcome::Faulty);
        }
    };
    let paint = Paint::on(&io::stdout());
    let mut report = String::new();
    let (mut passed, mut failed) = (0, 0);
    for test in suite.tests.iter().filter(|test| only.is_none_or(|only| test.name.contains(only))) {
        let failures = judge::judge(&suite.renderer, test, paint);
        if failures.is_empty() {
            passed += 1;
            continue;
        }
        failed += 1;
        let place = format!("{}:{}", file.display(), test.line);
        let _ = writeln!(report, "{} {place}: {}", paint.bad("FAILED"), paint.title(&test.name));
        for failure in failures {
            for line in failure.lines() {
                let _ = writeln!(report, "    {line}");
            }
        }
    }
    let _ = writeln!(report, "{}: {passed} passed, {failed} failed", file.display());
    print(report.as_bytes())?;
    Ok(match (passed, failed) {
        (0, 0) if only.is_some() => Outcome::Unnamed,
        (_, 0) => Outcome::Passed,
        _ => Outcome::Failed,
    })
}
