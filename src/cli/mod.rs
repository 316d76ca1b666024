//! The command line: one file a command.

pub mod check;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Carries Alertmanager's alerts to Telegram, and loses none.
#[derive(Debug, Parser)]
#[command(
    name = "nabat",
    version,
    about,
    after_help = "Try it without a bot: nabat demo\n\
                  Run it with only the environment: TELEGRAM_BOT_TOKEN=… TELEGRAM_CHAT_ID=… nabat serve\n\
                  Exit codes: 0 fine, 1 failed, 2 usage or configuration."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take webhooks and deliver them, until stopped
    Serve(serve::ServeArgs),
    /// Check the configuration and the templates, without talking to anyone
    Check(check::CheckArgs),
}

/// Runs the command the process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Every TLS user of the process needs this first; an earlier provider would be as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli.command {
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Check(args) => check::run(&args),
    }
}

/// Runs a command to its end; an error is printed with its causes.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("nabat: can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("nabat: {error:#}");
            ExitCode::FAILURE
        }
    }
}
