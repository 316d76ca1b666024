//! Taking templates in: compiled once, and refused when they could harm the process or fail at
//! the first alert.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use handlebars::Handlebars;
use handlebars::template::{Parameter, Template, TemplateElement};

use super::budget::Author;
use super::inline::inlined;
use super::lists::Lists;
use super::{Language, budget, compile, helpers, visible};
use crate::spelling::nearest;

/// Templates may include each other this deep: each
/// level takes more of the stack.
const MAX_INCLUDE_DEPTH: usize = 8;

/// A template may include so many others, counting what those include.
const MAX_INCLUDES: usize = 1000;

/// A template as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSource {
    /// What routes call it (`template: name`); `name.news`, `name.ended` and `name.reminder` are
    /// the replies that go with it.
    pub name: String,
    /// The language it is written in; `None` for all.
    pub language: Option<Language>,
    pub text: String,
    pub file: PathBuf,
}

impl TemplateSource {
    /// Names a template after its file: `ops.hbs`, `ops.ru.hbs`, `ops.news.ru.hbs`.
    pub fn from_file(file: &Path, text: String) -> Self {
        let stem = file.file_name().unwrap_or_default().to_string_lossy();
        let stem = stem.strip_suffix(".hbs").unwrap_or(&stem);
        let (name, language) = match stem.rsplit_once('.') {
            Some((name, code)) if Language::from_code(code).is_some() => {
                (name, Language::from_code(code))
            }
            _ => (stem, None),
        };
        Self { name: name.to_owned(), language, text, file: file.to_owned() }
    }
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message } = self;
        write!(f, "{}:{line}:{column}: {message}", file.display())
    }
}

impl TemplateError {
    pub(super) fn new(
        source: &TemplateSource,
        at: (usize, usize),
        message: impl Into<String>,
    ) -> Self {
        Self { file: source.file.clone(), line: at.0, column: at.1, message: message.into() }
    }
}

/// A registry with the helpers and no templates.
pub(super) fn registry() -> Handlebars<'static> {
    let mut handlebars = Handlebars::new();
    handlebars.register_escape_fn(visible::safe);
    handlebars.set_prevent_indent(true);
    helpers::register(&mut handlebars);
    budget::register(&mut handlebars);
    handlebars
}

/// What a template includes under one name.
#[derive(Debug, Clone, Copy)]
struct Include {
    times: usize,
    /// Line and column of the first.
    at: (usize, usize),
}

/// The built-in templates that are messages, and not only parts of some.
const MESSAGES: [&str; 4] = ["card", "news", "ended", "reminder"];

/// A compiled template and what is known of it.
#[derive(Debug)]
struct Known {
    template: Template,
    /// The others that it includes, by name.
    includes: BTreeMap<String, Include>,
    /// The alerts that it lists itself.
    lists: Lists,
}

/// Several templates that may include each other, by name.
#[derive(Debug, Default)]
pub(super) struct Includes(BTreeMap<String, Known>);

impl Includes {
    /// Compiles `source`, in place of a template of the same name.
    pub fn add(&mut self, source: &TemplateSource) -> Result<(), TemplateError> {
        let template = compile::compile(source)?;
        let mut walk = Walk { source, includes: BTreeMap::new() };
        walk.template(&template, (1, 1))?;
        let (includes, lists) = (walk.includes, Lists::of(&template));
        self.0.insert(source.name.clone(), Known { template, includes, lists });
        Ok(())
    }

    /// Puts the templates into `registry`. Those that are nabat's own have what they include of
    /// nabat's own written out. They must have been checked.
    /// `author` is the user as soon as one template is: what it names reaches into nabat's own.
    pub fn register(
        &self,
        registry: &mut Handlebars<'static>,
        author: Author,
        is_own: impl Fn(&str) -> bool,
    ) {
        let own = self.0.iter().filter(|(name, _)| is_own(name));
        let own = own.map(|(name, known)| (name.as_str(), &known.template)).collect();
        for (name, Known { template, .. }) in &self.0 {
            // Only whole messages: what they include is there for users' templates.
            let whole = is_own(name) && MESSAGES.contains(&name.as_str());
            let template = if whole { inlined(template, &own) } else { template.clone() };
            let template = budget::metered(template, author);
            registry.register_template(name, template);
        }
    }

    fn includes_of(&self, name: &str) -> impl Iterator<Item = (&String, &Include)> {
        self.0.get(name).into_iter().flat_map(|known| &known.includes)
    }

    /// The templates that no other includes.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| !self.has_includer(name))
    }

    /// The alerts that a template lists, with what it includes; there are no circles.
    pub fn lists(&self, name: &str) -> Lists {
        let own = self.0.get(name).map(|known| known.lists).unwrap_or_default();
        self.includes_of(name).fold(own, |lists, (name, _)| lists.and(self.lists(name)))
    }

    /// Whether another template includes this one.
    pub fn has_includer(&self, name: &str) -> bool {
        self.0.values().any(|known| known.includes.contains_key(name))
    }

    /// Checks that what `source` includes exists and does not include it in turn.
    pub fn check(&self, source: &TemplateSource) -> Result<(), TemplateError> {
        for (name, include) in self.includes_of(&source.name) {
            if !self.0.contains_key(name) {
                let meant = did_you_mean(name, self.0.keys().map(String::as_str));
                let message = format!("there is no template {name:?} to include{meant}");
                return Err(TemplateError::new(source, include.at, message));
            }
        }
        let fault = |message| Err(TemplateError::new(source, (1, 1), message));
        let mut seen = BTreeSet::new();
        let mut left: Vec<&str> = vec![&source.name];
        while let Some(name) = left.pop() {
            // What another template lacks is told where that one is checked.
            for (include, _) in self.includes_of(name) {
                if *include == source.name {
                    return fault(format!("the template includes itself, through {name:?}"));
                }
                if seen.insert(include.as_str()) {
                    left.push(include);
                }
            }
        }
        let (includes, depth) = self.extent(&source.name, &mut BTreeMap::new());
        if includes > MAX_INCLUDES {
            return fault(format!("the template includes over {MAX_INCLUDES} others in all"));
        }
        if depth > MAX_INCLUDE_DEPTH {
            return fault(format!("templates include each other over {MAX_INCLUDE_DEPTH} deep"));
        }
        Ok(())
    }

    /// How many others a template includes in all, and how deep.
    fn extent<'a>(
        &'a self,
        name: &'a str,
        known: &mut BTreeMap<&'a str, (usize, usize)>,
    ) -> (usize, usize) {
        if let Some(extent) = known.get(name) {
            return *extent;
        }
        // Templates that include themselves are refused elsewhere; here they must only end.
        known.insert(name, (0, 0));
        let (mut includes, mut depth) = (0usize, 0);
        for (partial, include) in self.includes_of(name) {
            let (inner, levels) = self.extent(partial, known);
            includes =
                includes.saturating_add(inner.saturating_add(1).saturating_mul(include.times));
            depth = depth.max(levels + 1);
        }
        known.insert(name, (includes, depth));
        (includes, depth)
    }
}

/// One pass over a compiled template: what it includes, and whether it may call what it calls.
struct Walk<'a> {
    source: &'a TemplateSource,
    includes: BTreeMap<String, Include>,
}

impl Walk<'_> {
    /// `outer` is the place of the block around; an `{{else if}}` does not know its own.
    fn template(
        &mut self,
        template: &Template,
        outer: (usize, usize),
    ) -> Result<(), TemplateError> {
        for (index, element) in template.elements.iter().enumerate() {
            let at = template.mapping.get(index).map_or(outer, |at| (at.0, at.1));
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::PartialExpression(include) => {
                    let Some(name) = partial_name(&include.name) else {
                        return self.fault(at, "a computed partial name is not supported");
                    };
                    self.includes.entry(name).or_insert(Include { times: 0, at }).times += 1;
                    self.arguments(at, &include.params, &include.hash)?;
                }
                TemplateElement::Expression(call)
                | TemplateElement::HtmlExpression(call)
                | TemplateElement::HelperBlock(call) => {
                    let called = call.block || !call.params.is_empty() || !call.hash.is_empty();
                    match call.name.as_name() {
                        Some(name) if called => self.callee(at, name)?,
                        Some(_) => {}
                        None => self.argument(at, &call.name)?,
                    }
                    self.arguments(at, &call.params, &call.hash)?;
                    for inner in [&call.template, &call.inverse].into_iter().flatten() {
                        self.template(inner, at)?;
                    }
                }
                _ => {
                    let message =
                        "partial blocks ({{#> …}}) and decorators ({{* …}}) are not supported";
                    return self.fault(at, message);
                }
            }
        }
        Ok(())
    }

    fn arguments(
        &self,
        at: (usize, usize),
        positional: &[Parameter],
        named: &HashMap<String, Parameter>,
    ) -> Result<(), TemplateError> {
        positional.iter().chain(named.values()).try_for_each(|argument| self.argument(at, argument))
    }

    fn argument(&self, at: (usize, usize), argument: &Parameter) -> Result<(), TemplateError> {
        let Parameter::Subexpression(call) = argument else { return Ok(()) };
        self.callee(at, call.name())?;
        let TemplateElement::Expression(call) = call.as_element() else { return Ok(()) };
        self.arguments(at, &call.params, &call.hash)
    }

    fn callee(&self, at: (usize, usize), name: &str) -> Result<(), TemplateError> {
        if helpers::exists(name) {
            return Ok(());
        }
        let meant = did_you_mean(name, helpers::names());
        self.fault(at, format!("there is no helper {name:?}{meant}"))
    }

    fn fault(&self, at: (usize, usize), message: impl Into<String>) -> Result<(), TemplateError> {
        Err(TemplateError::new(self.source, at, message))
    }
}

/// The template that an include names; `None` when that is computed.
pub(super) fn partial_name(name: &Parameter) -> Option<String> {
    match name {
        Parameter::Literal(value) => value.as_str().map(str::to_owned),
        other => other.as_name().map(str::to_owned),
    }
}

/// What was probably meant, to stand behind a fault.
fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(name, known).map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default()
}
