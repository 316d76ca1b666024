//! From a scene to the parts of a message: template, Telegram's reading of what it wrote, cuts.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use handlebars::RenderError;

use super::buttons::Keyboard;
use super::catalogue::{Catalogue, Compiled, is_built_in, write};
use super::digest::{self, Glance, Head};
use super::inert::{copyable, inert};
use super::load::{TemplateError, TemplateSource};
use super::plain::plain;
use super::split::split;
use super::subject::Subject;
use super::table;
use super::view::{View, kind_name};
use super::visible::visible_line;
use super::{Kind, Language, Limits, Part, Rendered, Scene};
use crate::telegram::markup::{self, FormattedText};

/// The severities that are known without configuration, worst first.
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// How many alerts a user's template is given at first; fewer when they need too much room.
const MOST_ALERTS: usize = 60;

/// The same for the built-in templates: as many as people read. The rest is named and counted.
const MOST_LISTED: usize = 12;
/// All of what a message aims at.
const FULL: usize = 1_000_000;

/// So many alerts tell how much room one takes.
const SAMPLE: usize = 10;

/// A message aims at no more text than fills so many full parts.
const AIMED_PARTS: usize = 3;

/// What stays too long with one alert is cut off behind so many full parts, and counted.
const MOST_PARTS: usize = 6;

/// The compiled templates.
pub struct Renderer {
    built_in: Arc<Catalogue>,
    /// The built-in ones with the user's on top.
    user: Arc<Catalogue>,
    /// The names that users gave templates, and their languages.
    names: BTreeSet<(String, Option<Language>)>,
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

impl Renderer {
    /// Compiles the built-in templates and `user`'s, which replace those of the same name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn new(user: Vec<TemplateSource>) -> Result<Self, Vec<TemplateError>> {
        let built_in = Arc::new(Catalogue::new(&[])?);
        let on_top =
            if user.is_empty() { built_in.clone() } else { Arc::new(Catalogue::new(&user)?) };
        Ok(Self {
            built_in,
            user: on_top,
            names: user.into_iter().map(|source| (source.name, source.language)).collect(),
            severities: SEVERITIES.map(str::to_owned).to_vec(),
        })
    }

    /// Names in the users' templates that are nowhere in the data, and so show as nothing:
    /// nothing that keeps a template from its work, and nothing that its author meant.
    pub fn unknown_names(&self) -> &[TemplateError] {
        &self.user.unknown
    }

    /// Orders alerts by these severities, worst first.
    #[must_use]
    pub fn with_severities(mut self, severities: Vec<String>) -> Self {
        self.severities = severities;
        self
    }

    /// Whether a route may name this template.
    pub fn has_template(&self, name: &str) -> bool {
        name == "default" || self.names.iter().any(|(known, _)| known == name)
    }

    /// Renders within Telegram's limits.
    pub fn render(&self, scene: &Scene<'_>) -> Rendered {
        self.render_within(scene, Limits::TELEGRAM)
    }

    /// Renders within narrower limits, for when Telegram found a part too long after all.
    pub fn render_within(&self, scene: &Scene<'_>, limits: Limits) -> Rendered {
        let mut subject = Subject::new(scene, &self.severities);
        let keyboard = Keyboard::new(&subject, scene.buttons);
        subject.linked = keyboard.links;
        let buttons = keyboard.rows;
        let (mut fell_back, mut table) = (None, None);
        match self.user_template(scene) {
            Ok(Some(name)) => {
                // A built-in template stays one, whatever parts of it are the user's.
                let own = self.has_own(&name, scene.language);
                if scene.table && !own {
                    table = table::table(&subject, &self.user.of(scene.language).registry);
                }
                let choice = Choice {
                    compiled: self.user.of(scene.language),
                    template: &name,
                    most: if own { MOST_ALERTS } else { MOST_LISTED },
                    everything: true,
                };
                match write_parts(&choice, &subject, limits) {
                    Ok(parts) => return Rendered { parts, buttons, table, fell_back: None },
                    Err(why) => fell_back = Some(format!("template {name:?}: {why}")),
                }
            }
            Ok(None) => {
                if scene.table {
                    table = table::table(&subject, &self.built_in.of(scene.language).registry);
                }
            }
            Err(why) => fell_back = Some(why),
        }
        let choice = Choice {
            compiled: self.built_in.of(scene.language),
            template: kind_name(scene.kind),
            most: MOST_LISTED,
            everything: false,
        };
        match write_parts(&choice, &subject, limits) {
            Ok(parts) => Rendered { parts, buttons, table, fell_back },
            Err(why) => Rendered {
                parts: vec![self.minimal(scene)],
                buttons,
                table: None,
                fell_back: Some(fell_back.map_or(why.clone(), |first| format!("{first}; {why}"))),
            },
        }
    }

    /// The last resort: one line of plain text that names the group and says how it stands.
    pub fn minimal(&self, scene: &Scene<'_>) -> Part {
        let subject = Subject::new(scene, &self.severities);
        let (sign, mut word) = subject.sign_and_word();
        let left_out = subject.left_out_fire();
        let count = match (subject.firing_total, subject.resolved_total) {
            _ if left_out => usize::try_from(scene.state.truncated_alerts).unwrap_or(usize::MAX),
            (0, 0) => subject.unlisted_total,
            (0, resolved) => resolved,
            (firing, _) => firing,
        };
        if subject.firing_total > 0 || left_out {
            let named = Subject::named_severity(subject.severity);
            let firing = scene.language.say("firing_head", &[]);
            word = named.map_or(firing.clone(), |name| format!("{} {firing}", inert(&name)));
        }
        let stands = if subject.may_still_fire() {
            scene.language.say("truncated", &[&scene.state.truncated_alerts.to_string()])
        } else {
            format!("{word} {count}")
        };
        let name: String = visible_line(&subject.name).chars().take(200).collect();
        let line = format!("{sign} {stands} · {}", inert(&name));
        Part { html: markup::escape(&line), plain: line }
    }

    /// What a digest says of the scene's group.
    pub fn glance(&self, scene: &Scene<'_>) -> Glance {
        Glance::new(scene, &self.severities)
    }

    /// One message about many groups: as many of `glances` as fit, in their order, and how many
    /// those are; at least one, if there is one. Within Telegram's limits.
    pub fn digest(
        &self,
        head: Head<'_>,
        glances: &[impl Borrow<Glance>],
        language: Language,
    ) -> (Part, usize) {
        digest::digest(head, glances, &self.severities, language)
    }

    /// Whether a user wrote a template of this name for chats of this language.
    fn has_own(&self, name: &str, language: Language) -> bool {
        let of = |language| self.names.contains(&(name.to_owned(), language));
        of(None) || of(Some(language))
    }

    /// The name under which the user wrote a template for this scene, if one did.
    fn user_template(&self, scene: &Scene<'_>) -> Result<Option<String>, String> {
        let name = match scene.kind {
            Kind::Card => scene.template.to_owned(),
            kind => format!("{}.{}", scene.template, kind_name(kind)),
        };
        if self.has_own(&name, scene.language) {
            Ok(Some(name))
        } else if self.has_template(scene.template) {
            // One of the user's own partials may have changed how the built-in kinds look.
            let changed = self.names.iter().any(|(name, _)| is_built_in(name));
            Ok(changed.then(|| kind_name(scene.kind).to_owned()))
        } else {
            Err(format!("there is no template {:?}", scene.template))
        }
    }
}

/// The template of a message.
struct Choice<'r> {
    compiled: &'r Compiled,
    template: &'r str,
    /// How many alerts it is given at first.
    most: usize,
    /// Whether it is given all that is known of them.
    everything: bool,
}

impl Choice<'_> {
    /// What the template writes, and how many alerts are not in it where it does not say so.
    fn write(&self, view: &View<'_>) -> Result<String, RenderError> {
        let Compiled { registry, rests } = self.compiled;
        let mut html = write(registry, self.template, view)?;
        for rest in rests.get(self.template).into_iter().flatten() {
            let rest = write(registry, rest, view)?;
            if !rest.trim().is_empty() {
                html.push('\n');
                html.push_str(&rest);
            }
        }
        Ok(html)
    }
}

/// Writes, reads and cuts, with fewer alerts as long as the message is too long.
fn write_parts(
    choice: &Choice<'_>,
    subject: &Subject<'_>,
    limits: Limits,
) -> Result<Vec<Part>, String> {
    let show = |most: usize| -> Result<FormattedText, String> {
        let view = View::new(subject, most, choice.everything);
        let html = choice.write(&view).map_err(|error| error.to_string())?;
        let text = markup::parse_unbounded_html(&tidy(html)).map_err(|error| error.to_string())?;
        Ok(copyable(text))
    };
    let mut most = subject.told().min(choice.most);
    if most > 2 * SAMPLE {
        most = most_that_fit(most, show)?;
    }
    let mut pieces = loop {
        let text = show(most)?;
        let filled = filled(&text);
        if filled <= FULL || most <= 1 {
            break split(text, limits);
        }
        most = (most * FULL / filled).min(most * 3 / 4).max(1);
    };
    let most_parts = MOST_PARTS * Limits::TELEGRAM.characters.div_ceil(limits.characters.max(1));
    let dropped: usize = pieces.iter().skip(most_parts).map(FormattedText::characters).sum();
    pieces.truncate(most_parts);
    let total = pieces.len();
    let parts = pieces.into_iter().enumerate().map(|(index, mut piece)| {
        if dropped > 0 && index + 1 == total {
            let left_out = subject.scene.language.say("left_out", &[&dropped.to_string()]);
            let _ = write!(piece.text, "…\n✂️ +{left_out}");
        }
        if total > 1 {
            let _ = write!(piece.text, "\n({}/{total})", index + 1);
        }
        Part { html: markup::to_html(&piece), plain: plain(&piece, limits) }
    });
    Ok(parts.collect())
}

/// How many of `most` alerts a message has room for, judged by the first few: to write too many
/// and then fewer costs more than to try.
fn most_that_fit(
    most: usize,
    show: impl Fn(usize) -> Result<FormattedText, String>,
) -> Result<usize, String> {
    // A message about nothing may be empty, which is no text at all.
    let head = show(0).map_or(0, |text| filled(&text)).min(FULL);
    let some = filled(&show(SAMPLE)?);
    let fit = (FULL - head) * SAMPLE / some.saturating_sub(head).max(1);
    // The rest may be shorter than the first few.
    Ok(if fit * 10 >= most * 9 { most } else { fit.max(SAMPLE) })
}

/// How much of what a message aims at `text` fills, in millionths.
fn filled(text: &FormattedText) -> usize {
    let Limits { characters, entities } = Limits::TELEGRAM;
    let share = |count: usize, limit: usize| count * FULL / (AIMED_PARTS * limit);
    share(text.characters(), characters).max(share(text.entities.len(), entities))
}

/// At most one blank line at a time: conditions in templates leave more.
fn tidy(mut html: String) -> String {
    if html.contains("\n\n\n") {
        let mut line_ends = 0;
        html.retain(|character| {
            line_ends = if character == '\n' { line_ends + 1 } else { 0 };
            line_ends <= 2
        });
    }
    html
}
