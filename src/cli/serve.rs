//! `nabat serve`: the main job.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, Options};
use crate::clock::Clock;
use crate::config::{Config, process_environment};
use crate::ingest::BodyLimits;
use crate::telemetry::{Scrubber, logs};

use super::address::listen_address;
use super::output::complain;

/// Flags of `nabat serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration file; without one TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are enough
    /// [default: nabat.yml when it exists]
    #[arg(long = "config.file", env = "NABAT_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Directory of the outbox; created when missing
    #[arg(
        long = "storage.path",
        env = "NABAT_STORAGE_PATH",
        default_value = "data",
        value_name = "DIR"
    )]
    storage_path: PathBuf,

    /// Address to listen on; without a host, such as :9087, all IPv4 addresses
    #[arg(
        long = "web.listen-address",
        env = "NABAT_WEB_LISTEN_ADDRESS",
        default_value = "0.0.0.0:9087",
        value_parser = listen_address,
        value_name = "ADDRESS"
    )]
    listen_address: SocketAddr,

    /// TLS and users of the HTTP side, in the format of Prometheus's exporters
    #[arg(long = "web.config.file", env = "NABAT_WEB_CONFIG_FILE", value_name = "FILE")]
    web_config_file: Option<PathBuf>,

    /// Largest webhook body taken, in bytes
    #[arg(
        long = "web.max-body-bytes",
        env = "NABAT_WEB_MAX_BODY_BYTES",
        default_value_t = BodyLimits::default().size,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..),
        value_name = "BYTES"
    )]
    max_body_bytes: usize,

    /// How long requests and sends in flight may take when stopping
    #[arg(
        long = "shutdown.grace",
        env = "NABAT_SHUTDOWN_GRACE",
        default_value = "8s",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    grace: Duration,

    /// off, error, warn, info, debug or trace; or a list such as nabat=debug,warn
    #[arg(
        long = "log.level",
        env = "NABAT_LOG_LEVEL",
        default_value = "info",
        value_name = "LEVEL"
    )]
    log_level: String,

    /// Format of the log on stderr
    #[arg(
        long = "log.format",
        env = "NABAT_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    log_format: logs::Format,
}

/// Serves until SIGTERM or SIGINT; delivery runs on the threads of `delivery`.
pub async fn run(args: ServeArgs, delivery: Handle) -> anyhow::Result<ExitCode> {
    let scrubber = Scrubber::new();
    if let Err(error) = logs::init(&args.log_level, args.log_format, &scrubber) {
        // A level that can't be read leaves the format.
        let _ = logs::init("error", args.log_format, &scrubber);
        tell_why_not(args.log_format, &error);
        return Ok(ExitCode::from(2));
    }
    let log_format = args.log_format;
    let options = Options {
        config_file: Config::find(args.config_file.as_deref()),
        storage_path: args.storage_path,
        listen_address: args.listen_address,
        web_config_file: args.web_config_file,
        body: BodyLimits { size: args.max_body_bytes, ..BodyLimits::default() },
        grace: args.grace,
        environment: process_environment,
        clock: Arc::new(Clock::system()),
        scrubber,
        delivery,
    };
    // Before the start, which may take a while: a signal must find them.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let started = tokio::select! {
        started = app::start(options) => started,
        _ = terminate.recv() => return Ok(stopped_early()),
        _ = interrupt.recv() => return Ok(stopped_early()),
    };
    let app = match started {
        Ok(app) => app,
        Err(error) => {
            tell_why_not(log_format, &error);
            return Ok(ExitCode::from(if error.is_configuration() { 2 } else { 1 }));
        }
    };
    let code = loop {
        tokio::select! {
            _ = terminate.recv() => break ExitCode::SUCCESS,
            _ = interrupt.recv() => break ExitCode::SUCCESS,
            _ = hang_up.recv() => drop(app.reload().await),
            () = app.failed() => break ExitCode::FAILURE,
        }
    };
    app.stop().await;
    Ok(code)
}

/// Tells why nabat does not start: whoever collects a log in JSON gets a line of it, unless the log
/// is switched off.
fn tell_why_not(format: logs::Format, why: &impl fmt::Display) {
    if format == logs::Format::Json && tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("nabat does not start: {why}");
    } else {
        complain(format_args!("nabat: {why}"));
    }
}

/// What was accepted meanwhile is in the store, like after any other end.
fn stopped_early() -> ExitCode {
    tracing::info!("stopped while starting");
    ExitCode::SUCCESS
}
