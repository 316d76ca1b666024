//! A short story, told to nabat the way Alertmanager would tell it: over the webhook.

use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::output::say;
use crate::clock::Clock;

/// Alerts that come at once in the burst.
const BURST: [&str; 8] =
    ["billing", "calc", "etl", "gateway", "ledger", "mailer", "risk-engine", "search"];

/// Plays it, `speed` times faster than written, and not before `shown` says that what was told
/// is shown: told too fast, an alert's end would be merged into its beginning.
pub async fn play(
    webhook: &str,
    speed: u32,
    shown: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // The webhook is in this process; a proxy for the way out does not lead to it.
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.context("the HTTP client can't be set up")?;
    let story = Story { webhook, http, speed, shown };
    story.pause(1).await?;

    say("· an alert fires")?;
    let db1 = Alert::new("DiskWillFillSoon", "db1", "critical", "db1: disk full in 4 hours")
        .fires_since(SignedDuration::from_mins(4))
        .with("description", "/var/lib/postgresql has 6 % left and grows by 1.4 GB an hour")
        .with("runbook", "https://runbooks.example.org/disk-will-fill")
        .with("action", "ssh db1 'journalctl --vacuum-size=1G && du -sh /var/* | sort -h'");
    story.tell("DiskWillFillSoon", &[&db1]).await?;
    story.pause(5).await?;

    say("· it grows")?;
    let db2 = Alert::new("DiskWillFillSoon", "db2", "critical", "db2: disk full in 6 hours")
        .fires_since(SignedDuration::from_mins(1))
        .with("description", "the replica follows its primary");
    story.tell("DiskWillFillSoon", &[&db1, &db2]).await?;
    story.pause(5).await?;

    say("· an alert with hostile text")?;
    let hostile = Alert::new("<b>Injected</b> & Co", "web</code>1", "warning", "load > 5 && queue < 3 <script>alert(1)</script>")
        .with("description", "50% of *requests* _fail_ [see](https://evil.example) \u{202e}txet desrever\u{202c} @everyone /stop");
    story.tell("Injected", &[&hostile]).await?;
    story.pause(5).await?;

    say(&format!("· a burst: {} services at once", BURST.len()))?;
    for service in BURST {
        let summary = format!("{service}: 5xx above 2 %");
        let alert = Alert::new("HttpErrors", service, "warning", &summary)
            .fires_since(SignedDuration::from_secs(30));
        story.tell(&format!("HttpErrors/{service}"), &[&alert]).await?;
    }
    story.pause(20).await?;

    say("· the first one ends")?;
    let now = Clock::system().now();
    story.tell("DiskWillFillSoon", &[&db1.ended(now), &db2.ended(now)]).await?;
    story.pause(12).await?;
    Ok(())
}

struct Story<'a, S> {
    webhook: &'a str,
    http: reqwest::Client,
    speed: u32,
    shown: S,
}

impl<S: AsyncFn() -> anyhow::Result<()>> Story<'_, S> {
    async fn pause(&self, seconds: u64) -> anyhow::Result<()> {
        tokio::time::sleep(Duration::from_secs(seconds) / self.speed).await;
        (self.shown)().await
    }

    async fn tell(&self, group: &str, alerts: &[&Alert]) -> anyhow::Result<()> {
        let alerts: Vec<Value> = alerts.iter().map(|alert| alert.0.clone()).collect();
        let fires = alerts.iter().any(|alert| alert["status"] == "firing");
        let name = alerts[0]["labels"]["alertname"].clone();
        let body = json!({
            "version": "4",
            "receiver": "telegram",
            "groupKey": format!("{{}}:{{alertname=\"{group}\"}}"),
            "status": if fires { "firing" } else { "resolved" },
            "groupLabels": {"alertname": name},
            "commonLabels": {"alertname": name, "severity": alerts[0]["labels"]["severity"]},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example.org:9093",
            "truncatedAlerts": 0,
            "alerts": alerts,
        });
        let answer = self.http.post(self.webhook).json(&body).send().await;
        let answer = answer.map_err(reqwest::Error::without_url).context("nabat is not there")?;
        answer.error_for_status().context("nabat refused the story")?;
        Ok(())
    }
}

/// An alert as Alertmanager would write it.
struct Alert(Value);

impl Alert {
    fn new(name: &str, instance: &str, severity: &str, summary: &str) -> Self {
        Self(json!({
            "status": "firing",
            "labels": {
                "alertname": name, "instance": instance, "severity": severity,
            },
            "annotations": {"summary": summary},
            "startsAt": Clock::system().now().to_string(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.org:9090/graph?g0.expr=up",
        }))
    }

    /// It has been firing for so long: rules wait before they alert.
    fn fires_since(mut self, ago: SignedDuration) -> Self {
        self.0["startsAt"] = json!((Clock::system().now() - ago).to_string());
        self
    }

    fn with(mut self, annotation: &str, text: &str) -> Self {
        self.0["annotations"][annotation] = json!(text);
        self
    }

    fn ended(&self, at: Timestamp) -> Self {
        let mut alert = self.0.clone();
        alert["status"] = json!("resolved");
        alert["endsAt"] = json!(at.to_string());
        Self(alert)
    }
}
