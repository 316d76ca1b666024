//! How a message looks: as the flags say, else as the chat does, else as nabat does by itself.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::tz::TimeZone;

use super::RenderArgs;
use crate::alert::Notification;
use crate::app;
use crate::config::{BUILT_IN, ChatIdSource, Config, TemplateFile, process_environment};
use crate::rendering::{ButtonKind, Language, Renderer, TemplateError, TemplateSource};
use crate::routing::{ChatAlias, Topic};
use crate::telegram::{ChatId, TopicId};

/// What the message is made with, and where it would go.
pub(super) struct Looks {
    pub language: Language,
    pub timezone: TimeZone,
    pub template: String,
    /// The compiled templates, or what is wrong with them.
    pub renderer: Result<Renderer, Vec<TemplateError>>,
    /// `None` when no chat was named, or its number is a secret.
    pub chat: Option<ChatId>,
    pub topic: Option<TopicId>,
    pub tg_time: bool,
    pub buttons: Vec<ButtonKind>,
    /// Whether a big group is wanted as a table.
    pub rich: bool,
    /// What a picture calls the chat.
    pub title: String,
}

impl Looks {
    /// Looks for them.
    ///
    /// # Errors
    /// The configuration is faulty or has no such chat, or a template can't be read.
    pub fn find(
        args: &RenderArgs,
        templates: Vec<TemplateSource>,
        state: &Notification,
    ) -> anyhow::Result<Self> {
        let mut looks = match &args.chat {
            Some(alias) => Self::of_chat(args, templates, alias, state)?,
            None => Self {
                language: Language::default(),
                timezone: TimeZone::UTC,
                template: BUILT_IN.to_owned(),
                renderer: Renderer::new(templates),
                chat: None,
                topic: None,
                tg_time: false,
                buttons: ButtonKind::ALL.to_vec(),
                rich: false,
                title: "On call".to_owned(),
            },
        };
        if let Some(language) = args.language {
            looks.language = language;
        }
        if let Some(timezone) = &args.timezone {
            looks.timezone = timezone.clone();
        }
        if let Some(template) = &args.template {
            looks.template.clone_from(template);
        }
        Ok(looks)
    }

    fn of_chat(
        args: &RenderArgs,
        templates: Vec<TemplateSource>,
        alias: &str,
        state: &Notification,
    ) -> anyhow::Result<Self> {
        let file = Config::find(args.config_file.as_deref());
        let mut config = Config::lint(file.as_deref(), &process_environment)?;
        if !templates.is_empty() {
            let flagged = templates.into_iter().map(|source| TemplateFile {
                name: source.name,
                language: source.language,
                text: source.text,
                path: source.file,
            });
            config.templates = flagged.collect();
        }
        let name = ChatAlias(alias.to_owned());
        let chat = config.chats.get(&name).with_context(|| {
            let known: Vec<&str> = config.chats.keys().map(ChatAlias::as_str).collect();
            format!("the configuration has no chat {alias:?}; it has {}", known.join(", "))
        })?;
        let destination = config.route.direct(state, &name, &config);
        let id = match chat.id {
            ChatIdSource::Known(id) => Some(id),
            ChatIdSource::Secret(_) => None,
        };
        Ok(Self {
            language: chat.language,
            timezone: chat.timezone.clone(),
            template: destination.template,
            renderer: app::renderer(&config),
            chat: id,
            topic: match destination.lane.topic {
                Some(Topic::Number(topic)) => Some(topic),
                // Its number is known only once it was made.
                Some(Topic::Named(_)) | None => None,
            },
            tg_time: chat.tg_time,
            buttons: destination.buttons.unwrap_or_else(|| chat.buttons.clone()),
            rich: chat.rich,
            title: alias.to_owned(),
        })
    }
}

/// The templates that the flags name.
///
/// # Errors
/// A pattern is none or finds nothing, or a file can't be read.
pub(super) fn templates(patterns: &[String]) -> anyhow::Result<Vec<TemplateSource>> {
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
