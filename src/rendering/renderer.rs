//! From a scene to the parts of a message: template, Telegram's reading of what it wrote, cuts.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io;

use handlebars::Handlebars;

use super::load::{Includes, TemplateError, TemplateSource, registry};
use super::split::split;
use super::subject::Subject;
use super::view::{View, kind_name};
use super::visible::{inert, visible_line};
use super::{Kind, Language, Limits, Part, Rendered, Scene, words};
use crate::telegram::markup::{self, EntityKind, FormattedText};

/// The severities that are known without configuration, worst first.
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// How many alerts one message shows at first; fewer when they need too much room.
const MOST_ALERTS: usize = 60;

/// A message aims at no more text than fills so many full parts.
const AIMED_PARTS: usize = 3;

/// What stays too long with one alert is cut off behind so many full parts, and counted.
const MOST_PARTS: usize = 6;

/// The most a template may write, in bytes.
const MAX_OUTPUT: usize = 512 * 1024;

macro_rules! built_in {
    ($($name:literal),*) => {
        [$(($name, Language::En, include_str!(concat!("../../templates/", $name, ".en.hbs"))),
           ($name, Language::Ru, include_str!(concat!("../../templates/", $name, ".ru.hbs")))),*]
    };
}

/// The templates that come with the program: four kinds, and what they share.
const BUILT_IN: [(&str, Language, &str); 16] =
    built_in!("card", "news", "ended", "reminder", "notes", "alert", "details", "links");

/// The compiled templates.
pub struct Renderer {
    built_in: Registries,
    /// The built-in ones with the user's on top.
    user: Registries,
    /// The names that users gave templates.
    names: BTreeSet<String>,
    severities: Vec<String>,
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderer").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new(Vec::new()).expect("the built-in templates are tested")
    }
}

/// A registry a language.
#[derive(Clone)]
struct Registries {
    en: Handlebars<'static>,
    ru: Handlebars<'static>,
}

impl Registries {
    fn of(&self, language: Language) -> &Handlebars<'static> {
        match language {
            Language::En => &self.en,
            Language::Ru => &self.ru,
        }
    }
}

impl Renderer {
    /// Compiles the built-in templates and `user`'s, which replace those of the same name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn new(user: Vec<TemplateSource>) -> Result<Self, Vec<TemplateError>> {
        let compile = |user: &[TemplateSource]| -> Result<Registries, Vec<TemplateError>> {
            Ok(Registries {
                en: Self::compile(user, Language::En)?,
                ru: Self::compile(user, Language::Ru)?,
            })
        };
        Ok(Self {
            built_in: compile(&[])?,
            user: compile(&user)?,
            names: user.into_iter().map(|source| source.name).collect(),
            severities: SEVERITIES.map(str::to_owned).to_vec(),
        })
    }

    /// Orders alerts by these severities, worst first.
    #[must_use]
    pub fn with_severities(mut self, severities: Vec<String>) -> Self {
        self.severities = severities;
        self
    }

    /// Whether a route may name this template.
    pub fn has_template(&self, name: &str) -> bool {
        name == "default" || self.names.contains(name)
    }

    fn compile(
        user: &[TemplateSource],
        language: Language,
    ) -> Result<Handlebars<'static>, Vec<TemplateError>> {
        let mut registry = registry();
        let mut includes = Includes::default();
        let mut faults = Vec::new();
        let built_in =
            BUILT_IN.iter().filter(|(_, of, _)| *of == language).map(|(name, of, text)| {
                TemplateSource {
                    name: (*name).to_owned(),
                    language: Some(*of),
                    text: (*text).to_owned(),
                    file: format!("templates/{name}.{}.hbs", of.code()).into(),
                }
            });
        let mut sources: Vec<TemplateSource> = built_in.collect();
        sources.extend(user.iter().filter(|source| source.language.is_none()).cloned());
        sources.extend(user.iter().filter(|source| source.language == Some(language)).cloned());
        for source in &sources {
            faults.extend(includes.add(&mut registry, source).err());
        }
        if faults.is_empty() {
            faults.extend(sources.iter().filter_map(|source| includes.check(source).err()));
        }
        if faults.is_empty() { Ok(registry) } else { Err(faults) }
    }

    /// Renders within Telegram's limits.
    pub fn render(&self, scene: &Scene<'_>) -> Rendered {
        self.render_within(scene, Limits::TELEGRAM)
    }

    /// Renders within narrower limits, for when Telegram found a part too long after all.
    pub fn render_within(&self, scene: &Scene<'_>, limits: Limits) -> Rendered {
        let subject = Subject::new(scene, &self.severities);
        let mut fell_back = None;
        match self.user_template(scene) {
            Ok(Some(name)) => {
                let registry = self.user.of(scene.language);
                match write_parts(registry, &name, &subject, limits, true) {
                    Ok(parts) => return Rendered { parts, fell_back: None },
                    Err(why) => fell_back = Some(format!("template {name:?}: {why}")),
                }
            }
            Ok(None) => {}
            Err(why) => fell_back = Some(why),
        }
        let registry = self.built_in.of(scene.language);
        match write_parts(registry, kind_name(scene.kind), &subject, limits, false) {
            Ok(parts) => Rendered { parts, fell_back },
            Err(why) => Rendered {
                parts: vec![self.minimal(scene)],
                fell_back: Some(fell_back.map_or(why.clone(), |first| format!("{first}; {why}"))),
            },
        }
    }

    /// The last resort: one line of plain text that names the group and says how it stands.
    pub fn minimal(&self, scene: &Scene<'_>) -> Part {
        let subject = Subject::new(scene, &self.severities);
        let (firing, language) = (subject.firing_total, scene.language);
        let (sign, word, count) = if firing > 0 {
            (words::severity_emoji(subject.severity), language.pick("FIRING", "ГОРИТ"), firing)
        } else {
            ("✅", language.pick("RESOLVED", "РЕШЕНО"), subject.resolved_total)
        };
        let name: String = visible_line(&subject.name).chars().take(200).collect();
        let line = format!("{sign} {word} {count} · {}", inert(&name));
        Part { html: markup::escape(&line), plain: line }
    }

    /// The name under which the user wrote a template for this scene, if one did.
    fn user_template(&self, scene: &Scene<'_>) -> Result<Option<String>, String> {
        let name = match scene.kind {
            Kind::Card => scene.template.to_owned(),
            kind => format!("{}.{}", scene.template, kind_name(kind)),
        };
        if self.names.contains(&name) && self.user.of(scene.language).has_template(&name) {
            Ok(Some(name))
        } else if self.has_template(scene.template) {
            // One of the user's own partials may have changed how the built-in kinds look.
            let changed = BUILT_IN.iter().any(|(built_in, ..)| self.names.contains(*built_in));
            Ok(changed.then(|| kind_name(scene.kind).to_owned()))
        } else {
            Err(format!("there is no template {:?}", scene.template))
        }
    }
}

/// Writes, reads and cuts, with fewer alerts as long as the message is too long.
fn write_parts(
    registry: &Handlebars<'static>,
    template: &str,
    subject: &Subject<'_>,
    limits: Limits,
    everything: bool,
) -> Result<Vec<Part>, String> {
    let aimed = AIMED_PARTS * Limits::TELEGRAM.characters;
    let mut most = subject.told().min(MOST_ALERTS);
    let mut pieces = loop {
        let html = write(registry, template, &View::new(subject, most, everything))?;
        let text = markup::parse_unbounded_html(&tidy(&html)).map_err(|error| error.to_string())?;
        let (characters, entities) = (text.characters(), text.entities.len());
        let crowded = entities > AIMED_PARTS * Limits::TELEGRAM.entities;
        if (characters <= aimed && !crowded) || most <= 1 {
            break split(text, limits);
        }
        most = (most * aimed / characters.max(aimed)).min(most * 3 / 4).max(1);
    };
    let most_parts = MOST_PARTS * Limits::TELEGRAM.characters.div_ceil(limits.characters.max(1));
    let dropped: usize = pieces.iter().skip(most_parts).map(FormattedText::characters).sum();
    pieces.truncate(most_parts);
    let total = pieces.len();
    let parts = pieces.into_iter().enumerate().map(|(index, mut piece)| {
        if dropped > 0 && index + 1 == total {
            let language = subject.scene.language;
            let cut = language.pick("characters left out", "знаков не поместилось");
            let _ = write!(piece.text, "…\n✂️ +{dropped} {cut}");
        }
        if total > 1 {
            let _ = write!(piece.text, "\n({}/{total})", index + 1);
        }
        Part { html: markup::to_html(&piece), plain: plain(&piece, limits) }
    });
    Ok(parts.collect())
}

fn write(
    registry: &Handlebars<'static>,
    template: &str,
    view: &View<'_>,
) -> Result<String, String> {
    let mut output = Limited(Vec::new());
    registry.render_to_write(template, view, &mut output).map_err(|error| error.to_string())?;
    String::from_utf8(output.0).map_err(|error| error.to_string())
}

/// At most one blank line at a time: conditions in templates leave more.
fn tidy(html: &str) -> String {
    let mut tidied = String::with_capacity(html.len());
    let mut line_ends = 0;
    for character in html.chars() {
        line_ends = if character == '\n' { line_ends + 1 } else { 0 };
        if line_ends <= 2 {
            tidied.push(character);
        }
    }
    tidied
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

/// The text without formatting. Links keep their targets where there is room, and what was code
/// is kept from becoming mentions and commands.
fn plain(piece: &FormattedText, limits: Limits) -> String {
    let with_targets = unformatted(piece, true);
    if with_targets.chars().count() <= limits.characters {
        return with_targets;
    }
    let without = unformatted(piece, false);
    if without.chars().count() <= limits.characters { without } else { piece.text.clone() }
}

fn unformatted(piece: &FormattedText, targets: bool) -> String {
    let units: Vec<u16> = piece.text.encode_utf16().collect();
    let text = |from: usize, to: usize| String::from_utf16_lossy(&units[from..to]);
    let mut plain = String::with_capacity(piece.text.len());
    let mut at = 0;
    for entity in &piece.entities {
        let end = entity.end();
        match &entity.kind {
            EntityKind::TextLink { url } if targets && entity.offset >= at => {
                plain.push_str(&text(at, end));
                let _ = write!(plain, " ({url})");
                at = end;
            }
            EntityKind::Code | EntityKind::Pre | EntityKind::PreCode { .. }
                if entity.offset >= at =>
            {
                plain.push_str(&text(at, entity.offset));
                plain.push_str(&inert(&text(entity.offset, end)));
                at = end;
            }
            _ => {}
        }
    }
    plain.push_str(&text(at, units.len()));
    plain
}
