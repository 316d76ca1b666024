//! The series of chats: they come with the configuration, and go when nothing is left to tell.

use std::collections::BTreeSet;

use prometheus::core::Collector;

use super::{DEATHS, Metrics};

const STATES: [&str; 2] = ["waiting", "dead"];

impl Metrics {
    /// Makes the series of one chat exist.
    pub fn introduce_chat(&self, chat: &str) {
        for state in STATES {
            self.outbox_entries.with_label_values(&[chat, state]);
        }
        for reason in DEATHS {
            self.dead_letters.with_label_values(&[chat, reason]);
        }
        self.outbox_oldest_entry_age.with_label_values(&[chat]);
        self.telegram_rate_limited.with_label_values(&[chat]);
        self.last_success.with_label_values(&[chat]);
    }

    /// Ends the series of every chat that does not stay.
    pub fn keep_chats(&self, stays: impl Fn(&str) -> bool) {
        for chat in self.chats().iter().filter(|chat| !stays(chat)) {
            self.forget_chat(chat);
        }
    }

    fn forget_chat(&self, chat: &str) {
        // An error means that there is no such series.
        for state in STATES {
            let _ = self.outbox_entries.remove_label_values(&[chat, state]);
        }
        for reason in DEATHS {
            let _ = self.dead_letters.remove_label_values(&[chat, reason]);
        }
        let _ = self.outbox_oldest_entry_age.remove_label_values(&[chat]);
        let _ = self.telegram_rate_limited.remove_label_values(&[chat]);
        let _ = self.last_success.remove_label_values(&[chat]);
    }

    /// Every chat that has a series. Who counted last may have made one of a chat that was gone.
    fn chats(&self) -> BTreeSet<String> {
        let of_chats: [&dyn Collector; 5] = [
            &self.outbox_entries,
            &self.outbox_oldest_entry_age,
            &self.dead_letters,
            &self.telegram_rate_limited,
            &self.last_success,
        ];
        let families = of_chats.into_iter().flat_map(Collector::collect);
        families
            .flat_map(|mut family| family.take_metric())
            .flat_map(|metric| metric.get_label().to_vec())
            .filter(|label| label.name() == "chat")
            .map(|label| label.value().to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_chat_that_goes_no_series_stays_and_the_others_keep_theirs() {
        let metrics = Metrics::new("0.0.0");
        metrics.introduce_chat("ops");
        metrics.introduce_chat("db");
        metrics.dead_letters.with_label_values(&["ops", "refused"]).inc();
        metrics.last_success.with_label_values(&["late"]).set(1.0);
        assert!(metrics.render().contains("chat=\"db\""));
        metrics.keep_chats(|chat| chat == "ops");
        let shown = metrics.render();
        assert!(!shown.contains("chat=\"db\"") && !shown.contains("chat=\"late\""), "{shown}");
        let dead = "nabat_dead_letters_total{chat=\"ops\",reason=\"refused\"} 1";
        assert!(shown.contains(dead), "{shown}");
    }
}
