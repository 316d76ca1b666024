//! `nabat check`: reads the configuration as `serve` would, and says what was understood. What the
//! environment lacks is only a warning, for the check may run elsewhere. With `--live` it asks
//! everyone whom the running program would need.

mod live;
mod summary;
mod telegram;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app;
use crate::config::{Config, TOKEN_VARIABLE, process_environment};

use super::output::{complain, print};

/// Check the configuration and the templates, without talking to anyone.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration file; by default nabat.yml if there is one, else the environment
    #[arg(long = "config.file", env = "NABAT_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// Also ask Vault, Telegram and the Alertmanagers; chats see for a moment that the bot types
    #[arg(long)]
    pub live: bool,
}

/// Prints the summary and what was found live to stdout, or the faults to stderr. Exits with 0,
/// with 1 when a live check failed, with 2 when the configuration is faulty.
///
/// # Errors
/// When standard output does not take it, or this machine can't make an HTTP client.
pub async fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let file = Config::find(args.config_file.as_deref());
    let read = if args.live { Config::load } else { Config::lint };
    let config = match read(file.as_deref(), &process_environment) {
        Ok(config) => config,
        Err(faults) => return Ok(refuse(&faults.0)),
    };
    match app::renderer(&config) {
        Ok(renderer) if renderer.unknown_names().is_empty() => {}
        Ok(renderer) => return Ok(refuse(renderer.unknown_names())),
        Err(errors) => return Ok(refuse(&errors)),
    }
    let client = match app::client(&config) {
        Ok(client) => client,
        Err(error) => return Ok(refuse(&[error])),
    };
    let mark = Paint::on(&io::stderr()).odd("warning:");
    for warning in &config.warnings {
        complain(format_args!("{mark} {warning}"));
    }
    let source = match file {
        Some(path) => path.display().to_string(),
        None => format!("the environment ({TOKEN_VARIABLE}, …)"),
    };
    let paint = Paint::on(&io::stdout());
    print(summary::summary(&config, &source, paint).as_bytes())?;
    if !args.live {
        return Ok(ExitCode::SUCCESS);
    }
    let report = live::examine(&config, client).await?;
    print(report.shown(paint).as_bytes())?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what is wrong, one a line.
fn refuse(faults: &[impl fmt::Display]) -> ExitCode {
    let mark = Paint::on(&io::stderr()).bad("error:");
    for fault in faults {
        complain(format_args!("{mark} {fault}"));
    }
    ExitCode::from(2)
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

impl Paint {
    /// Colours only for a terminal, and not where `NO_COLOR` asks for none.
    pub(in crate::cli) fn on(stream: &impl io::IsTerminal) -> Self {
        let refused = process_environment("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: stream.is_terminal() && !refused }
    }

    fn with(self, code: u8, text: impl fmt::Display) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    pub(in crate::cli) fn title(self, text: impl fmt::Display) -> String {
        self.with(1, text)
    }

    fn faint(self, text: impl fmt::Display) -> String {
        self.with(2, text)
    }

    pub(in crate::cli) fn bad(self, text: impl fmt::Display) -> String {
        self.with(31, text)
    }

    pub(in crate::cli) fn good(self, text: impl fmt::Display) -> String {
        self.with(32, text)
    }

    pub(in crate::cli) fn odd(self, text: impl fmt::Display) -> String {
        self.with(33, text)
    }
}
