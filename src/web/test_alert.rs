//! `POST /api/v1/test-alert`: an alert of our own through the real pipeline, answered when
//! Telegram took it or with the reason it did not.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::alert::{Alert, GroupId, Labels, Notification, Reason, Source, Status};
use crate::delivery::{Hindrance, Outcome, Report};
use crate::ingest::{self, Bodies, IntakeError};
use crate::routing::{ChatAlias, LaneId, Topic};
use crate::telegram::MessageId;

use super::{Doors, answer};

/// How long the answer waits for Telegram when the caller does not say, and at most.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Test alerts: three at once, then one in ten seconds.
const BURST: NonZeroU32 = NonZeroU32::new(3).expect("3 is not 0");
const PERIOD: Duration = Duration::from_secs(10);

/// What may be ordered; everything has a default.
#[derive(Debug, Default, Deserialize)]
struct Order {
    chat: Option<ChatAlias>,
    severity: Option<String>,
    labels: Option<Labels>,
    annotations: Option<Labels>,
    status: Option<Status>,
}

const FIELDS: [&str; 5] = ["chat", "severity", "labels", "annotations", "status"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    timeout: Option<String>,
}

/// Keeps test alerts from eating the chats' pace.
#[derive(Debug)]
pub(super) struct Pace(DefaultDirectRateLimiter);

impl Default for Pace {
    fn default() -> Self {
        let quota = Quota::with_period(PERIOD).expect("the period is not zero").allow_burst(BURST);
        Self(DefaultDirectRateLimiter::direct(quota))
    }
}

impl Pace {
    /// Takes a place, or says how long there is none.
    fn take(&self) -> Result<(), Duration> {
        self.0.check().map_err(|early| early.wait_time_from(DefaultClock::default().now()))
    }
}

/// Where one lane's part of the test stands.
#[derive(Debug, Serialize)]
struct LaneResult {
    chat: ChatAlias,
    topic: Option<Topic>,
    outcome: &'static str,
    message_id: Option<MessageId>,
    error: Option<String>,
    /// It waits in vain as long as nobody acts.
    #[serde(skip)]
    lasts: bool,
}

const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";
const WAITING: &str = "waiting";

pub(super) async fn test_alert(
    State(doors): State<Arc<Doors>>,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Response {
    let wait = match wait {
        Ok(Query(wait)) => wait.timeout.as_deref().map_or(Ok(DEFAULT_WAIT), read_wait),
        Err(fault) => Err(fault.body_text()),
    };
    let wait = match wait {
        Ok(wait) => wait,
        Err(fault) => return answer::error(StatusCode::BAD_REQUEST, fault),
    };
    let order = match read_order(&doors.orders, request).await {
        Ok(order) => order,
        Err((status, fault)) => return answer::error(status, fault),
    };
    let chat = order.chat.clone();
    let notification = compose(order, doors.clock().now());
    // What goes nowhere costs nothing.
    if let Err(error) = doors.intake.leads_somewhere(&notification, chat.as_ref()) {
        return refused(&error);
    }
    if let Err(pause) = doors.test_pace.take() {
        let seconds = pause.as_secs() + 1;
        let fault = format!("too many test alerts; the next one can go in {seconds} s");
        let refusal = answer::error(StatusCode::TOO_MANY_REQUESTS, fault);
        return ([(header::RETRY_AFTER, seconds.to_string())], refusal).into_response();
    }
    let group = notification.group.clone();
    // Before the alert is taken, so that no report is missed.
    let reports = doors.delivery.reports();
    let accepted = match doors.intake.take(notification, chat.as_ref()).await {
        Ok(accepted) => accepted,
        Err(error) => return refused(&error),
    };
    let lanes: Vec<LaneId> = accepted.lanes.into_iter().map(|(lane, _)| lane).collect();
    let mut results: Vec<LaneResult> = lanes.iter().cloned().map(LaneResult::waiting).collect();
    for (lane, result) in lanes.iter().zip(&mut results) {
        // A person waits: what failed before is tried now.
        doors.intake.wake.urge(lane);
        result.hindered_by(doors.delivery.hindrance(lane));
    }
    // Out of time: the results say which lanes still wait.
    let _ = tokio::time::timeout(wait, follow(reports, &group, &mut results)).await;
    for (lane, result) in lanes.iter().zip(&mut results) {
        if result.outcome == WAITING && result.error.is_none() {
            result.hindered_by(doors.delivery.hindrance(lane));
        }
    }
    for error in results.iter_mut().filter_map(|result| result.error.as_mut()) {
        // Telegram's and Vault's own words may hold anything.
        *error = doors.intake.scrubber.clean(error).into_owned();
    }
    tell(&group, &results)
}

fn refused(error: &IntakeError) -> Response {
    let status = match error {
        IntakeError::UnknownChat { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer::error(status, error.to_string())
}

fn read_wait(text: &str) -> Result<Duration, String> {
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("timeout: {text:?} is no duration like 30s: {error}"))?,
    };
    Ok(wait.min(LONGEST_WAIT))
}

async fn read_order(bodies: &Bodies, request: Request) -> Result<Order, (StatusCode, String)> {
    let (parts, body) = request.into_parts();
    let (_, body) = bodies.read(body, &parts.headers).await;
    let body = body.map_err(|trouble| (trouble.status(), trouble.to_string()))?;
    let body = &body.bytes;
    if body.trim_ascii().is_empty() {
        return Ok(Order::default());
    }
    ingest::require_json(&parts.headers)
        .map_err(|trouble| (trouble.status(), trouble.to_string()))?;
    let bad = |fault: String| (StatusCode::BAD_REQUEST, fault);
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body)
        .map_err(|error| bad(format!("the body is no JSON object: {error}")))?;
    for field in fields.keys() {
        if !FIELDS.contains(&field.as_str()) {
            let known = match ingest::nearest(FIELDS.into_iter(), field) {
                Some(nearest) => format!("did you mean {nearest:?}?"),
                None => format!("known are {}", FIELDS.join(", ")),
            };
            return Err(bad(format!("there is no field {field:?}; {known}")));
        }
    }
    // From the text again, so that what is wrong with a field is named with its place.
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

fn compose(order: Order, now: Timestamp) -> Notification {
    let mut labels = Labels::from([
        ("alertname".to_owned(), "NabatTestAlert".to_owned()),
        ("severity".to_owned(), "info".to_owned()),
    ]);
    labels.extend(order.labels.unwrap_or_default());
    labels.extend(order.severity.map(|severity| ("severity".to_owned(), severity)));
    let mut annotations = Labels::from([(
        "summary".to_owned(),
        "A test alert, sent by hand through nabat: whoever reads it can be reached.".to_owned(),
    )]);
    annotations.extend(order.annotations.unwrap_or_default());
    let status = order.status.unwrap_or(Status::Firing);
    // Every test is a group of its own: no dedup, no card to edit.
    let unique = format!("{:016x}", rand::random::<u64>());
    let alert = Alert {
        fingerprint: unique.clone(),
        status,
        labels: labels.clone(),
        annotations: annotations.clone(),
        starts_at: match status {
            Status::Firing => now,
            Status::Resolved => now - SignedDuration::from_mins(1),
        },
        ends_at: (status == Status::Resolved).then_some(now),
        generator_url: String::new(),
        grafana: None,
        unlisted: false,
    };
    Notification {
        group: GroupId {
            source: Source::Test,
            receiver: "nabat-test".to_owned(),
            key: format!("test/{unique}"),
        },
        status,
        reason: match status {
            Status::Firing => Reason::FirstNotification,
            Status::Resolved => Reason::AllAlertsResolved,
        },
        alerts: vec![alert],
        group_labels: labels.clone().into_iter().filter(|(name, _)| name == "alertname").collect(),
        common_labels: labels,
        common_annotations: annotations,
        external_url: String::new(),
        truncated_alerts: 0,
    }
}

/// Notes what delivery reports about the group until no lane waits any more, or none but in vain.
async fn follow(
    mut reports: broadcast::Receiver<Report>,
    group: &GroupId,
    results: &mut [LaneResult],
) {
    while results.iter().any(|result| result.outcome == WAITING && !result.lasts) {
        let report = match reports.recv().await {
            Ok(report) => report,
            // So much was reported that some of it is lost; ours may still come.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let Some(result) = results.iter_mut().find(|result| result.is_of(&report.lane)) else {
            continue;
        };
        match report.outcome {
            outcome if report.group == *group => result.note(outcome),
            // What stops the one before it in the lane stops ours.
            Outcome::Waiting { why, lasts: true } if result.outcome == WAITING => {
                result.hindered_by(Some(Hindrance { why, lasts: true }));
            }
            _ => {}
        }
    }
}

impl LaneResult {
    fn waiting(lane: LaneId) -> Self {
        Self {
            chat: lane.chat,
            topic: lane.topic,
            outcome: WAITING,
            message_id: None,
            error: None,
            lasts: false,
        }
    }

    fn hindered_by(&mut self, hindrance: Option<Hindrance>) {
        if let Some(Hindrance { why, lasts }) = hindrance {
            (self.error, self.lasts) = (Some(why), lasts);
        }
    }

    fn is_of(&self, lane: &LaneId) -> bool {
        self.chat == lane.chat && self.topic == lane.topic
    }

    fn note(&mut self, outcome: Outcome) {
        self.lasts = matches!(outcome, Outcome::Waiting { lasts: true, .. });
        (self.outcome, self.message_id, self.error) = match outcome {
            Outcome::Shown { message, .. } => (DELIVERED, Some(message), None),
            Outcome::Waiting { why, .. } => (WAITING, None, Some(why)),
            Outcome::Dead { why } => (FAILED, None, Some(why)),
        };
    }
}

fn tell(group: &GroupId, results: &[LaneResult]) -> Response {
    let any = |outcome| results.iter().any(|result| result.outcome == outcome);
    let (code, status) = if any(FAILED) {
        (StatusCode::BAD_GATEWAY, FAILED)
    } else if any(WAITING) {
        (StatusCode::GATEWAY_TIMEOUT, WAITING)
    } else {
        (StatusCode::OK, DELIVERED)
    };
    tracing::info!(group = group.key, status, "test alert answered");
    let answer = serde_json::json!({"status": status, "group": group.key, "results": results});
    (code, Json(answer)).into_response()
}
