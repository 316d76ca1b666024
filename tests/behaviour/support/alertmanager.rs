//! A real Alertmanager (Debian's `prometheus-alertmanager`).

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::nabat::client;
use super::process::{Process, free_port};

/// A running Alertmanager that notifies one webhook.
#[derive(Debug)]
pub struct Alertmanager {
    pub process: Process,
    url: String,
    _directory: TempDir,
}

/// How it groups and repeats: as fast as it can, so that tests are short.
pub const TIMING: &str = "group_wait: 200ms\n  group_interval: 1s\n  repeat_interval: 1h";

impl Alertmanager {
    /// Starts it with `webhook` as its only receiver.
    pub async fn start(webhook: &str, timing: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let file = directory.path().join("alertmanager.yml");
        let configuration = format!(
            "route:\n  receiver: web.hook\n  group_by: [alertname]\n  {timing}\n\
             receivers:\n- name: web.hook\n  webhook_configs:\n  - url: {webhook}\n    send_resolved: true\n"
        );
        std::fs::write(&file, configuration).expect("the configuration is written");
        let url = format!("http://127.0.0.1:{}", free_port());
        let mut process = Process::start(
            Command::new("prometheus-alertmanager")
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.path={}", directory.path().display()))
                .arg(format!("--web.listen-address={}", url.trim_start_matches("http://")))
                .arg("--cluster.listen-address=")
                .arg("--log.level=debug"),
        );
        process.wait_for(|output| output.contains("Listening on").then_some(())).await;
        Self { process, url, _directory: directory }
    }

    /// Where it is, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Posts one alert as Prometheus would; `ends_at` (RFC 3339) resolves it.
    pub async fn alert(&self, labels: &Value, summary: &str, ends_at: Option<&str>) {
        let mut alert = json!({"labels": labels, "annotations": {"summary": summary}});
        if let Some(ends_at) = ends_at {
            alert["endsAt"] = json!(ends_at);
        }
        let url = format!("{}/api/v2/alerts", self.url);
        let response = client().post(url).json(&json!([alert])).send().await.expect("an answer");
        assert!(response.status().is_success(), "{:?}", response.text().await);
    }
}
