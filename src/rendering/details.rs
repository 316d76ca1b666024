//! What people do about an alert: its description, what to do, where to look.

use serde::Serialize;
use url::Url;

use super::excerpt::{MAX_TEXT, text};
use super::split::MAX_URL_BYTES;
use super::subject::Subject;
use crate::alert::{Alert, Labels};
use crate::telegram::markup;

/// What people do about an alert; said once when all share it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Details {
    description: Option<String>,
    /// Whether the description is too long to be read in passing.
    long: bool,
    /// Whether it has several lines: a quote shows where it ends.
    lines: bool,
    action: Option<String>,
    /// Whether the action has several lines.
    steps: bool,
    /// A runbook that is no link.
    runbook: Option<String>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Link {
    text: String,
    url: String,
}

/// A description over so many characters, or over three lines, is long.
const LONG: usize = 250;

/// Of a description of one alert of many.
const MAX_OWN_TEXT: usize = 400;

/// From so many alerts on, each has less room.
pub(super) const MANY: usize = 6;

/// `url` when it can be a link in a message: http or https, a host that Telegram takes, not
/// longer than what it takes.
pub(super) fn link_target(url: &str) -> Option<&str> {
    let url = url.trim();
    let web = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    (web && url.len() <= MAX_URL_BYTES && markup::checked_link(url).is_some()).then_some(url)
}

impl Details {
    /// The details of `alert` that not all share, or without one those that they do.
    pub fn new(subject: &Subject<'_>, annotations: &Labels, alert: Option<&Alert>) -> Self {
        let language = subject.scene.language;
        let own = |name: &str| {
            let text = annotations.get(name).filter(|text| !text.trim().is_empty())?;
            (alert.is_none() || !subject.annotations.contains_key(name)).then_some(text)
        };
        let mut links = Vec::new();
        let mut add = |phrase: &str, url: &str| match link_target(url) {
            Some(url) if subject.linked.iter().any(|linked| linked == url) => true,
            Some(url) => {
                links.push(Link { text: language.say(phrase, &[]), url: url.to_owned() });
                true
            }
            None => false,
        };
        let mut runbook = None;
        for name in ["runbook_url", "runbook"] {
            if let Some(said) = own(name)
                && !add("runbook", said)
            {
                runbook = Some(text(said, MAX_TEXT));
            }
        }
        if alert.is_none() {
            add("graph", subject.generator_url.unwrap_or_default());
        } else if let Some(alert) = alert
            && subject.generator_url.is_none()
        {
            add("graph", &alert.generator_url);
        }
        let of = alert.or_else(|| subject.only());
        if let Some(grafana) = of.and_then(|alert| alert.grafana.as_deref()) {
            add("dashboard", &grafana.dashboard_url);
            add("panel", &grafana.panel_url);
            add("picture", &grafana.image_url);
            add("silence", &grafana.silence_url);
        }
        if alert.is_none() {
            add("Alertmanager", &subject.scene.state.external_url);
        }
        let most = if alert.is_some() && subject.told() >= MANY { MAX_OWN_TEXT } else { MAX_TEXT };
        let description = own("description").map(|said| text(said, most));
        let action = own("action").map(|said| text(said, MAX_TEXT));
        Self {
            long: description
                .as_ref()
                .is_some_and(|text| text.lines().count() > 3 || text.chars().nth(LONG).is_some()),
            lines: description.as_ref().is_some_and(|text| text.contains('\n')),
            description,
            steps: action.as_ref().is_some_and(|text| text.contains('\n')),
            action,
            runbook,
            links,
        }
    }

    /// Whether there is more than links.
    pub fn has_text(&self) -> bool {
        self.description.is_some() || self.action.is_some() || self.runbook.is_some()
    }
}
