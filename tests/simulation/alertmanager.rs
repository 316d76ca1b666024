//! A made-up Alertmanager: groups whose alerts fire, grow, end, flap and are silenced, and what it
//! posts about them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nabat::alert::{Alert, GroupId, Labels, Notification, Reason, Source, Status};
use rand::Rng;
use rand::rngs::StdRng;

/// One alert. Its number grows with each change; odd ones fire.
#[derive(Debug, Clone, Copy)]
struct Life {
    number: u32,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    silenced: bool,
}

/// One group.
#[derive(Debug, Default)]
struct Group {
    alerts: BTreeMap<usize, Life>,
    /// Ended alerts that were not notified of yet.
    ended: BTreeSet<usize>,
    /// How many bodies were made.
    made: u32,
    fires: bool,
}

/// What one body says, for the model.
#[derive(Debug, Clone)]
pub struct Said {
    pub group: usize,
    /// The number of the body, which messages show.
    pub made: u32,
    /// Alert → its number.
    pub alerts: BTreeMap<usize, u32>,
    /// Whether some of it are to be told as news.
    pub news: bool,
    pub body: Notification,
}

#[derive(Debug)]
pub struct Alertmanager {
    groups: Vec<Group>,
    severities: Vec<&'static str>,
    /// Alerts a group has at most.
    most: Vec<usize>,
    /// Makes texts long enough for several messages.
    padding: Vec<usize>,
    /// Alerts that a body lists at most.
    listed: Vec<usize>,
}

/// The name of a group, found again in every message that shows it.
pub fn name(group: usize) -> String {
    format!("Grp{group:04}")
}

impl Alertmanager {
    pub fn new(
        severities: Vec<&'static str>,
        most: Vec<usize>,
        padding: Vec<usize>,
        listed: Vec<usize>,
    ) -> Self {
        let groups = severities.iter().map(|_| Group::default()).collect();
        Self { groups, severities, most, padding, listed }
    }

    /// Something happens in a group: what is to be posted, if anything.
    pub fn happen(&mut self, group: usize, now: Timestamp, random: &mut StdRng) -> Option<Said> {
        let most = self.most[group];
        let of = &mut self.groups[group];
        let mut repeat = false;
        let before = of.alerts.clone();
        for _ in 0..random.random_range(1..=3) {
            let alert = random.random_range(0..most);
            let life = of.alerts.get(&alert).copied();
            let fires = life.is_some_and(|life| life.number % 2 == 1);
            match random.random_range(0..10) {
                0..4 if !fires => {
                    let number = life.map_or(1, |life| life.number + 1);
                    let new = Life { number, starts_at: now, ends_at: None, silenced: false };
                    of.alerts.insert(alert, new);
                    of.ended.remove(&alert);
                }
                4..7 => {
                    let all = random.random_bool(0.4);
                    for (key, life) in &mut of.alerts {
                        if life.number % 2 == 1 && (all || *key == alert) && !life.silenced {
                            life.number += 1;
                            life.ends_at = Some(now);
                            of.ended.insert(*key);
                        }
                    }
                }
                7 => {
                    if let Some(life) = of.alerts.get_mut(&alert).filter(|_| fires) {
                        life.silenced = !life.silenced;
                    }
                }
                _ => repeat = true,
            }
        }
        let unchanged = before.len() == of.alerts.len()
            && before.iter().all(|(key, life)| {
                let now = &of.alerts[key];
                (life.number, life.silenced) == (now.number, now.silenced)
            });
        let fires = of.alerts.values().any(|life| life.number % 2 == 1 && !life.silenced);
        if unchanged && !(repeat && fires && of.fires) {
            return None;
        }
        let reason = if unchanged { Reason::RepeatIntervalElapsed } else { Reason::Unknown };
        self.body(group, reason, &before, random)
    }

    /// A group fires for the first time, or anew, with one alert.
    pub fn flare(&mut self, group: usize, now: Timestamp, random: &mut StdRng) -> Option<Said> {
        self.swell(group, 1, now, random)
    }

    /// So many alerts of a group fire for the first time, or anew.
    pub fn swell(
        &mut self,
        group: usize,
        alerts: usize,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Option<Said> {
        let of = &mut self.groups[group];
        let before = of.alerts.clone();
        for alert in 0..alerts {
            let number = of.alerts.get(&alert).map_or(1, |life| life.number + 1);
            let number = number + u32::from(number.is_multiple_of(2));
            of.alerts
                .insert(alert, Life { number, starts_at: now, ends_at: None, silenced: false });
            of.ended.remove(&alert);
        }
        self.body(group, Reason::Unknown, &before, random)
    }

    /// Everything in a group ends.
    pub fn calm(&mut self, group: usize, now: Timestamp, random: &mut StdRng) -> Option<Said> {
        let of = &mut self.groups[group];
        let before = of.alerts.clone();
        for (key, life) in &mut of.alerts {
            if life.number % 2 == 1 && !life.silenced {
                life.number += 1;
                life.ends_at = Some(now);
                of.ended.insert(*key);
            }
        }
        if of.ended.is_empty() {
            return None;
        }
        self.body(group, Reason::Unknown, &before, random)
    }

    /// The group as it is now, once more: what could not be posted is posted like this.
    pub fn again(&mut self, group: usize, random: &mut StdRng) -> Option<Said> {
        let before = self.groups[group].alerts.clone();
        self.body(group, Reason::Unknown, &before, random)
    }

    /// What was posted was taken: ended alerts are not told again.
    pub fn taken(&mut self, said: &Said) {
        let of = &mut self.groups[said.group];
        let still = |alert: &usize| {
            said.alerts.get(alert).is_none_or(|number| *number != of.alerts[alert].number)
        };
        of.ended.retain(still);
        of.fires = said.body.status == Status::Firing;
    }

    fn body(
        &mut self,
        group: usize,
        reason: Reason,
        before: &BTreeMap<usize, Life>,
        random: &mut StdRng,
    ) -> Option<Said> {
        let severity = self.severities[group];
        let padding = "x".repeat(self.padding[group]);
        let of = &mut self.groups[group];
        let mut listed: Vec<(usize, Life)> = of
            .alerts
            .iter()
            .filter(|(key, life)| {
                (life.number % 2 == 1 && !life.silenced) || of.ended.contains(*key)
            })
            .map(|(key, life)| (*key, *life))
            .collect();
        if listed.is_empty() {
            return None;
        }
        of.made += 1;
        let fires = listed.iter().any(|(_, life)| life.number % 2 == 1);
        let truncated = listed.len().saturating_sub(self.listed[group]);
        listed.truncate(self.listed[group]);
        let news = listed.iter().any(|(key, life)| {
            life.number % 2 == 1
                && before.get(key).is_none_or(|before| before.number != life.number)
        });
        let words = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let name = name(group);
        let labels = words(&[("alertname", &name), ("severity", severity)]);
        let alerts = listed.iter().map(|(key, life)| {
            let mark = format!("m{group:04}a{key:03}n{}", life.number);
            Alert {
                fingerprint: format!("{group:08x}{key:08x}"),
                status: if life.number % 2 == 1 { Status::Firing } else { Status::Resolved },
                labels: labels.clone(),
                annotations: words(&[("mark", &mark), ("padding", &padding)]),
                starts_at: life.starts_at,
                ends_at: life.ends_at.filter(|_| life.number % 2 == 0),
                generator_url: String::new(),
                grafana: None,
                unlisted: false,
            }
        });
        let some_ended = listed.iter().any(|(_, life)| life.number % 2 == 0);
        let reason = match reason {
            Reason::Unknown if random.random_bool(0.7) => match (fires, news, some_ended) {
                (false, ..) => Reason::AllAlertsResolved,
                (true, true, _) if of.fires => Reason::NewAlertsAdded,
                (true, true, _) => Reason::FirstNotification,
                (true, false, true) => Reason::SomeAlertsResolved,
                (true, false, false) => Reason::Unknown,
            },
            reason => reason,
        };
        let body = Notification {
            group: GroupId {
                source: Source::Alertmanager,
                receiver: "telegram".into(),
                key: name.clone(),
            },
            status: if fires { Status::Firing } else { Status::Resolved },
            reason,
            alerts: alerts.collect(),
            group_labels: words(&[("alertname", &name)]),
            common_labels: labels.clone(),
            common_annotations: Labels::new(),
            external_url: format!("s{}", of.made),
            truncated_alerts: truncated as u64,
        };
        let alerts = listed.iter().map(|(key, life)| (*key, life.number)).collect();
        Some(Said { group, made: of.made, alerts, news, body })
    }
}
