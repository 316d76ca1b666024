//! `nabat test-alert`: proves that people can be reached.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::routing::Topic;

use super::http::{Nabat, ServerArgs};
use super::output::{plain, say, say_json};

/// Send a test alert through a running nabat and wait until Telegram has taken it
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 0: delivered everywhere; 1: not, the reason is printed.\n\
    Without --chat the routing tree decides, so --label and --severity test the routes too.")]
pub struct TestAlertArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The chat's name in the configuration, instead of the routing tree
    #[arg(long, env = "NABAT_TEST_ALERT_CHAT")]
    chat: Option<String>,
    /// The alert's severity, instead of the label; info when neither is given
    #[arg(long)]
    severity: Option<String>,
    /// A label of the alert; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// An annotation of the alert; may be repeated
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = pair)]
    annotations: Vec<(String, String)>,
    /// Send an alert that has ended
    #[arg(long)]
    resolved: bool,
    /// How long to wait for Telegram
    #[arg(long, env = "NABAT_TEST_ALERT_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// The part of the answer that people read.
#[derive(Debug, Deserialize)]
struct LaneResult {
    chat: String,
    topic: Option<Topic>,
    outcome: String,
    message_id: Option<i64>,
    error: Option<String>,
}

/// Prints a line for each chat the alert goes to.
///
/// # Errors
/// When nabat is not there or refuses the order.
pub async fn run(args: TestAlertArgs) -> anyhow::Result<ExitCode> {
    let nabat = Nabat::new(&args.server, args.timeout + Duration::from_secs(10))?;
    let path = format!("/api/v1/test-alert?timeout={}", args.timeout.as_secs().max(1));
    let answer = nabat.ask(Method::POST, &path, Some(order(&args))).await?;
    let status = answer.status;
    let told =
        matches!(status, StatusCode::OK | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
    let json: Option<Value> = serde_json::from_str(&answer.text).ok();
    let Some(json) = json.filter(|json| told && json.get("results").is_some()) else {
        let unexpected = answer.json()?;
        bail!("this is no nabat: it answered {}", plain(&unexpected.to_string()));
    };
    if args.json {
        say_json(&json)?;
    } else {
        let results: Vec<LaneResult> =
            serde_json::from_value(json.get("results").cloned().unwrap_or_default())?;
        for result in &results {
            say(&describe(result))?;
        }
    }
    Ok(if status == StatusCode::OK { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn order(args: &TestAlertArgs) -> Value {
    let map = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
    };
    let mut order = json!({
        "labels": map(&args.labels),
        "annotations": map(&args.annotations),
        "status": if args.resolved { "resolved" } else { "firing" },
    });
    if let Some(severity) = &args.severity {
        order["severity"] = severity.clone().into();
    }
    if let Some(chat) = &args.chat {
        order["chat"] = chat.clone().into();
    }
    order
}

fn describe(result: &LaneResult) -> String {
    let place = match &result.topic {
        Some(topic) => format!("{} (topic {})", plain(&result.chat), plain(&topic.to_string())),
        None => plain(&result.chat),
    };
    let error = result.error.as_deref().map(plain);
    match (result.outcome.as_str(), result.message_id, error) {
        ("delivered", Some(id), _) => format!("{place}: delivered, message {id}"),
        ("waiting", _, Some(error)) => {
            format!("{place}: not delivered yet, nabat keeps trying: {error}")
        }
        ("waiting", _, None) => format!("{place}: not delivered yet, it waits in the outbox"),
        (outcome, _, Some(error)) => format!("{place}: {}: {error}", plain(outcome)),
        (outcome, _, None) => format!("{place}: {}", plain(outcome)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::TopicId;

    #[test]
    fn each_outcome_has_its_sentence() {
        let of = |outcome: &str, message_id, error: Option<&str>| {
            describe(&LaneResult {
                chat: "ops".into(),
                topic: Some(Topic::Number(TopicId(7))),
                outcome: outcome.into(),
                message_id,
                error: error.map(str::to_owned),
            })
        };
        assert_eq!(of("delivered", Some(5), None), "ops (topic 7): delivered, message 5");
        assert_eq!(
            of("waiting", None, Some("401")),
            "ops (topic 7): not delivered yet, nabat keeps trying: 401"
        );
        assert_eq!(
            of("waiting", None, None),
            "ops (topic 7): not delivered yet, it waits in the outbox"
        );
        assert_eq!(of("failed", None, Some("kicked")), "ops (topic 7): failed: kicked");
    }

    #[test]
    fn a_severity_is_ordered_only_when_it_is_given_so_that_a_label_may_say_it() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: TestAlertArgs,
        }
        let of = |words: &[&str]| order(&Line::parse_from(words).args);
        let labelled = of(&["nabat", "--label", "severity=critical"]);
        assert_eq!(labelled["labels"]["severity"], "critical");
        assert_eq!(labelled.get("severity"), None);
        assert_eq!(of(&["nabat", "--severity", "warning"])["severity"], "warning");
    }

    #[test]
    fn a_label_needs_a_name_and_an_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err());
        assert!(pair("a").is_err());
    }
}
