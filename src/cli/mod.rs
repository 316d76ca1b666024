//! The command line: one file a command.

mod address;
pub mod check;
mod completions;
mod demo;
mod healthcheck;
mod http;
mod outbox;
mod output;
mod render;
mod scratch;
mod serve;
mod template;
mod test_alert;
mod twins;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::lifecycle::Threads;

use output::complain;

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
    /// Try nabat without a bot: everything in one process, with a chat page in the browser
    Demo(demo::DemoArgs),
    /// Check the configuration and the templates
    Check(check::CheckArgs),
    /// Show the messages that a webhook body becomes, without sending anything
    Render(render::RenderArgs),
    /// Test templates
    Template(template::TemplateArgs),
    /// Send a test alert through a running nabat and wait until Telegram has taken it
    TestAlert(test_alert::TestAlertArgs),
    /// Look at and mend the outbox of a running nabat
    Outbox(outbox::OutboxArgs),
    /// Ask a running nabat whether it is healthy, for containers
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Print the completion script of a shell
    Completions(completions::CompletionsArgs),
}

/// Runs the command the process was started with.
pub fn run() -> ExitCode {
    let matches = twins::settled(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|fault| fault.exit());
    // Every TLS user of the process needs this first; an earlier provider would be as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli.command {
        Command::Serve(args) => serve(args),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Check(args) => block_on(check::run(args)),
        Command::Render(args) => block_on(render::run(args)),
        Command::Template(args) => block_on(async move { template::run(&args) }),
        Command::TestAlert(args) => block_on(test_alert::run(args)),
        Command::Outbox(args) => block_on(outbox::run(args)),
        Command::Healthcheck(args) => block_on(healthcheck::run(args)),
        Command::Completions(args) => block_on(completions::run(args, Cli::command())),
    }
}

/// An error in how the command was called, or in what it was to work with; exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.0))]
struct Misuse(anyhow::Error);

/// An error and its causes in one line, without those that the text before them tells already.
fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// Serves on threads of its own for the doors and for delivery.
fn serve(args: serve::ServeArgs) -> ExitCode {
    match Threads::start() {
        Ok(threads) => {
            let delivery = threads.delivery().clone();
            ended(threads.run(serve::run(args, delivery)))
        }
        Err(error) => no_threads(&error),
    }
}

/// Runs a command to its end; an error is printed with its causes.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => ended(runtime.block_on(command)),
        Err(error) => no_threads(&error),
    }
}

fn no_threads(error: &io::Error) -> ExitCode {
    complain(format_args!("nabat: can't start: {error}"));
    ExitCode::FAILURE
}

fn ended(command: anyhow::Result<ExitCode>) -> ExitCode {
    match command {
        Ok(code) => code,
        Err(error) => {
            complain(format_args!("nabat: {}", told(&error)));
            if error.is::<Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
