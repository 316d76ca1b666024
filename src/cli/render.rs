//! `nabat render`: what a webhook body looks like as messages, without sending anything.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::clock::Clock;
use crate::ingest;
use crate::rendering::{ButtonKind, Kind, Language, Rendered, Renderer, Scene, TemplateSource};

use super::Misuse;

/// Show the messages that a webhook body becomes, without sending anything
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For example: nabat render body.json --language=ru --timezone=Asia/Almaty\n\
                        Exit codes: 0 fine, 1 a template failed or the body is broken, \
                        2 a template is faulty or missing."
)]
pub struct RenderArgs {
    /// A file with the webhook's JSON; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// How to show the messages
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The chat's language
    #[arg(long, env = "NABAT_RENDER_LANGUAGE", value_parser = language, default_value = "en", value_name = "en|ru")]
    language: Language,
    /// The chat's time zone, such as Asia/Almaty
    #[arg(long, env = "NABAT_RENDER_TIMEZONE", value_parser = timezone, default_value = "UTC", value_name = "ZONE")]
    timezone: TimeZone,
    /// The template that the route names
    #[arg(long, default_value = "default", value_name = "NAME")]
    template: String,
    /// Files with templates; a pattern may be quoted, such as '/etc/nabat/templates/*.hbs'
    #[arg(long, num_args = 1.., value_name = "GLOB")]
    templates: Vec<String>,
    /// What the message is for
    #[arg(long, value_enum, default_value_t)]
    kind: KindName,
    /// The time at which to render, such as 2026-11-03T10:00:00Z; by default now
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// As people read it, without formatting
    #[default]
    Text,
    /// The markup that Telegram is sent
    Html,
    /// Both, one object a message
    Json,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum KindName {
    /// The whole state of the group
    #[default]
    Card,
    /// The reply that names new alerts
    News,
    /// The reply that says that the group ended
    Ended,
    /// The reply to a repeat
    Reminder,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Card => Self::Card,
            KindName::News => Self::News,
            KindName::Ended => Self::Ended,
            KindName::Reminder => Self::Reminder,
        }
    }
}

fn language(code: &str) -> Result<Language, String> {
    Language::from_code(code).ok_or_else(|| "the languages are en and ru".to_owned())
}

fn timezone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|error| error.to_string())
}

/// Prints the messages. Exits with 1 when the route's template had to be replaced by the built-in
/// one, with 2 when a template is faulty.
///
/// # Errors
/// When a file can't be read or the body is no webhook's.
pub fn run(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    let renderer = match Renderer::new(templates(&args.templates).map_err(Misuse)?) {
        Ok(renderer) => renderer,
        Err(faults) => {
            for fault in faults {
                eprintln!("error: {fault}");
            }
            return Ok(ExitCode::from(2));
        }
    };
    let now = args.at.unwrap_or_else(|| Clock::system().now());
    let state = ingest::parse(&body(args)?, now)?;
    let everything: Vec<usize> = (0..state.alerts.len()).collect();
    let message = renderer.render(&Scene {
        kind: args.kind.into(),
        state: &state,
        news: &everything,
        merged: 1,
        accepted_at: now,
        now,
        note: None,
        template: &args.template,
        language: args.language,
        timezone: &args.timezone,
        buttons: &ButtonKind::ALL,
    });
    let shown = show(&message, args.format)?;
    // A reader that went away (`nabat render | head`) is no failure.
    let _ = io::stdout().write_all(shown.as_bytes());
    Ok(match message.fell_back {
        None => ExitCode::SUCCESS,
        Some(why) => {
            eprintln!("warning: shown with the built-in template: {why}");
            ExitCode::FAILURE
        }
    })
}

fn body(args: &RenderArgs) -> anyhow::Result<Vec<u8>> {
    if args.file.as_os_str() == "-" {
        let mut body = Vec::new();
        io::stdin().read_to_end(&mut body).context("can't read standard input")?;
        return Ok(body);
    }
    std::fs::read(&args.file).with_context(|| format!("can't read {}", args.file.display()))
}

fn templates(patterns: &[String]) -> anyhow::Result<Vec<TemplateSource>> {
    let mut sources = Vec::new();
    for pattern in patterns {
        let files: Vec<PathBuf> = glob::glob(pattern)
            .with_context(|| format!("{pattern} is no file pattern"))?
            .collect::<Result<_, _>>()
            .with_context(|| format!("can't look for {pattern}"))?;
        anyhow::ensure!(!files.is_empty(), "{pattern} finds no file");
        for file in files {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("can't read {}", file.display()))?;
            sources.push(TemplateSource::from_file(&file, text));
        }
    }
    Ok(sources)
}

fn show(message: &Rendered, format: Format) -> anyhow::Result<String> {
    let mut shown = String::new();
    match format {
        Format::Json => {
            let parts = message.parts.iter();
            let parts: Vec<_> =
                parts.map(|part| json!({"html": part.html, "plain": part.plain})).collect();
            writeln!(shown, "{}", serde_json::to_string_pretty(&parts)?)?;
        }
        Format::Text | Format::Html => {
            for (index, part) in message.parts.iter().enumerate() {
                if index > 0 {
                    writeln!(shown, "--- the next message ---")?;
                }
                let text = if matches!(format, Format::Html) { &part.html } else { &part.plain };
                writeln!(shown, "{text}")?;
            }
        }
    }
    Ok(shown)
}
