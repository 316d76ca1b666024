//! From an entry to message parts that Telegram accepts. Pure: no I/O, no clock.

mod budget;
mod buttons;
mod catalogue;
mod compile;
mod details;
mod digest;
mod excerpt;
mod helpers;
mod inert;
mod inline;
mod language;
mod lists;
mod load;
mod names;
mod plain;
mod plural;
mod renderer;
mod rest;
mod split;
mod subject;
mod table;
mod view;
mod visible;
mod words;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::alert::{Forgotten, Notification};
use crate::telegram::Button;

pub use buttons::ButtonKind;
pub(crate) use catalogue::is_built_in;
pub use digest::{Glance, Head};
pub(crate) use helpers::exists as has_helper;
pub use language::Language;
pub use load::{TemplateError, TemplateSource};
pub use renderer::Renderer;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The whole present state of the group: first sent, later edited.
    Card,
    /// A reply that names new alerts and re-fires.
    News,
    /// A reply that says that the whole group ended.
    Ended,
    /// A reply that says that the group still fires (a repeat).
    Reminder,
}

/// Everything a message is made from.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    pub kind: Kind,
    /// The merged present state of the group.
    pub state: &'a Notification,
    /// For [`Kind::News`]: indices into `state.alerts` of what is new. Empty otherwise.
    pub news: &'a [usize],
    /// How many notifications were merged into what is shown (1: none waited).
    pub merged: u32,
    /// Alerts that came and went before it could be shown, and are not in `state`.
    pub forgotten: Forgotten,
    /// When the oldest of them was accepted; rendering says so when it is late (over a minute).
    pub accepted_at: Timestamp,
    pub now: Timestamp,
    /// A remark of nabat's own to show on top, e.g. that the topic is gone; already in words.
    pub note: Option<&'a str>,
    pub template: &'a str,
    pub language: Language,
    pub timezone: &'a TimeZone,
    /// Whether times are marked up so that clients show them on the reader's own clock.
    pub tg_time: bool,
    /// The buttons to show, as far as the alerts have something for them.
    pub buttons: &'a [ButtonKind],
    /// Whether a big group is wanted as a table, too.
    pub table: bool,
}

/// One message to send. Both forms are within Telegram's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Text in Telegram's HTML.
    pub html: String,
    /// The same content without formatting, for when the rich form is refused.
    pub plain: String,
}

/// A message as parts in order, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub parts: Vec<Part>,
    /// Rows of buttons. They stand under the first part: it names what is wrong, and it is the
    /// one that stays when others come and go.
    pub buttons: Vec<Vec<Button>>,
    /// The whole message as one with a table, in the HTML of rich messages, where that was wanted
    /// and says more. To be sent instead of the parts to who takes it.
    pub table: Option<String>,
    /// Why the built-in template had to help out, if it had to.
    pub fell_back: Option<String>,
}

/// How long a message part may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unicode code points of the parsed text.
    pub characters: usize,
    pub entities: usize,
}

impl Limits {
    /// What Telegram takes.
    pub const TELEGRAM: Self = Self { characters: 4096, entities: 100 };
}
