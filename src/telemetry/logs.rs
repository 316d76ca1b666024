//! What nabat logs, and how: one line an event, to stderr, as text or JSON.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use super::scrub::Scrubber;

/// How log lines look, as `--log.format` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Why logging could not start.
#[derive(Debug, Error)]
pub enum LogError {
    #[error(
        "log level {0:?}: expected off, error, warn, info, debug or trace, or a list such as nabat=debug,warn"
    )]
    Level(String),
    #[error("log level {level:?}: {source}")]
    Filter {
        level: String,
        #[source]
        source: ParseError,
    },
    #[error("logging was started before")]
    Twice(#[source] TryInitError),
}

/// The target of everything that is logged here. Dependencies, below warnings, write about bytes
/// and frames rather than about alerts, or, as handlebars, of each value that a template asks for.
const OWN: &str = "nabat";

/// What helps of the dependencies' words, up to `debug`: where a connection goes and whether it is
/// made, and which certificates are trusted.
const HELPFUL: [&str; 2] = ["hyper_util::client::legacy::connect", "rustls_platform_verifier"];

/// Dependencies that log every failed request as an error: `secrets` says it once, better.
const SILENT: [&str; 2] = ["vaultrs", "rustify"];

/// Starts logging to stderr for the whole process; only a command may call it.
///
/// # Errors
/// When `level` does not parse, or logging was started before.
pub fn init(level: &str, format: Format, scrubber: &Scrubber) -> Result<(), LogError> {
    let ansi = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    subscriber(level, format, scrubber, io::stderr, ansi)?.try_init().map_err(LogError::Twice)
}

/// What [`init`] installs, with a writer of the caller's choice. Times are RFC 3339 in UTC.
///
/// # Errors
/// When `level` does not parse.
pub fn subscriber<W>(
    level: &str,
    format: Format,
    scrubber: &Scrubber,
    writer: W,
    ansi: bool,
) -> Result<impl Subscriber + Send + Sync + 'static, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(scrubber.wrap(writer)).with_ansi(ansi);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    Ok(Registry::default().with(lines).with(targets(level)?))
}

/// Which events are logged. A dependency named in `level` gets what it says, others only warn.
fn targets(level: &str) -> Result<Targets, LogError> {
    // A lone word would be taken for a target's name, and everything else switched off.
    for directive in level.split(',') {
        let word = directive.trim();
        let is_level = !word.is_empty() && word.parse::<LevelFilter>().is_ok();
        if !is_level && !word.contains('=') {
            return Err(LogError::Level(level.to_owned()));
        }
    }
    let asked: Targets = level
        .replace(' ', "")
        .parse()
        .map_err(|source| LogError::Filter { level: level.to_owned(), source })?;
    let others = asked.default_level().unwrap_or(LevelFilter::WARN);
    let named: Vec<_> = asked.iter().map(|(target, _)| target.to_owned()).collect();
    let unasked = [(OWN, others)]
        .into_iter()
        .chain(HELPFUL.map(|target| (target, others.min(LevelFilter::DEBUG))))
        .chain(SILENT.map(|target| (target, LevelFilter::OFF)))
        .filter(|(target, _)| !named.iter().any(|name| target.starts_with(name)));
    Ok(asked.clone().with_default(others.min(LevelFilter::WARN)).with_targets(unasked))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use secrecy::SecretString;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged at `level` while `happening` runs.
    fn logged(level: &str, format: Format, scrubber: &Scrubber, happening: impl Fn()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            subscriber(level, format, scrubber, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, happening);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn speak() {
        tracing::debug!(target: "nabat", "nabat whispers");
        tracing::info!(target: "nabat", chat = "ops", "nabat speaks");
        tracing::debug!(target: "hyper", "hyper whispers");
        tracing::warn!(target: "hyper", "hyper warns");
        tracing::debug!(target: "handlebars::render", "the alert's text");
        tracing::debug!(target: "hyper_util::client::legacy::connect::http", "connecting to");
        tracing::error!(target: "vaultrs", "vaultrs repeats itself");
    }

    #[test]
    fn dependencies_only_warn_even_when_everything_is_traced() {
        let lines = logged("trace", Format::Text, &Scrubber::new(), speak);
        assert!(lines.contains("nabat whispers"));
        assert!(lines.contains("hyper warns"));
        assert!(!lines.contains("hyper whispers"));
        assert!(!lines.contains("the alert's text"));
        assert!(!lines.contains("vaultrs"));
    }

    #[test]
    fn connections_are_told_of_unless_their_library_is_to_be_quieter() {
        let told =
            |level| logged(level, Format::Text, &Scrubber::new(), speak).contains("connecting");
        assert!(told("debug") && told("trace"));
        assert!(!told("info") && !told("nabat=trace") && !told("debug,hyper_util=info"));
    }

    #[test]
    fn a_dependency_that_is_named_may_speak() {
        let lines = logged("info,hyper=debug", Format::Text, &Scrubber::new(), speak);
        assert!(lines.contains("hyper whispers"));
        assert!(!lines.contains("nabat whispers"));
    }

    #[test]
    fn a_level_for_nabat_alone_keeps_the_warnings_of_others() {
        let lines = logged("nabat=debug", Format::Text, &Scrubber::new(), speak);
        assert!(lines.contains("nabat whispers"));
        assert!(lines.contains("hyper warns"));
    }

    #[test]
    fn asking_for_errors_does_not_bring_dependencies_warnings() {
        assert_eq!(logged("error", Format::Text, &Scrubber::new(), speak), "");
    }

    #[test]
    fn a_json_line_holds_time_level_message_and_fields() {
        let lines = logged("info", Format::Json, &Scrubber::new(), speak);
        let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(line["message"], "nabat speaks");
        assert_eq!(line["chat"], "ops");
        assert_eq!(line["level"], "INFO");
        line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }

    /// An object whose keys are all different, as deep as it goes.
    struct Distinct;

    impl<'de> serde::Deserialize<'de> for Distinct {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Distinct)
        }
    }

    impl<'de> serde::de::Visitor<'de> for Distinct {
        type Value = Self;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON of a log line")
        }

        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
            while list.next_element::<Self>()?.is_some() {}
            Ok(self)
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            let mut keys = std::collections::BTreeSet::new();
            while let Some((key, Self)) = map.next_entry::<String, Self>()? {
                let repeated = || serde::de::Error::custom(format!("{key:?} is there twice"));
                keys.insert(key.clone()).then_some(()).ok_or_else(repeated)?;
            }
            Ok(self)
        }
    }

    #[test]
    fn no_key_of_a_json_line_is_repeated_in_a_task_either() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let lines = logged("trace", Format::Json, &Scrubber::new(), || {
            let tasks = crate::lifecycle::Tasks::default();
            runtime.block_on(async { tasks.spawn("connection", async { speak() }).await }).unwrap();
        });
        assert!(lines.contains("connection"), "{lines}");
        for line in lines.lines() {
            serde_json::from_str::<Distinct>(line)
                .unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }

    #[test]
    fn a_text_line_starts_with_its_time() {
        let lines = logged("info", Format::Text, &Scrubber::new(), speak);
        lines.split(' ').next().unwrap().parse::<jiff::Timestamp>().unwrap();
    }

    #[test]
    fn no_line_holds_a_registered_secret() {
        let scrubber = Scrubber::new();
        scrubber.register(&SecretString::from("123456:canary\"token"));
        for format in [Format::Text, Format::Json] {
            let lines = logged("info", format, &scrubber, || {
                tracing::info!(url = "https://t/bot123456%3Acanary%22token", "display");
                tracing::info!(token = ?"123456:canary\"token", "debug");
                tracing::info!("message 123456:canary\"token");
            });
            assert_eq!(lines.matches("[secret]").count(), 3, "{lines}");
            assert!(!lines.contains("canary"), "{lines}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_by_name() {
        for level in ["infoo", "", "nabat=debug,loud", "nabat=loud"] {
            let error = targets(level).unwrap_err().to_string();
            assert!(error.contains(&format!("{level:?}")), "{error}");
        }
    }
}
