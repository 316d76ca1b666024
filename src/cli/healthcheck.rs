//! `nabat healthcheck`: for containers, which have no curl.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Method, StatusCode};

use super::http::{Nabat, ServerArgs};
use super::output::{plain, say};

/// Ask a running nabat whether it is healthy; exit code 0 when it is, 1 when not
#[derive(Debug, clap::Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Ask whether it can accept webhooks durably, not only whether it runs
    #[arg(long)]
    ready: bool,
}

/// Prints the answer.
///
/// # Errors
/// When nabat does not answer within 5 seconds.
pub async fn run(args: HealthcheckArgs) -> anyhow::Result<ExitCode> {
    let path = if args.ready { "/-/ready" } else { "/-/healthy" };
    let nabat = Nabat::new(&args.server, Duration::from_secs(5))?;
    let answer = nabat.ask(Method::GET, path, None).await?;
    say(&plain(answer.text.trim()))?;
    // Whoever asks for a password is alive; whether it can accept webhooks it did not say.
    let alive = !args.ready && answer.status == StatusCode::UNAUTHORIZED;
    Ok(if alive || answer.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
