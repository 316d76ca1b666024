//! How urgent a notification is: the `severity` label, ranked by the configured order.

use crate::alert::{Alert, Notification};

/// The severities that the installation knows, worst first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severities(Vec<String>);

impl Default for Severities {
    /// The three that the Prometheus world uses by convention.
    fn default() -> Self {
        Self::new(["critical", "warning", "info"].map(String::from))
    }
}

impl Severities {
    /// `names` worst first.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// The names, worst first.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The rank of one `severity` label: 0 is the worst, unknown and empty ones come last.
    /// Upper and lower case are the same.
    pub fn rank_of(&self, severity: &str) -> u8 {
        let known = self.0.iter().position(|name| name.eq_ignore_ascii_case(severity));
        u8::try_from(known.unwrap_or(self.0.len())).unwrap_or(u8::MAX)
    }

    /// The rank of a notification: that of its worst firing alert, or, when none fires, of its
    /// worst alert.
    pub fn rank(&self, notification: &Notification) -> u8 {
        self.worst(notification.firing())
            .or_else(|| self.worst(notification.alerts.iter()))
            .unwrap_or_else(|| self.rank_of(""))
    }

    fn worst<'a>(&self, alerts: impl Iterator<Item = &'a Alert>) -> Option<u8> {
        alerts.map(|alert| self.rank_of(alert.severity())).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Status;
    use crate::routing::tree::tests::{alert, notification};

    fn with(alerts: &[(&str, Status)]) -> Notification {
        let mut notification = notification(&[], &[], "web");
        notification.alerts =
            alerts.iter().map(|(severity, status)| alert(severity, *status)).collect();
        notification
    }

    #[test]
    fn the_worst_firing_alert_decides() {
        let severities = Severities::default();
        let mixed = with(&[("info", Status::Firing), ("critical", Status::Firing)]);
        assert_eq!(severities.rank(&mixed), 0);
    }

    #[test]
    fn an_ended_critical_alert_does_not_outrank_what_still_fires() {
        let severities = Severities::default();
        let mixed = with(&[("critical", Status::Resolved), ("info", Status::Firing)]);
        assert_eq!(severities.rank(&mixed), 2);
    }

    #[test]
    fn when_nothing_fires_the_worst_ended_alert_decides() {
        let severities = Severities::default();
        let ended = with(&[("info", Status::Resolved), ("warning", Status::Resolved)]);
        assert_eq!(severities.rank(&ended), 1);
    }

    #[test]
    fn unknown_and_missing_severities_come_last() {
        let severities = Severities::default();
        assert_eq!(severities.rank(&with(&[("page", Status::Firing)])), 3);
        assert_eq!(severities.rank(&with(&[("", Status::Firing)])), 3);
        assert_eq!(severities.rank(&with(&[])), 3);
    }

    #[test]
    fn case_makes_no_difference() {
        assert_eq!(Severities::default().rank_of("WARNING"), 1);
    }
}
