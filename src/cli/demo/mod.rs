//! `nabat demo`: nabat and a stand-in Telegram with a chat page, in one process.

mod story;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::app::{self, App, Options};
use crate::clock::Clock;
use crate::config::process_environment;
use crate::ingest::BodyLimits;
use crate::lifecycle::Tasks;
use crate::sandbox::{ChatKind, Sandbox, SandboxOptions};
use crate::telegram::ChatId;
use crate::telemetry::{Scrubber, logs};

use super::Misuse;
use super::address::listen_address;
use super::output::say;
use super::scratch::Scratch;

/// The chats of the demo: alias, number, title, and the rest of their configuration.
const CHATS: [(&str, ChatId, &str, &str); 2] = [
    ("ops", ChatId(-1_001_000_000_001), "On call", "language: en, timezone: Europe/London"),
    ("almaty", ChatId(-1_001_000_000_002), "Дежурные", "language: ru, timezone: Asia/Almaty"),
];

/// How long the story waits for what it told to be shown, before it goes on.
const PATIENCE: Duration = Duration::from_mins(1);

/// Flags of `nabat demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where Alertmanager can post to
    #[arg(
        long = "web.listen-address",
        env = "NABAT_DEMO_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9087",
        value_parser = listen_address,
        value_name = "ADDRESS"
    )]
    listen_address: SocketAddr,

    /// Where the chat page is
    #[arg(
        long = "page.listen-address",
        env = "NABAT_DEMO_PAGE_ADDRESS",
        default_value = "127.0.0.1:9088",
        value_parser = listen_address,
        value_name = "ADDRESS"
    )]
    page_address: SocketAddr,

    /// Play no story; only wait for webhooks
    #[arg(long, env = "NABAT_DEMO_NO_STORY")]
    no_story: bool,

    /// Play the story this many times faster
    #[arg(long, env = "NABAT_DEMO_SPEED", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100), value_name = "TIMES")]
    speed: u32,

    /// End when the story is over
    #[arg(long, conflicts_with = "no_story")]
    once: bool,

    /// off, error, warn, info, debug or trace
    #[arg(
        long = "log.level",
        env = "NABAT_LOG_LEVEL",
        default_value = "warn",
        value_name = "LEVEL"
    )]
    log_level: String,
}

/// Runs until interrupted.
pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let scrubber = Scrubber::new();
    logs::init(&args.log_level, logs::Format::Text, &scrubber).map_err(|e| Misuse(e.into()))?;
    let tasks = Tasks::default();
    let sandbox = start_sandbox(args.page_address, &tasks)?;
    let directory = Scratch::new("demo")?;
    let config_file = directory.path().join("nabat.yml");
    write_configuration(&config_file, &sandbox)?;
    let app = app::start(Options {
        config_file: Some(config_file),
        storage_path: directory.path().join("data"),
        listen_address: args.listen_address,
        web_config_file: None,
        body: BodyLimits::default(),
        grace: Duration::from_secs(2),
        environment: process_environment,
        clock: Arc::new(Clock::system()),
        scrubber,
        delivery: Handle::current(),
    })
    .await?;
    let webhook = format!("http://{}/alertmanager", app.address());
    say(&format!(
        "nabat demo: nabat and a stand-in Telegram in one process; nothing leaves this machine.\n\n\
         \x20 chat page   {}/\n\
         \x20 webhook     {webhook}   (your own Alertmanager can post here)\n\n\
         Ctrl-C ends it; nothing is kept.\n",
        sandbox.url()
    ))?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        told = tell(&args, &app, &webhook) => told?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    app.stop().await;
    tasks.stop();
    Ok(ExitCode::SUCCESS)
}

/// Plays the story, then waits for ever if it was not asked to end.
async fn tell(args: &DemoArgs, app: &App, webhook: &str) -> anyhow::Result<()> {
    if !args.no_story {
        let shown = async || match timeout(PATIENCE, everything_shown(app)).await {
            Ok(shown) => shown,
            // Somebody else's alerts wait, or Telegram is made to fail.
            Err(_) => Ok(()),
        };
        story::play(webhook, args.speed, shown).await?;
        if args.once {
            everything_shown(app).await?;
            say("The story is over.")?;
            return Ok(());
        }
        say("The story is over. Post your own alerts, or press Ctrl-C.")?;
    }
    std::future::pending().await
}

/// The pace is Telegram's own: a fast story takes a while to be shown.
async fn everything_shown(app: &App) -> anyhow::Result<()> {
    while app.intake().outbox.totals().await?.chats.values().any(|chat| chat.waiting > 0) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn start_sandbox(listen: SocketAddr, tasks: &Tasks) -> anyhow::Result<Sandbox> {
    let options = SandboxOptions { listen, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options, tasks).with_context(|| {
        format!("can't listen on {listen}; name another address with --page.listen-address")
    })?;
    for (_, id, title, _) in CHATS {
        sandbox.add_chat(id, ChatKind::Supergroup { forum: false }, title);
    }
    Ok(sandbox)
}

/// The configuration a person would write for these chats.
fn write_configuration(file: &Path, sandbox: &Sandbox) -> anyhow::Result<()> {
    let token_file = file.with_file_name("bot-token");
    std::fs::write(&token_file, sandbox.token()).context("can't write the demo's token")?;
    let mut text = format!(
        "telegram:\n  bot_token: {{file: {}}}\n  api_url: {}\nchats:\n",
        token_file.display(),
        sandbox.url()
    );
    text.extend(CHATS.map(|(alias, id, _, rest)| format!("  {alias}: {{id: {id}, {rest}}}\n")));
    text.push_str("route:\n  chats: [ops, almaty]\n");
    std::fs::write(file, text).context("can't write the demo's configuration")
}
