//! `nabat render`: what a webhook body looks like as messages, without sending anything.

mod looks;
mod picture;
mod terminal;

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::alert::Forgotten;
use crate::clock::Clock;
use crate::ingest;
use crate::rendering::{Kind, Language, Rendered, Scene};
use crate::telegram::{ChatId, Method, TopicId};

use super::Misuse;
use super::output::{complain, print};
use looks::Looks;
use picture::Camera;

/// Show the messages that a webhook body becomes, without sending anything
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For example: nabat render body.json --language=ru --timezone=Asia/Almaty\n\
                  As a chat of the configuration gets it: nabat render body.json --chat=ops --config.file=nabat.yml\n\
                  As a picture: nabat render body.json --format=png --output=message.png\n\
                  Exit codes: 0 fine, 1 a template failed or the body is broken, \
                  2 a template or the configuration is faulty or missing."
)]
pub struct RenderArgs {
    /// A file with the webhook's JSON; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// How to show the messages
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Whether text is shown with its formatting
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    /// The browser that takes the picture; by default the first Chromium in PATH
    #[arg(long, env = "NABAT_RENDER_BROWSER", value_name = "PROGRAM")]
    browser: Option<PathBuf>,
    /// A chat of the configuration, whose looks the message takes: language, time zone, templates
    /// and the route's template
    #[arg(long, value_name = "ALIAS")]
    chat: Option<String>,
    /// The configuration that --chat is in; by default nabat.yml
    #[arg(long = "config.file", env = "NABAT_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// The chat's language, such as kk or ru
    #[arg(long, env = "NABAT_RENDER_LANGUAGE", value_parser = language, value_name = "CODE")]
    language: Option<Language>,
    /// The chat's time zone, such as Asia/Almaty
    #[arg(long, env = "NABAT_RENDER_TIMEZONE", value_parser = timezone, value_name = "ZONE")]
    timezone: Option<TimeZone>,
    /// The template that the route names
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
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
    /// As people read it, with the terminal's formatting; of a chat with tables, the text that is
    /// sent where a table can't be
    #[default]
    Text,
    /// The markup that Telegram is sent: a table where the chat has tables and the group is big
    Html,
    /// The calls of the Bot API: each method with its parameters; without the chat's own `silent`
    /// and `quiet_hours`, and without what a reply refers to
    Json,
    /// A picture of the chat, taken by Chromium
    Png,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    fn wanted(self, to_terminal: bool) -> bool {
        match self {
            Self::Auto => {
                to_terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
            }
            Self::Always => true,
            Self::Never => false,
        }
    }
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
    Language::from_code(code).ok_or_else(|| format!("the languages are {}", Language::codes()))
}

fn timezone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|error| error.to_string())
}

/// Shows the messages. Exits with 1 when the route's template had to be replaced by the built-in
/// one, with 2 when a template is faulty.
///
/// # Errors
/// When a file can't be read, the body is no webhook's, no browser takes the picture, or what is
/// shown can't be written.
pub async fn run(args: RenderArgs) -> anyhow::Result<ExitCode> {
    let now = args.at.unwrap_or_else(|| Clock::system().now());
    // What is wrong with the flags is told before the body is waited for.
    let templates = looks::templates(&args.templates).map_err(Misuse)?;
    let state = ingest::parse(&body(&args)?, now)?;
    let looks = Looks::find(&args, templates, &state).map_err(Misuse)?;
    let renderer = match &looks.renderer {
        Ok(renderer) => renderer,
        Err(faults) => {
            for fault in faults {
                complain(format_args!("error: {fault}"));
            }
            return Ok(ExitCode::from(2));
        }
    };
    let everything: Vec<usize> = (0..state.alerts.len()).collect();
    let message = renderer.render(&Scene {
        kind: args.kind.into(),
        state: &state,
        news: &everything,
        merged: 1,
        forgotten: Forgotten::default(),
        accepted_at: now,
        now,
        note: None,
        template: &looks.template,
        language: looks.language,
        timezone: &looks.timezone,
        tg_time: looks.tg_time,
        buttons: &looks.buttons,
        table: looks.rich,
    });
    let shown = show(&args, &looks, &message).await?;
    match &args.output {
        Some(file) => std::fs::write(file, shown)
            .with_context(|| format!("can't write {}", file.display()))?,
        None => print(&shown)?,
    }
    Ok(match message.fell_back {
        None => ExitCode::SUCCESS,
        Some(why) => {
            complain(format_args!("warning: shown with the built-in template: {why}"));
            ExitCode::FAILURE
        }
    })
}

async fn show(args: &RenderArgs, looks: &Looks, message: &Rendered) -> anyhow::Result<Vec<u8>> {
    let to_terminal = args.output.is_none() && io::stdout().is_terminal();
    Ok(match args.format {
        Format::Text => terminal::shown(message, args.color.wanted(to_terminal)).into_bytes(),
        Format::Html => html(message).into_bytes(),
        Format::Json => {
            let calls = calls(message, args.kind, looks.chat.unwrap_or(ChatId(0)), looks.topic);
            format!("{:#}\n", json(&calls, looks.chat.is_some())).into_bytes()
        }
        Format::Png => {
            anyhow::ensure!(
                !to_terminal,
                Misuse(anyhow::anyhow!("a terminal shows no picture; name a file with --output"))
            );
            let camera = Camera::find(args.browser.as_deref())?;
            camera.shoot(&calls(message, args.kind, picture::CHAT, None), &looks.title).await?
        }
    })
}

/// The markup of the messages.
fn html(message: &Rendered) -> String {
    if let Some(table) = &message.table {
        return format!("{table}\n");
    }
    let parts: Vec<&str> = message.parts.iter().map(|part| part.html.as_str()).collect();
    parts.join("\n--- the next message ---\n") + "\n"
}

/// The calls that send the messages. The end of a group is said without a sound, and of several
/// messages only the first has one; the chat's own wishes for silence depend on the hour and are
/// left out.
fn calls(message: &Rendered, kind: KindName, chat: ChatId, topic: Option<TopicId>) -> Vec<Method> {
    let silent = matches!(kind, KindName::Ended);
    if let Some(table) = &message.table {
        let (html, buttons) = (table.clone(), message.buttons.clone());
        return vec![Method::SendRichMessage {
            chat,
            topic,
            html,
            silent,
            reply_to: None,
            buttons,
        }];
    }
    let calls = message.parts.iter().enumerate().map(|(index, part)| Method::Send {
        chat,
        topic,
        text: part.html.clone(),
        html: true,
        silent: silent || index > 0,
        reply_to: None,
        buttons: if index == 0 { message.buttons.clone() } else { Vec::new() },
    });
    calls.collect()
}

/// The calls as they are posted. A chat whose number is not known here is left out.
fn json(calls: &[Method], has_chat: bool) -> Value {
    let call = |call: &Method| {
        let mut parameters = call.payload();
        if let Some(parameters) = parameters.as_object_mut()
            && !has_chat
        {
            parameters.remove("chat_id");
        }
        json!({"method": call.name(), "parameters": parameters})
    };
    calls.iter().map(call).collect()
}

fn body(args: &RenderArgs) -> anyhow::Result<Vec<u8>> {
    if args.file.as_os_str() == "-" {
        let mut body = Vec::new();
        io::stdin().read_to_end(&mut body).context("can't read standard input")?;
        return Ok(body);
    }
    std::fs::read(&args.file).with_context(|| format!("can't read {}", args.file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rendering::Part;

    #[test]
    fn what_is_shown_is_what_is_sent() {
        let part = |text: &str| Part { html: text.to_owned(), plain: text.to_owned() };
        let mut message = Rendered {
            parts: vec![part("one"), part("two"), part("three")],
            buttons: Vec::new(),
            table: None,
            fell_back: None,
        };
        let calls = calls(&message, KindName::Card, ChatId(-1), None);
        let silent = |call: &Method| call.payload()["disable_notification"] == json!(true);
        assert_eq!(calls.iter().map(silent).collect::<Vec<_>>(), [false, true, true]);
        message.table = Some("<h3>as a table</h3>".to_owned());
        assert_eq!(html(&message), "<h3>as a table</h3>\n");
        let text = terminal::shown(&message, false);
        assert!(text.starts_with("--- sent as a table") && text.contains("\none\n"), "{text}");
    }
}
