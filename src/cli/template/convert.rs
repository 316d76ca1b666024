//! `nabat template convert`: Alertmanager's Go templates as nabat's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::Misuse;
use crate::cli::output::{complain, print, say};
use crate::convert::{Conversion, Converted, Source, convert};

/// Flags of `nabat template convert`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For example: nabat template convert telegram.tmpl --output-dir templates\n\
                        Files that call each other's templates are named together.\n\
                        Exit codes: 0 all was converted, 1 something was left (it is named, and stands in \
                        the template as a comment), 2 a file can't be read or written."
)]
pub struct ConvertArgs {
    /// Files with Go templates
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write each template to a file of its own here; without it they are printed
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, requires = "output_dir")]
    force: bool,
}

/// Converts, and tells what was left.
///
/// # Errors
/// A file or standard output can't be read or written.
pub fn run(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("can't read {}", file.display()))?;
        Ok(Source { file: file.clone(), text })
    };
    let sources: anyhow::Result<Vec<Source>> = args.files.iter().map(read).collect();
    let conversion = convert(&sources.map_err(Misuse)?);
    match &args.output_dir {
        Some(directory) => {
            let written = write(directory, args.force, &conversion).map_err(Misuse)?;
            written.iter().try_for_each(|file| say(&file.display().to_string()))?;
        }
        None => print(together(&conversion).as_bytes())?,
    }
    for name in &conversion.unused {
        complain(format_args!(
            "note: {name:?} is left out: it takes alerts, and nothing in these files calls it"
        ));
    }
    for problem in &conversion.problems {
        complain(problem);
    }
    Ok(if conversion.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All templates in one text, each beneath its name.
fn together(conversion: &Conversion) -> String {
    let mut printed = String::new();
    for Converted { name, define, text } in &conversion.templates {
        let _ = writeln!(printed, "==> {name}.hbs (define {define:?}) <==\n{text}");
    }
    printed
}

/// Writes each template to a file of its own, and returns the files. Those that exist are replaced
/// only by `force`.
fn write(directory: &Path, force: bool, conversion: &Conversion) -> anyhow::Result<Vec<PathBuf>> {
    let files: Vec<PathBuf> = conversion
        .templates
        .iter()
        .map(|template| directory.join(format!("{}.hbs", template.name)))
        .collect();
    if let Some(file) = files.iter().find(|file| !force && file.exists()) {
        anyhow::bail!("{} exists; --force replaces it", file.display());
    }
    std::fs::create_dir_all(directory)
        .with_context(|| format!("can't make {}", directory.display()))?;
    for (template, file) in conversion.templates.iter().zip(&files) {
        std::fs::write(file, &template.text)
            .with_context(|| format!("can't write {}", file.display()))?;
    }
    Ok(files)
}
