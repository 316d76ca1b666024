//! All templates, compiled: the built-in ones and the users' on top of them.

use std::collections::HashMap;
use std::io;

use handlebars::{Handlebars, RenderError};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::budget::Author;
use super::lists::RESTS;
use super::load::{Includes, TemplateError, TemplateSource, registry};
use super::names::{self, Shape};
use super::subject::Subject;
use super::view::View;
use super::{Kind, Language, Scene, budget, compile};
use crate::alert::{Alert, Forgotten, GroupId, Notification, Reason, Source, Status};
use crate::telegram::markup::{self, MarkupError};

/// The most a template may write, in bytes.
pub(super) const MAX_OUTPUT: usize = 512 * 1024;

macro_rules! built_in {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../templates/", $name, ".hbs")))),*]
    };
}

/// The templates that come with the program: four kinds, and what they share. Their words come
/// from the chat's language.
const BUILT_IN: [(&str, &str); 12] = built_in!(
    "card", "news", "ended", "reminder", "heading", "standing", "notes", "alert", "more", "over",
    "details", "links"
);

/// Whether the program brings a template of this name.
pub(crate) fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(built_in, _)| *built_in == name)
}

/// A registry a language.
pub(super) struct Catalogue {
    languages: HashMap<Language, Compiled>,
    /// Names in the users' templates that are nowhere in the data.
    pub unknown: Vec<TemplateError>,
}

/// The templates for a language.
pub(super) struct Compiled {
    pub registry: Handlebars<'static>,
    /// By the name of a template: what must follow it, for it lists alerts and does not tell how
    /// many are not in the list.
    pub rests: HashMap<String, Vec<&'static str>>,
}

impl Catalogue {
    /// Compiles the built-in templates and `user`'s, which replace those of the same name.
    pub fn new(user: &[TemplateSource]) -> Result<Self, Vec<TemplateError>> {
        let mut unknown: Vec<TemplateError> = Vec::new();
        let mut languages = HashMap::new();
        for language in Language::all() {
            let (compiled, said) = compile(user, language)?;
            languages.insert(language, compiled);
            for said in said {
                if !unknown.contains(&said) {
                    unknown.push(said);
                }
            }
        }
        Ok(Self { languages, unknown })
    }

    /// The templates for a language.
    pub fn of(&self, language: Language) -> &Compiled {
        &self.languages[&language]
    }
}

fn compile(
    user: &[TemplateSource],
    language: Language,
) -> Result<(Compiled, Vec<TemplateError>), Vec<TemplateError>> {
    let mut registry = registry();
    let mut includes = Includes::default();
    let mut faults = Vec::new();
    let built_in = BUILT_IN.iter().chain(&RESTS).map(|(name, text)| TemplateSource {
        name: (*name).to_owned(),
        language: None,
        text: (*text).to_owned(),
        file: format!("templates/{name}.hbs").into(),
    });
    let mut sources: Vec<TemplateSource> = built_in.collect();
    sources.extend(user.iter().filter(|source| source.language.is_none()).cloned());
    sources.extend(user.iter().filter(|source| source.language == Some(language)).cloned());
    for source in &sources {
        faults.extend(includes.add(source).err());
    }
    if faults.is_empty() {
        faults.extend(sources.iter().filter_map(|source| includes.check(source).err()));
    }
    let user = || user.iter().filter(|source| source.language.is_none_or(|of| of == language));
    if faults.is_empty() {
        let is_users = |name: &str| user().any(|source| source.name == name);
        let author = if user().next().is_some() { Author::User } else { Author::Nabat };
        includes.register(&mut registry, author, |name| is_built_in(name) && !is_users(name));
        faults.extend(user().filter_map(|source| compile::check_depth(&registry, source).err()));
    }
    if faults.is_empty() {
        let whole = user().filter(|source| !includes.has_includer(&source.name));
        faults.extend(whole.filter_map(|source| try_out(&registry, source, language).err()));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let entries: Vec<&str> = includes.entries().collect();
    let unknown = names::unknown(&registry, user(), &entries, &shape_of_data());
    let rests = sources.iter().map(|source| (&source.name, includes.lists(&source.name).untold()));
    let rests = rests.filter(|(_, rests)| !rests.is_empty());
    let rests = rests.map(|(name, rests)| (name.clone(), rests)).collect();
    Ok((Compiled { registry, rests }, unknown))
}

/// Renders `source` for a made-up alert, so that what is wrong shows now and not at the first
/// real one.
fn try_out(
    registry: &Handlebars<'static>,
    source: &TemplateSource,
    language: Language,
) -> Result<(), TemplateError> {
    let html = with_example(&source.name, language, |view| write(registry, &source.name, view));
    let html = html.map_err(|error| {
        let at = (error.line_no.unwrap_or(1), error.column_no.unwrap_or(1));
        TemplateError::new(source, at, error.reason().to_string())
    })?;
    match markup::parse_unbounded_html(&html) {
        Ok(_) | Err(MarkupError::Empty) => Ok(()),
        Err(error) => Err(TemplateError::new(source, (1, 1), error.to_string())),
    }
}

/// What names there are in the data that templates see.
pub(super) fn shape_of_data() -> Shape {
    with_example("default", Language::EN, |view| {
        Shape::of(&serde_json::to_value(view).expect("the data is serialised at every rendering"))
    })
}

/// Shows `look` the data of a made-up group: one alert that fires and one that ended.
fn with_example<T>(template: &str, language: Language, look: impl Fn(&View<'_>) -> T) -> T {
    let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 50);
    let labels = [("alertname", "Example"), ("instance", "db-1"), ("severity", "critical")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let alert = |status: Status| Alert {
        fingerprint: "0123456789abcdef".to_owned(),
        status,
        labels: labels.map(owned).into(),
        annotations: [("summary", "An example")].map(owned).into(),
        starts_at: now,
        ends_at: (status == Status::Resolved).then_some(now),
        generator_url: "https://prometheus.example.org/graph".to_owned(),
        grafana: None,
        unlisted: false,
    };
    let key = GroupId { source: Source::Test, receiver: "example".to_owned(), key: String::new() };
    let state = Notification {
        group: key,
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts: vec![alert(Status::Firing), alert(Status::Resolved)],
        group_labels: labels[..1].iter().copied().map(owned).collect(),
        common_labels: labels.map(owned).into(),
        common_annotations: [].into(),
        external_url: String::new(),
        truncated_alerts: 0,
    };
    let scene = Scene {
        buttons: &[],
        table: false,
        kind: Kind::Card,
        state: &state,
        news: &[],
        merged: 1,
        forgotten: Forgotten::default(),
        accepted_at: now,
        now,
        note: None,
        template,
        language,
        timezone: &TimeZone::UTC,
        tg_time: false,
    };
    look(&View::new(&Subject::new(&scene, &[]), 2, true))
}

/// What `template` writes for `view`.
pub(super) fn write(
    registry: &Handlebars<'static>,
    template: &str,
    view: &View<'_>,
) -> Result<String, RenderError> {
    budget::refill();
    let mut output = Limited(Vec::new());
    registry.render_to_write(template, view, &mut output)?;
    Ok(String::from_utf8(output.0)?)
}

/// A writer that stops a template which loops out of hand.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other(format!("the template wrote over {MAX_OUTPUT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
