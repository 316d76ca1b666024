//! What people do about an alert: its description, what to do, where to look.

use serde::Serialize;
use url::Url;

use super::excerpt::{MAX_TEXT, cut};
use super::split::MAX_URL_BYTES;
use super::subject::Subject;
use crate::alert::{Alert, Labels};
use crate::telegram::markup;

/// What people do about an alert; said once when all share it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Details {
    description: Option<String>,
    action: Option<String>,
    /// A runbook that is no link.
    runbook: Option<String>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Link {
    text: &'static str,
    url: String,
}

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
        let mut add = |text: &'static str, url: &str| match link_target(url) {
            Some(url) if subject.linked.iter().any(|linked| linked == url) => true,
            Some(url) => {
                links.push(Link { text, url: url.to_owned() });
                true
            }
            None => false,
        };
        let mut runbook = None;
        for name in ["runbook_url", "runbook"] {
            if let Some(text) = own(name)
                && !add(language.pick("runbook", "инструкция"), text)
            {
                runbook = Some(cut(text, MAX_TEXT));
            }
        }
        let graph = language.pick("graph", "график");
        if let Some(alert) = alert {
            if subject.generator_url.is_none() {
                add(graph, &alert.generator_url);
            }
            if let Some(grafana) = alert.grafana.as_deref() {
                add(language.pick("dashboard", "панель"), &grafana.dashboard_url);
                add(language.pick("panel", "виджет"), &grafana.panel_url);
                add(language.pick("picture", "снимок"), &grafana.image_url);
                add(language.pick("silence", "заглушить"), &grafana.silence_url);
            }
        } else {
            add(graph, subject.generator_url.unwrap_or_default());
            add("Alertmanager", &subject.scene.state.external_url);
        }
        Self {
            description: own("description").map(|text| cut(text.trim(), MAX_TEXT)),
            action: own("action").map(|text| cut(text.trim(), MAX_TEXT)),
            runbook,
            links,
        }
    }

    /// Whether there is more than links.
    pub fn has_text(&self) -> bool {
        self.description.is_some() || self.action.is_some() || self.runbook.is_some()
    }
}
