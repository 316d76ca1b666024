//! What plays Alertmanager: it posts, and posts again what was not answered 2xx.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::{GROUPS, Moment, chat};
use crate::support::nabat::client;
use crate::support::stage::{Stage, webhook};

/// How many notifications are on their way at once.
const AT_ONCE: usize = 4;

/// What the sender knows: how far it is with each group.
#[derive(Debug)]
pub struct Sender {
    http: reqwest::Client,
    /// The newest notification that was answered 2xx, by group; 0 before the first.
    newest: Vec<usize>,
    random: StdRng,
}

/// The name of an alert, found again in every message that shows it.
pub fn alert(group: usize, version: usize) -> String {
    format!("g{group:03}v{version:05}")
}

/// The `version`th notification of a group: the alert of this version fires, that before ended.
fn body(group: usize, version: usize) -> Value {
    let (fires, ended) = (alert(group, version), format!("-{}", alert(group, version - 1)));
    let alerts: &[&str] = if version == 1 { &[&fires] } else { &[&fires, &ended] };
    webhook(&format!("Group{group:03}"), alerts)
}

impl Sender {
    pub fn new(random: StdRng) -> Self {
        Self { http: client(), newest: vec![0; GROUPS], random }
    }

    /// How many notifications were answered 2xx.
    pub fn taken(&self) -> usize {
        self.newest.iter().sum()
    }

    /// The newest version of each group that was answered 2xx.
    pub fn newest(&self) -> impl Iterator<Item = (usize, usize)> {
        self.newest.iter().copied().enumerate().filter(|(_, version)| *version > 0)
    }

    /// Sends until the moment for a kill has come, but `milliseconds` at the most.
    pub async fn send_until(&mut self, stage: &Stage, moment: Moment, milliseconds: u64) {
        let while_ = Duration::from_millis(milliseconds);
        match moment {
            Moment::Anytime | Moment::WhileStarting => {
                let _ = tokio::time::timeout(while_, self.send_on(stage)).await;
            }
            Moment::AfterAnAnswer => {
                let _ = tokio::time::timeout(while_, self.send_on(stage)).await;
                self.send_some(stage).await;
            }
            Moment::AfterASend => {
                let _ = tokio::time::timeout(while_, self.send_on(stage)).await;
                let heard = stage.sandbox.count_requests();
                let more = stage
                    .sandbox
                    .wait_for(Duration::from_secs(2), |sandbox| sandbox.count_requests() > heard);
                tokio::select! {
                    // False: everything that waits for its pace waits longer; any moment will do.
                    _ = more => {}
                    () = self.send_on(stage) => {}
                }
            }
        }
    }

    async fn send_on(&mut self, stage: &Stage) {
        loop {
            self.send_some(stage).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Posts the next notification of some groups at once; notes which were answered 2xx. One that
    /// nabat took without being able to say so is sent again by the next.
    async fn send_some(&mut self, stage: &Stage) {
        let mut groups = BTreeSet::new();
        for _ in 0..AT_ONCE {
            groups.insert(self.random.random_range(0..GROUPS));
        }
        let posts = groups.iter().map(|group| {
            let url = format!("{}/alertmanager/{}", stage.nabat.url, chat(*group).1);
            self.http.post(url).json(&body(*group, self.newest[*group] + 1)).send()
        });
        let answers = futures_util::future::join_all(posts).await;
        for (group, answer) in groups.into_iter().zip(answers) {
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                self.newest[group] += 1;
            }
        }
    }
}
