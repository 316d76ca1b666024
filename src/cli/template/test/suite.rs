//! A file of tests, read with all its faults at once.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::alert::Notification;
use crate::config::walk::{At, Section, Walk};
use crate::config::yaml::Value;
use crate::config::{TemplateFile, chats, did_you_mean, shown, templates};
use crate::ingest;
use crate::rendering::{Kind, Language, Renderer, TemplateSource};

pub const KEYS: &[&str] = &["templates", "tests"];
pub const TEST_KEYS: &[&str] =
    &["name", "body", "template", "kind", "language", "timezone", "now", "expect"];
pub const EXPECT_KEYS: &[&str] = &["text", "html", "contains", "not_contains", "buttons", "parts"];

/// The kinds of messages, by the names that the data gives them.
const KINDS: [(&str, Kind); 4] = [
    ("card", Kind::Card),
    ("news", Kind::News),
    ("ended", Kind::Ended),
    ("reminder", Kind::Reminder),
];

/// The tests of one file and the templates they are about.
#[derive(Debug)]
pub struct Suite {
    pub renderer: Renderer,
    pub tests: Vec<Test>,
}

/// One message to make, and what is expected of it.
#[derive(Debug)]
pub struct Test {
    pub name: String,
    /// Where it stands, from 1.
    pub line: u64,
    pub state: Notification,
    pub template: String,
    pub kind: Kind,
    pub language: Language,
    pub timezone: TimeZone,
    pub now: Timestamp,
    pub expect: Expect,
}

/// What a message must be; what is absent may be anything.
#[derive(Debug, Default)]
pub struct Expect {
    /// As people read it.
    pub text: Option<String>,
    /// The markup that Telegram is sent.
    pub html: Option<String>,
    pub contains: Vec<String>,
    pub not_contains: Vec<String>,
    /// The buttons in their order, each as its label and, behind a space, where it leads or what
    /// it copies.
    pub buttons: Option<Vec<String>>,
    pub parts: Option<i64>,
}

impl Suite {
    /// Reads `file` and the templates it names.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or with the templates.
    pub fn read(file: &Path) -> Result<Self, Vec<String>> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| vec![format!("{name}: cannot be read: {error}")])?;
        let base = file.parent().unwrap_or(Path::new(""));
        // The walker keeps no fractions, which a body may hold.
        let bodies: serde_json::Value = serde_saphyr::from_str_with_options(
            &text,
            serde_saphyr::options! {
                with_snippet: false,
                strict_booleans: true,
                // The walker reports them.
                duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
                non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
            },
        )
        .unwrap_or_default();
        let mut walk = Walk::over(&name, base, &|_| None);
        let read = walk.document(&text, |at, walk| read(at, walk, &bodies["tests"]));
        let Some((sources, tests)) = read.filter(|_| walk.faults.is_empty()) else {
            return Err(walk.into_faults().0.iter().map(ToString::to_string).collect());
        };
        let told = |faults: &[_]| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        let renderer = Renderer::new(sources)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        if !renderer.unknown_names().is_empty() {
            return Err(told(renderer.unknown_names()));
        }
        let mut missing = Vec::new();
        for test in tests.iter().filter(|test| !renderer.has_template(&test.template)) {
            missing.push(format!("{name}:{}: there is no template {:?}", test.line, test.template));
        }
        if missing.is_empty() { Ok(Self { renderer, tests }) } else { Err(missing) }
    }
}

fn read(
    at: &At<'_>,
    walk: &mut Walk<'_>,
    bodies: &serde_json::Value,
) -> Option<(Vec<TemplateSource>, Vec<Test>)> {
    let root = walk.section(at, KEYS)?;
    let files = root.get("templates").map(|at| templates::read(&at, walk)).unwrap_or_default();
    let sources = files
        .into_iter()
        .map(|TemplateFile { name, language, text, path }| TemplateSource {
            name,
            language,
            text,
            file: path,
        })
        .collect();
    let tests =
        walk.required(&root, "tests", "write some: tests: [{name: …, body: …, expect: …}]")?;
    let items = walk.list(&tests);
    // A pattern that finds nothing leaves the tests without what they test.
    let unfound = std::mem::take(&mut walk.warnings);
    walk.faults.extend(unfound);
    let tests = items.iter().enumerate().filter_map(|(index, at)| test(at, walk, &bodies[index]));
    Some((sources, tests.collect()))
}

fn test(at: &At<'_>, walk: &mut Walk<'_>, values: &serde_json::Value) -> Option<Test> {
    let section = walk.section(at, TEST_KEYS)?;
    let name = walk.required(&section, "name", "say what the test is about");
    let name = name.and_then(|at| Some(walk.text(&at)?.to_owned()));
    let now = section.get("now").map(|at| time(&at, walk));
    let state = walk
        .required(&section, "body", "give a webhook's body, or the name of a file with one")
        .and_then(|at| body(&at, walk, &values["body"], now.flatten()));
    let kind = match section.get("kind") {
        Some(at) => kind(&at, walk),
        None => Some(Kind::Card),
    };
    let language = match section.get("language") {
        Some(at) => chats::language(&at, walk),
        None => Some(Language::default()),
    };
    let timezone = match section.get("timezone") {
        Some(at) => chats::timezone(&at, walk),
        None => Some(TimeZone::UTC),
    };
    let template = match section.get("template") {
        Some(at) => walk.text(&at).map(str::to_owned),
        None => Some("default".to_owned()),
    };
    let expect = walk
        .required(&section, "expect", "say what the message must be: expect: {contains: […]}")
        .and_then(|at| expect(&at, walk));
    let state = state?;
    Some(Test {
        name: name?,
        line: at.place.line.unwrap_or_default(),
        now: now.unwrap_or_else(|| Some(newest(&state)))?,
        state,
        template: template?,
        kind: kind?,
        language: language?,
        timezone: timezone?,
        expect: expect?,
    })
}

/// The last thing that happened in a group.
fn newest(state: &Notification) -> Timestamp {
    let times = state.alerts.iter().flat_map(|alert| [Some(alert.starts_at), alert.ends_at]);
    times.flatten().max().unwrap_or_default()
}

fn time(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Timestamp> {
    let text = walk.text(at)?;
    let time = text.parse().ok();
    if time.is_none() {
        let remedy = "write it like 2026-11-03T10:00:00Z";
        walk.fault(&at.place, format!("{} is no time", shown(text)), remedy);
    }
    time
}

/// A body that is written out, or in the file that is named.
fn body(
    at: &At<'_>,
    walk: &mut Walk<'_>,
    written: &serde_json::Value,
    now: Option<Timestamp>,
) -> Option<Notification> {
    let body = if matches!(at.value, Value::Map(_)) {
        walk.doubles_below(at);
        written.to_string().into_bytes()
    } else {
        let name = walk.text(at)?;
        let path = walk.base.join(name);
        match std::fs::read(&path) {
            Ok(body) => body,
            Err(error) => {
                let problem = format!("{} cannot be read: {error}", path.display());
                walk.fault(&at.place, problem, "name a file, relative to this one");
                return None;
            }
        }
    };
    match ingest::parse(&body, now.unwrap_or_default()) {
        Ok(state) => Some(state),
        Err(error) => {
            walk.fault(&at.place, error.to_string(), "write it as Alertmanager sends it");
            None
        }
    }
}

fn kind(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Kind> {
    let name = walk.text(at)?;
    let known = KINDS.iter().find(|(known, _)| *known == name);
    if known.is_none() {
        let remedy = did_you_mean(name, KINDS.iter().map(|(name, _)| *name));
        walk.fault(&at.place, format!("{} is no kind of message", shown(name)), remedy);
    }
    known.map(|(_, kind)| *kind)
}

fn expect(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Expect> {
    let section = walk.section(at, EXPECT_KEYS)?;
    if EXPECT_KEYS.iter().all(|key| section.get(key).is_none()) {
        walk.fault(
            &at.place,
            "expects nothing",
            format!("its keys are {}", EXPECT_KEYS.join(", ")),
        );
    }
    let whole = |section: &Section<'_>, key: &str, walk: &mut Walk<'_>| {
        section.get(key).and_then(|at| Some(walk.text(&at)?.trim_end().to_owned()))
    };
    let fragments = |section: &Section<'_>, key: &str, walk: &mut Walk<'_>| -> Vec<String> {
        let texts = section.get(key).map(|at| walk.texts(&at)).unwrap_or_default();
        texts.into_iter().map(|(_, text)| text.to_owned()).collect()
    };
    Some(Expect {
        text: whole(&section, "text", walk),
        html: whole(&section, "html", walk),
        contains: fragments(&section, "contains", walk),
        not_contains: fragments(&section, "not_contains", walk),
        buttons: section.get("buttons").map(|_| fragments(&section, "buttons", walk)),
        parts: section.get("parts").and_then(|at| walk.number(&at, 1)),
    })
}
