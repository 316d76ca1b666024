//! `nabat completions`: what the shell needs to complete nabat's commands.

use std::process::ExitCode;

use clap_complete::Shell;

use super::output::print;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "For example: nabat completions bash > /etc/bash_completion.d/nabat")]
pub struct CompletionsArgs {
    shell: Shell,
}

/// Writes the script of `command` to standard output.
///
/// # Errors
/// When standard output does not take it.
#[expect(clippy::unused_async, reason = "every command has the same form")]
pub async fn run(args: CompletionsArgs, mut command: clap::Command) -> anyhow::Result<ExitCode> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}
