//! The buttons under a message: where a person goes from here, and what they type there.
//!
//! Links and commands are data. What Telegram would refuse makes no button, so that a label can
//! never cost people the keyboard, and what alerts do not share makes none for the whole group.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::subject::{Subject, still_fires};
use super::visible::visible;
use super::{Kind, Language};
use crate::alert::{Alert, Source};
use crate::telegram::Button;

/// What a button leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ButtonKind {
    /// The annotation `runbook_url` or `runbook`.
    Runbook,
    /// Grafana's panel or dashboard, or the annotation `dashboard_url` or `dashboard`.
    Dashboard,
    /// Where the alert comes from: `generatorURL`.
    Graph,
    /// The form in which the group is silenced.
    Silence,
    /// Copies a command: the annotation `command`, or an `action` that is one.
    Copy,
}

impl ButtonKind {
    /// All of them, in the order of the default keyboard.
    pub const ALL: [Self; 5] =
        [Self::Runbook, Self::Dashboard, Self::Graph, Self::Silence, Self::Copy];

    /// The word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runbook => "runbook",
            Self::Dashboard => "dashboard",
            Self::Graph => "graph",
            Self::Silence => "silence",
            Self::Copy => "copy",
        }
    }

    /// The kind that the configuration calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it helps when nothing fires any more: one may still look how it went.
    fn outlives_the_alert(self) -> bool {
        matches!(self, Self::Dashboard | Self::Graph)
    }

    fn label(self, language: Language) -> &'static str {
        let [en, ru, kk] = match self {
            Self::Runbook => ["📖 Runbook", "📖 Инструкция", "📖 Нұсқаулық"],
            Self::Dashboard => ["📊 Dashboard", "📊 Панель", "📊 Тақта"],
            Self::Graph => ["📈 Graph", "📈 График", "📈 График"],
            Self::Silence => ["🔕 Silence", "🔕 Заглушить", "🔕 Өшіру"],
            Self::Copy => ["📋 Copy command", "📋 Скопировать команду", "📋 Пәрменді көшіру"],
        };
        match language.code() {
            "ru" => ru,
            "kk" => kk,
            _ => en,
        }
    }
}

/// Buttons for a message, and the links behind them as the alerts write them: the text need not
/// repeat these.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    pub rows: Vec<Vec<Button>>,
    pub links: Vec<String>,
}

/// More than this many stand in two rows.
const ROW: usize = 3;

impl Keyboard {
    /// What of `wanted` the alerts have, in that order. A message that says that the group ended
    /// has none: its card has what is still of use.
    pub fn new(subject: &Subject<'_>, wanted: &[ButtonKind]) -> Self {
        let mut keyboard = Self::default();
        let mut buttons: Vec<Button> = Vec::new();
        let over = subject.firing.is_empty();
        for kind in wanted {
            if subject.scene.kind == Kind::Ended || (over && !kind.outlives_the_alert()) {
                continue;
            }
            let Some((button, link)) = button(*kind, subject) else { continue };
            if buttons.iter().all(|known| known.action() != button.action()) {
                buttons.push(button);
                keyboard.links.extend(link);
            }
        }
        let first = if buttons.len() <= ROW { buttons.len() } else { buttons.len().div_ceil(2) };
        let second = buttons.split_off(first);
        keyboard.rows = [buttons, second].into_iter().filter(|row| !row.is_empty()).collect();
        keyboard
    }
}

/// The button, and the link in it as the alerts write it.
fn button(kind: ButtonKind, subject: &Subject<'_>) -> Option<(Button, Option<String>)> {
    let label = kind.label(subject.scene.language);
    let annotation = |name: &'static str| {
        move |alert: &Alert| alert.annotations.get(name).cloned().unwrap_or_default()
    };
    let link = |of: &dyn Fn(&Alert) -> String| {
        let link = shared(subject, of)?;
        Some((Button::url(label, &link)?, Some(link)))
    };
    let grafana = |alert: &Alert| alert.grafana.clone().unwrap_or_default();
    match kind {
        ButtonKind::Runbook => {
            link(&annotation("runbook_url")).or_else(|| link(&annotation("runbook")))
        }
        ButtonKind::Dashboard => link(&|alert| grafana(alert).panel_url)
            .or_else(|| link(&|alert| grafana(alert).dashboard_url))
            .or_else(|| link(&annotation("dashboard_url")))
            .or_else(|| link(&annotation("dashboard"))),
        ButtonKind::Graph => link(&|alert| alert.generator_url.clone()),
        ButtonKind::Silence => match subject.scene.state.group.source {
            Source::Grafana => link(&|alert| grafana(alert).silence_url),
            _ => Some((Button::url(label, &silence_form(subject)?)?, None)),
        },
        ButtonKind::Copy => {
            let command = shared(subject, &annotation("command"))
                .and_then(|command| one_line(&command).map(str::to_owned))
                .or_else(|| {
                    let action = shared(subject, &annotation("action"))?;
                    command_in(&action).map(str::to_owned)
                })?;
            Some((Button::copy(label, &command)?, None))
        }
    }
}

/// What all alerts that fire have alike, or all that ended when none fires any more; not empty.
fn shared(subject: &Subject<'_>, of: &dyn Fn(&Alert) -> String) -> Option<String> {
    let told = if subject.firing.is_empty() { &subject.resolved } else { &subject.firing };
    let listed = told.iter().filter(|alert| still_fires(alert) == still_fires(told[0]));
    let mut texts = listed.map(|alert| of(alert));
    let first = texts.next()?;
    let shared = first.trim();
    (!shared.is_empty() && texts.all(|text| text == first)).then(|| shared.to_owned())
}

/// Alertmanager's form for a new silence, filled with what the group is grouped by and the name
/// of its alerts. `None` when that would match everything.
fn silence_form(subject: &Subject<'_>) -> Option<String> {
    let state = subject.scene.state;
    let address = state.external_url.trim().trim_end_matches('/');
    let mut labels = state.group_labels.clone();
    if let Some(name) = subject.labels.get("alertname") {
        labels.insert("alertname".to_owned(), name.clone());
    }
    let named: Vec<String> = labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{}={}", label_name(name), quoted(value)))
        .collect();
    if address.is_empty() || named.is_empty() {
        return None;
    }
    let filter = format!("{{{}}}", named.join(","));
    // A space is %20 here: the form does not read + as one.
    let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    Some(format!("{address}/#/silences/new?filter={}", encoded.replace('+', "%20")))
}

/// A name outside of Prometheus's classic alphabet is quoted, as in matchers.
fn label_name(name: &str) -> Cow<'_, str> {
    let mut letters = name.bytes();
    let classic = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    if classic { Cow::Borrowed(name) } else { Cow::Owned(quoted(name)) }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Programs whose name alone says that a line is a command.
const PROGRAMS: [&str; 37] = [
    "ansible",
    "apt",
    "aws",
    "cat",
    "cd",
    "crictl",
    "curl",
    "df",
    "dig",
    "dmesg",
    "docker",
    "du",
    "etcdctl",
    "free",
    "gcloud",
    "grep",
    "helm",
    "journalctl",
    "kill",
    "kubectl",
    "ls",
    "mysql",
    "nc",
    "nomad",
    "patronictl",
    "ping",
    "podman",
    "ps",
    "psql",
    "redis-cli",
    "rm",
    "service",
    "ssh",
    "sudo",
    "systemctl",
    "tail",
    "terraform",
];

/// The command that an action is, or that it holds between backticks.
fn command_in(action: &str) -> Option<&str> {
    let mut pieces = action.split('`');
    if let (Some(_), Some(code), Some(_), None) =
        (pieces.next(), pieces.next(), pieces.next(), pieces.next())
    {
        return one_line(code);
    }
    let line = one_line(action)?;
    if let Some(command) = line.strip_prefix("$ ") {
        return one_line(command);
    }
    let program = line.split(' ').next().unwrap_or_default();
    let has_arguments = line.len() > program.len();
    let is_path = program.starts_with("./") || (program.starts_with('/') && program.len() > 1);
    // "service is down", "kill the process" and the like are advice.
    let is_prose = line.ends_with(['.', '!', '?', ':'])
        || line.contains(". ")
        || line.split(' ').any(|word| matches!(word, "the" | "is" | "a" | "and" | "or" | "if"));
    let known = PROGRAMS.contains(&program) && (has_arguments || program.len() > 2);
    ((is_path || known) && !is_prose).then_some(line)
}

/// A text on one line, in which nothing is hidden: what is copied must be what one sees.
fn one_line(text: &str) -> Option<&str> {
    let text = text.trim();
    let plain =
        !text.is_empty() && !text.contains('\n') && matches!(visible(text), Cow::Borrowed(_));
    plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_command_is_copied_as_one() {
        for (action, command) in [
            ("systemctl restart postgresql", Some("systemctl restart postgresql")),
            ("$ make rollback", Some("make rollback")),
            ("/opt/bin/drain db-1", Some("/opt/bin/drain db-1")),
            (
                "Restart it: `kubectl rollout restart deploy/api`, then wait",
                Some("kubectl rollout restart deploy/api"),
            ),
            ("kubectl get pods | grep -v Running", Some("kubectl get pods | grep -v Running")),
            ("restart the database", None),
            ("kill the process", None),
            ("service is to be restarted", None),
            ("free up space. Then call the owner", None),
            ("Try `a` or `b`", None),
            ("cat\n/etc/passwd", None),
            ("rm -rf /tmp/x\u{202e}", None),
            ("ls \u{200b}-l", None),
            ("", None),
            ("`", None),
        ] {
            assert_eq!(command_in(action), command, "{action:?}");
        }
    }

    #[test]
    fn every_kind_has_a_name_by_which_it_is_found() {
        for kind in ButtonKind::ALL {
            assert_eq!(ButtonKind::named(kind.name()), Some(kind));
        }
        assert_eq!(ButtonKind::named("Runbook"), None);
    }
}
