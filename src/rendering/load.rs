//! Taking templates in: compiled once, and refused when they could harm the process or fail at
//! the first alert.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use handlebars::Handlebars;
use handlebars::template::{Parameter, Template, TemplateElement};

use super::{Language, helpers, visible};

/// The largest template, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Blocks and calls may be nested this deep: handlebars reads them recursively, and a stack that
/// overflows aborts the process.
const MAX_DEPTH: usize = 32;

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
    handlebars
}

/// The partials that each of several templates includes, by name.
#[derive(Debug, Default)]
pub(super) struct Includes(BTreeMap<String, BTreeSet<String>>);

impl Includes {
    /// Compiles `source` into `registry`, in place of a template of the same name.
    pub fn add(
        &mut self,
        registry: &mut Handlebars<'static>,
        source: &TemplateSource,
    ) -> Result<(), TemplateError> {
        check_size(source)?;
        registry.register_template_string(&source.name, &source.text).map_err(|error| {
            let at = error.pos().unwrap_or((1, 1));
            TemplateError::new(source, at, error.reason().to_string())
        })?;
        let mut walk = Walk { source, partials: BTreeSet::new() };
        if let Some(template) = registry.get_template(&source.name) {
            walk.template(template)?;
        }
        self.0.insert(source.name.clone(), walk.partials);
        Ok(())
    }

    /// Whether another template includes this one.
    pub fn has_includer(&self, name: &str) -> bool {
        self.0.values().any(|partials| partials.contains(name))
    }

    /// Checks that what `source` includes exists and does not include it in turn.
    pub fn check(&self, source: &TemplateSource) -> Result<(), TemplateError> {
        let fault = |message| Err(TemplateError::new(source, (1, 1), message));
        let mut seen = BTreeSet::new();
        let mut left: Vec<&str> = vec![&source.name];
        while let Some(name) = left.pop() {
            let Some(partials) = self.0.get(name) else {
                return fault(format!("there is no template {name:?} to include"));
            };
            for partial in partials {
                if *partial == source.name {
                    return fault(format!("the template includes itself, through {name:?}"));
                }
                if seen.insert(partial.as_str()) {
                    left.push(partial);
                }
            }
        }
        Ok(())
    }
}

/// Refuses what could overflow the stack of the compiler.
fn check_size(source: &TemplateSource) -> Result<(), TemplateError> {
    if source.text.len() > MAX_BYTES {
        let message = format!("the template is larger than {MAX_BYTES} bytes");
        return Err(TemplateError::new(source, (1, 1), message));
    }
    let (mut blocks, mut calls) = (0usize, 0usize);
    for (number, line) in source.text.lines().enumerate() {
        for (column, _) in line.match_indices(['{', '(', ')', '}']) {
            let rest = &line[column..];
            let tag = rest.strip_prefix("{{").map(|tag| tag.trim_start_matches(['{', '~']));
            match (rest.as_bytes()[0], tag) {
                (b'{', Some(tag)) if tag.starts_with(['#', '^']) => blocks += 1,
                (b'{', Some(tag)) if tag.starts_with('/') => blocks = blocks.saturating_sub(1),
                (b'(', _) => calls += 1,
                (b')', _) => calls = calls.saturating_sub(1),
                (b'}', _) if rest.starts_with("}}") => calls = 0,
                _ => {}
            }
            if blocks > MAX_DEPTH || calls > MAX_DEPTH {
                let message = format!("blocks or calls are nested more than {MAX_DEPTH} deep");
                return Err(TemplateError::new(source, (number + 1, column + 1), message));
            }
        }
    }
    Ok(())
}

/// One pass over a compiled template.
struct Walk<'a> {
    source: &'a TemplateSource,
    partials: BTreeSet<String>,
}

impl Walk<'_> {
    fn template(&mut self, template: &Template) -> Result<(), TemplateError> {
        for (index, element) in template.elements.iter().enumerate() {
            let at = template.mapping.get(index).map_or((1, 1), |at| (at.0, at.1));
            let fault = |message: String| Err(TemplateError::new(self.source, at, message));
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::PartialExpression(partial) => match partial_name(&partial.name) {
                    Some(name) => {
                        self.partials.insert(name);
                    }
                    None => {
                        return fault("a computed partial name is not supported".to_owned());
                    }
                },
                TemplateElement::Expression(call)
                | TemplateElement::HtmlExpression(call)
                | TemplateElement::HelperBlock(call) => {
                    let called = call.block || !call.params.is_empty() || !call.hash.is_empty();
                    if called
                        && let Some(name) = call.name.as_name()
                        && !helpers::exists(name)
                    {
                        return fault(format!("there is no helper {name:?}"));
                    }
                    for parameter in call.params.iter().chain(call.hash.values()) {
                        if let Some(name) = Self::unknown_call(parameter) {
                            return fault(format!("there is no helper {name:?}"));
                        }
                    }
                    for inner in [&call.template, &call.inverse].into_iter().flatten() {
                        self.template(inner)?;
                    }
                }
                _ => {
                    let message =
                        "partial blocks ({{#> …}}) and decorators ({{* …}}) are not supported";
                    return fault(message.to_owned());
                }
            }
        }
        Ok(())
    }

    /// A helper that is called in `parameter` and does not exist.
    fn unknown_call(parameter: &Parameter) -> Option<String> {
        let Parameter::Subexpression(call) = parameter else { return None };
        if !helpers::exists(call.name()) {
            return Some(call.name().to_owned());
        }
        call.params().into_iter().flatten().find_map(Self::unknown_call)
    }
}

fn partial_name(name: &Parameter) -> Option<String> {
    match name {
        Parameter::Literal(value) => value.as_str().map(str::to_owned),
        other => other.as_name().map(str::to_owned),
    }
}
