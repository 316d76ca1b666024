//! The `nabat_` metrics, in one registry that belongs to one running instance.
//!
//! Labels are chat aliases and fixed words, never alert labels or group keys; every series
//! exists from the start.

mod chats;

use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// Every metric, by its name without the prefix.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    pub webhooks_received: IntCounterVec,
    pub webhook_duration: Histogram,
    pub notifications_deduplicated: IntCounter,
    pub outbox_entries: IntGaugeVec,
    pub outbox_oldest_entry_age: GaugeVec,
    pub outbox_bytes: IntGauge,
    pub outbox_commit_duration: Histogram,
    pub dead_letters: IntCounterVec,
    pub telegram_requests: IntCounterVec,
    pub telegram_request_duration: HistogramVec,
    pub telegram_rate_limited: IntCounterVec,
    pub ambiguous_sends: IntCounter,
    pub delivery_latency: HistogramVec,
    pub plain_fallbacks: IntCounter,
    pub template_fallbacks: IntCounter,
    pub topic_fallbacks: IntCounter,
    pub button_fallbacks: IntCounter,
    pub table_fallbacks: IntCounter,
    pub images: IntCounterVec,
    pub digests: IntCounter,
    pub last_success: GaugeVec,
    pub secret_age: GaugeVec,
    pub secret_refresh_failures: IntCounterVec,
    pub vault_token_expiry: Gauge,
    pub vault_up: IntGauge,
    pub heartbeats_received: IntCounterVec,
    pub heartbeat_last: GaugeVec,
    pub heartbeat_missing: IntGaugeVec,
    pub heartbeat_pushes: IntCounterVec,
    pub config_last_reload_successful: IntGauge,
    pub config_last_reload_success_timestamp: Gauge,
}

/// Outcomes of a request to Telegram, as `telegram_requests_total{outcome}` says them.
pub const OUTCOMES: [&str; 12] = [
    "ok",
    "rate_limited",
    "refused",
    "unauthorized",
    "server_error",
    "dns",
    "connect",
    "tls",
    "proxy",
    "timeout",
    "ambiguous",
    "bad_body",
];

/// Bot API methods nabat calls.
pub const METHODS: [&str; 9] = [
    "sendMessage",
    "editMessageText",
    "deleteMessage",
    "sendPhoto",
    "sendRichMessage",
    "pinChatMessage",
    "unpinChatMessage",
    "createForumTopic",
    "getMe",
];

/// What became of a picture, as `images_total{outcome}` says it.
pub const IMAGES: [&str; 7] =
    ["sent", "not_allowed", "unreachable", "unfit", "refused", "unknown", "dropped"];

/// How a call of a monitor ended, as `heartbeat_pushes_total{outcome}` says it.
pub const PUSHES: [&str; 2] = ["ok", "failed"];

/// Why a letter died, as `dead_letters_total{reason}` says it.
pub const DEATHS: [&str; 4] = ["unreachable", "refused", "poisonous", "no_such_chat"];

impl Metrics {
    /// Registers every metric and the series whose labels are fixed words.
    ///
    /// # Panics
    /// Never: the names are distinct and valid, which a test asserts by calling this.
    #[expect(clippy::too_many_lines, reason = "a list of names reads best in one piece")]
    pub fn new(version: &str) -> Self {
        let registry = Registry::new();
        let r = &registry;
        let latency = || {
            vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
                60.0, 300.0, 3600.0,
            ]
        };
        let metrics = Self {
            webhooks_received: counters(
                r,
                "webhooks_received_total",
                "Webhook requests, by sender and the status code they were answered with.",
                &["source", "code"],
            ),
            webhook_duration: histogram(
                r,
                "webhook_duration_seconds",
                "Time from a webhook's head to its answer, the durable commit included.",
                latency(),
            ),
            notifications_deduplicated: counter(
                r,
                "notifications_deduplicated_total",
                "Notifications acknowledged without a second message, because the same event was accepted before.",
            ),
            outbox_entries: gauges(
                r,
                "outbox_entries",
                "Entries in the outbox, by chat and state.",
                &["chat", "state"],
            ),
            outbox_oldest_entry_age: float_gauges(
                r,
                "outbox_oldest_entry_age_seconds",
                "Age of the oldest entry that waits, by chat; 0 when none waits.",
                &["chat"],
            ),
            outbox_bytes: gauge(
                r,
                "outbox_bytes",
                "Bytes in use in the outbox's file, which delivery.max_bytes bounds.",
            ),
            outbox_commit_duration: histogram(
                r,
                "outbox_commit_duration_seconds",
                "Time of one durable commit of the outbox, which may hold many notifications.",
                latency(),
            ),
            dead_letters: counters(
                r,
                "dead_letters_total",
                "Entries that could not be delivered, by chat and reason.",
                &["chat", "reason"],
            ),
            telegram_requests: counters(
                r,
                "telegram_requests_total",
                "Requests to Telegram, by Bot API method and outcome.",
                &["method", "outcome"],
            ),
            telegram_request_duration: histograms(
                r,
                "telegram_request_duration_seconds",
                "Time of one request to Telegram, by Bot API method.",
                &["method"],
                latency(),
            ),
            telegram_rate_limited: counters(
                r,
                "telegram_rate_limited_total",
                "Answers 429 from Telegram, by chat.",
                &["chat"],
            ),
            ambiguous_sends: counter(
                r,
                "ambiguous_sends_total",
                "Calls whose outcome is unknown and that are repeated; a new message among them may appear twice.",
            ),
            delivery_latency: histograms(
                r,
                "delivery_latency_seconds",
                "Time from the acceptance of a notification until Telegram took its message, by what \
                 it said and what was in the way.",
                &["class", "during"],
                latency(),
            ),
            plain_fallbacks: counter(
                r,
                "plain_fallbacks_total",
                "Messages sent in a plainer form because Telegram refused the rich one.",
            ),
            template_fallbacks: counter(
                r,
                "template_fallbacks_total",
                "Messages rendered by the built-in template because the configured one failed.",
            ),
            topic_fallbacks: counter(
                r,
                "topic_fallbacks_total",
                "Messages sent to the main chat because their topic is closed, gone or can't be made.",
            ),
            button_fallbacks: counter(
                r,
                "button_fallbacks_total",
                "Messages sent without their buttons because Telegram refused these.",
            ),
            table_fallbacks: counter(
                r,
                "table_fallbacks_total",
                "Tables sent as text because the Bot API server refused them.",
            ),
            images: counters(
                r,
                "images_total",
                "Pictures of alerts, by what became of them.",
                &["outcome"],
            ),
            digests: counter(r, "digests_total", "Digest messages sent in storms."),
            last_success: float_gauges(
                r,
                "last_success_timestamp_seconds",
                "When Telegram last took a call for the chat, in Unix seconds; 0 before the first since the start.",
                &["chat"],
            ),
            secret_age: float_gauges(
                r,
                "secret_age_seconds",
                "Time since the secret was last read successfully.",
                &["secret"],
            ),
            secret_refresh_failures: counters(
                r,
                "secret_refresh_failures_total",
                "Failed attempts to read a secret.",
                &["secret"],
            ),
            vault_token_expiry: float_gauge(
                r,
                "vault_token_expiry_timestamp_seconds",
                "When nabat's own Vault token expires, in Unix seconds; 0 when there is none.",
            ),
            vault_up: gauge(
                r,
                "vault_up",
                "1 when Vault answered the last read, be it with a denial.",
            ),
            heartbeats_received: counters(
                r,
                "heartbeats_received_total",
                "Beats of a heartbeat that were heard.",
                &["heartbeat"],
            ),
            heartbeat_last: float_gauges(
                r,
                "heartbeat_last_timestamp_seconds",
                "When the heartbeat was last heard, in Unix seconds; 0 before the first.",
                &["heartbeat"],
            ),
            heartbeat_missing: gauges(
                r,
                "heartbeat_missing",
                "1 when the heartbeat has been silent for longer than its interval.",
                &["heartbeat"],
            ),
            heartbeat_pushes: counters(
                r,
                "heartbeat_pushes_total",
                "Calls of the monitor that listens to the heartbeat, by outcome (ok, failed).",
                &["heartbeat", "outcome"],
            ),
            config_last_reload_successful: gauge(
                r,
                "config_last_reload_successful",
                "1 when the last configuration load succeeded.",
            ),
            config_last_reload_success_timestamp: float_gauge(
                r,
                "config_last_reload_success_timestamp_seconds",
                "When the configuration was last loaded successfully, in Unix seconds.",
            ),
            registry: registry.clone(),
        };
        gauges(r, "build_info", "Version of the running program.", &["version"])
            .with_label_values(&[version])
            .set(1);
        for outcome in IMAGES {
            metrics.images.with_label_values(&[outcome]);
        }
        for class in ["news", "repeat", "end"] {
            for during in ["calm", "pace", "storm", "trouble", "restart"] {
                metrics.delivery_latency.with_label_values(&[class, during]);
            }
        }
        for method in METHODS {
            metrics.telegram_request_duration.with_label_values(&[method]);
            for outcome in OUTCOMES {
                metrics.telegram_requests.with_label_values(&[method, outcome]);
            }
        }
        metrics
    }

    /// Counts a request to Telegram that came back, and how long it took.
    pub fn telegram_answered(&self, method: &str, outcome: &str, took: Duration) {
        self.telegram_requests.with_label_values(&[method, outcome]).inc();
        let duration = &self.telegram_request_duration;
        duration.with_label_values(&[method]).observe(took.as_secs_f64());
    }

    /// Makes the series of one heartbeat exist.
    pub fn introduce_heartbeat(&self, name: &str) {
        self.heartbeats_received.with_label_values(&[name]);
        self.heartbeat_last.with_label_values(&[name]);
        self.heartbeat_missing.with_label_values(&[name]);
        for outcome in PUSHES {
            self.heartbeat_pushes.with_label_values(&[name, outcome]);
        }
    }

    /// Ends the series of a heartbeat that is configured no more, or its alert would never end.
    pub fn forget_heartbeat(&self, name: &str) {
        // An error means that there is no such series.
        let _ = self.heartbeats_received.remove_label_values(&[name]);
        let _ = self.heartbeat_last.remove_label_values(&[name]);
        let _ = self.heartbeat_missing.remove_label_values(&[name]);
        for outcome in PUSHES {
            let _ = self.heartbeat_pushes.remove_label_values(&[name, outcome]);
        }
    }

    /// The Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

const NAMED_ONCE: &str = "metric names are distinct and valid";

fn name(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("nabat")
}

macro_rules! register {
    ($registry:expr, $metric:expr) => {{
        let metric = $metric.expect(NAMED_ONCE);
        $registry.register(Box::new(metric.clone())).expect(NAMED_ONCE);
        metric
    }};
}

fn counter(r: &Registry, n: &str, help: &str) -> IntCounter {
    register!(r, IntCounter::with_opts(name(n, help)))
}

fn counters(r: &Registry, n: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register!(r, IntCounterVec::new(name(n, help), labels))
}

fn gauge(r: &Registry, n: &str, help: &str) -> IntGauge {
    register!(r, IntGauge::with_opts(name(n, help)))
}

fn gauges(r: &Registry, n: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register!(r, IntGaugeVec::new(name(n, help), labels))
}

fn float_gauge(r: &Registry, n: &str, help: &str) -> Gauge {
    register!(r, Gauge::with_opts(name(n, help)))
}

fn float_gauges(r: &Registry, n: &str, help: &str, labels: &[&str]) -> GaugeVec {
    register!(r, GaugeVec::new(name(n, help), labels))
}

fn histogram(r: &Registry, n: &str, help: &str, buckets: Vec<f64>) -> Histogram {
    let opts = HistogramOpts::from(name(n, help)).buckets(buckets);
    register!(r, Histogram::with_opts(opts))
}

fn histograms(
    r: &Registry,
    n: &str,
    help: &str,
    labels: &[&str],
    buckets: Vec<f64>,
) -> HistogramVec {
    let opts = HistogramOpts::from(name(n, help)).buckets(buckets);
    register!(r, HistogramVec::new(opts, labels))
}
