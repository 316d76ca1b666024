//! When a message rings: one pure function over its kind, its severity, the time and what the
//! chat wants.

use jiff::civil::{Date, Time, Weekday};
use jiff::{Timestamp, ZonedDateTime};

use crate::rendering::Kind;
use crate::routing::Severities;

/// The severity that no quiet hours mute, whatever stands before it in the configured order.
const NEVER_MUTED: &str = "critical";

/// What a chat wants to hear, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Values of the label `severity` that never ring; upper and lower case are the same.
    pub silent_severities: Vec<String>,
    /// Kinds of messages that never ring.
    pub silent_kinds: Vec<Kind>,
    /// In these only the worst severity rings, what is called critical, and what has no severity
    /// that is known.
    pub quiet_hours: Vec<QuietHours>,
}

impl Default for Sound {
    /// Everything rings but the end of a group.
    fn default() -> Self {
        Self {
            silent_severities: Vec::new(),
            silent_kinds: vec![Kind::Ended],
            quiet_hours: Vec::new(),
        }
    }
}

impl Sound {
    /// Whether a message of this kind about alerts of this severity rings at `now`, which is in
    /// the chat's time zone.
    ///
    /// Quiet hours mute a severity that is in `severities`, but not the first one there, and never
    /// one that is called critical, wherever it stands: what nabat can't tell for less is let through.
    pub fn rings(
        &self,
        kind: Kind,
        severity: &str,
        now: &ZonedDateTime,
        severities: &Severities,
    ) -> bool {
        let rank = usize::from(severities.rank_of(severity));
        let minor = rank > 0
            && rank < severities.names().len()
            && !severity.eq_ignore_ascii_case(NEVER_MUTED);
        let silent = self.silent_kinds.contains(&kind)
            || self.silent_severities.iter().any(|name| name.eq_ignore_ascii_case(severity))
            || (minor && self.quiet_hours.iter().any(|hours| hours.cover(now)));
        !silent
    }
}

/// A stretch of the day, on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    pub from: Time,
    /// The end, which is no part of it. One that is not later than `from` is on the next day.
    pub to: Time,
    /// The days on which it begins.
    pub days: Vec<Weekday>,
}

impl QuietHours {
    /// Whether `now` is in it. Where clocks are changed a time of the day may come twice or not
    /// at all; then the stretch is the shorter one.
    pub fn cover(&self, now: &ZonedDateTime) -> bool {
        let today = now.date();
        // One that began yesterday may go on.
        [Some(today), today.yesterday().ok()]
            .into_iter()
            .flatten()
            .filter(|day| self.days.contains(&day.weekday()))
            .any(|day| self.covers_from(day, now).unwrap_or(false))
    }

    /// The same for the stretch that begins on `day`; `None` at the end of the calendar.
    fn covers_from(&self, day: Date, now: &ZonedDateTime) -> Option<bool> {
        let moment =
            |day: Date, time: Time| now.time_zone().to_ambiguous_timestamp(day.to_datetime(time));
        let end_day = if self.to > self.from { day } else { day.tomorrow().ok()? };
        let begins: Timestamp = moment(day, self.from).later().ok()?;
        let ends: Timestamp = moment(end_day, self.to).earlier().ok()?;
        Some((begins..ends).contains(&now.timestamp()))
    }
}

#[cfg(test)]
mod tests;
