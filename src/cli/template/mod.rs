//! `nabat template`: what authors of templates need beside an editor, one file a command.

mod convert;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

/// Work on templates.
#[derive(Debug, clap::Args)]
pub struct TemplateArgs {
    #[command(subcommand)]
    command: TemplateCommand,
}

#[derive(Debug, Subcommand)]
enum TemplateCommand {
    /// Turn Alertmanager's Go templates into nabat's
    Convert(convert::ConvertArgs),
    /// Run the unit tests of templates
    Test(test::TestArgs),
}

/// Runs the subcommand.
///
/// # Errors
/// Those of the subcommand.
pub fn run(args: &TemplateArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        TemplateCommand::Convert(args) => convert::run(args),
        TemplateCommand::Test(args) => test::run(args),
    }
}
