//! Whether what templates name is in the data. A name that is not shows as nothing, at three in
//! the morning; here it is found before. Said is only what is certain: what a label map holds, or
//! a helper gave, nobody knows.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use handlebars::template::{BlockParam, HelperTemplate, Parameter, Template, TemplateElement};
use handlebars::{Handlebars, Path, PathSeg};
use serde_json::Value;

use super::helpers;
use super::load::{TemplateError, TemplateSource, partial_name};
use crate::spelling::nearest;

/// The maps whose keys the senders of alerts choose.
const OPEN: [&str; 6] =
    ["groupLabels", "commonLabels", "commonAnnotations", "routeLabels", "labels", "annotations"];

/// What loops set: `{{@index}}`.
const LOCAL: [&str; 4] = ["index", "first", "last", "key"];

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Nothing.
    Any,
    /// It has no parts: a text, a number.
    Leaf,
    /// A map with any names, of texts.
    Open,
    List(Rc<Shape>),
    Fields(Rc<BTreeMap<String, Shape>>),
}

impl Shape {
    /// The shape of an example. An absent part of it may have any.
    pub fn of(example: &Value) -> Self {
        match example {
            Value::Null => Self::Any,
            Value::Array(items) => Self::List(Rc::new(items.first().map_or(Self::Any, Self::of))),
            Value::Object(map) => {
                let field = |(name, value): (&String, &Value)| {
                    let open = OPEN.contains(&name.as_str());
                    (name.clone(), if open { Self::Open } else { Self::of(value) })
                };
                Self::Fields(Rc::new(map.iter().map(field).collect()))
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) => Self::Leaf,
        }
    }

    /// What `each` goes through.
    fn item(&self) -> Self {
        match self {
            Self::List(item) => item.as_ref().clone(),
            Self::Open => Self::Leaf,
            _ => Self::Any,
        }
    }

    /// The same with what an include adds: `{{> row text=summary}}`.
    fn with(&self, added: &[(String, Shape)]) -> Self {
        match self {
            _ if added.is_empty() => self.clone(),
            Self::Fields(fields) => {
                let mut fields = fields.as_ref().clone();
                fields.extend(added.iter().cloned());
                Self::Fields(Rc::new(fields))
            }
            _ => Self::Any,
        }
    }
}

/// Finds the names in `sources` that are nowhere in the data, however their template is reached.
/// `registry` holds these templates and the built-in ones, compiled and free of circles;
/// `entries` are those that nobody includes.
pub(super) fn unknown<'a>(
    registry: &Handlebars<'static>,
    sources: impl Iterator<Item = &'a TemplateSource>,
    entries: &[&str],
    data: &Shape,
) -> Vec<TemplateError> {
    let sources: BTreeMap<&str, &TemplateSource> =
        sources.map(|source| (source.name.as_str(), source)).collect();
    let mut search =
        Search { registry, data, known: BTreeSet::new(), unknown: BTreeMap::new(), name: "" };
    for entry in entries {
        search.enter(entry, &mut vec![Block { scope: data.clone(), names: Vec::new() }]);
    }
    let Search { known, unknown, .. } = search;
    unknown
        .into_iter()
        .filter(|(place, _)| !known.contains(place))
        .filter_map(|((name, at, _), said)| Some(TemplateError::new(sources.get(name)?, at, said)))
        .collect()
}

/// A template's name, line and column, and the path as it is written there.
type Use<'r> = (&'r str, (usize, usize), String);

struct Search<'r> {
    registry: &'r Handlebars<'static>,
    data: &'r Shape,
    /// What was found in the data at least once: an included template is walked wherever it is
    /// included.
    known: BTreeSet<Use<'r>>,
    /// What was not, with a remark.
    unknown: BTreeMap<Use<'r>, String>,
    /// The template that is walked.
    name: &'r str,
}

/// What a block, or an include, is about.
struct Block {
    scope: Shape,
    /// `as |alert index|`, or what an include adds.
    names: Vec<(String, Shape)>,
}

impl<'r> Search<'r> {
    fn enter(&mut self, name: &str, blocks: &mut Vec<Block>) {
        let Some((name, template)) = self.registry.get_templates().get_key_value(name) else {
            return;
        };
        let outer = std::mem::replace(&mut self.name, name);
        self.template(template, (1, 1), blocks);
        self.name = outer;
    }

    fn template(&mut self, template: &'r Template, outer: (usize, usize), blocks: &mut Vec<Block>) {
        for (index, element) in template.elements.iter().enumerate() {
            let at = template.mapping.get(index).map_or(outer, |at| (at.0, at.1));
            match element {
                TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                    self.call(call, at, blocks);
                }
                TemplateElement::HelperBlock(call) => self.block(call, at, blocks),
                TemplateElement::PartialExpression(include) => {
                    let about = include.params.first().map(|about| self.value(about, at, blocks));
                    let mut names: Vec<(String, Shape)> = Vec::new();
                    for (name, value) in &include.hash {
                        names.push((name.clone(), self.value(value, at, blocks)));
                    }
                    let scope = about.unwrap_or_else(|| scope(blocks)).with(&names);
                    if let Some(name) = partial_name(&include.name) {
                        blocks.push(Block { scope, names });
                        self.enter(&name, blocks);
                        blocks.pop();
                    }
                }
                _ => {}
            }
        }
    }

    /// `{{#each alerts}}…{{else}}…{{/each}}`
    fn block(&mut self, call: &'r HelperTemplate, at: (usize, usize), blocks: &mut Vec<Block>) {
        let about = self.arguments(call, at, blocks).into_iter().next().unwrap_or(Shape::Any);
        let scope = match call.name.as_name() {
            Some("each") => Some(about.item()),
            Some("with") => Some(about),
            _ => None,
        };
        if let Some(body) = &call.template {
            match scope {
                Some(scope) => {
                    blocks.push(Block { names: block_names(call, &scope), scope });
                    self.template(body, at, blocks);
                    blocks.pop();
                }
                None => self.template(body, at, blocks),
            }
        }
        if let Some(inverse) = &call.inverse {
            self.template(inverse, at, blocks);
        }
    }

    /// A name to show, or a call; and what is known of its result.
    fn call(&mut self, call: &HelperTemplate, at: (usize, usize), blocks: &[Block]) -> Shape {
        let arguments = self.arguments(call, at, blocks);
        match (&call.name, call.name.as_name()) {
            (_, Some(name)) if helpers::exists(name) => result(name),
            (name, _) if arguments.is_empty() => self.value(name, at, blocks),
            _ => Shape::Any,
        }
    }

    fn arguments(
        &mut self,
        call: &HelperTemplate,
        at: (usize, usize),
        blocks: &[Block],
    ) -> Vec<Shape> {
        let arguments = call.params.iter().chain(call.hash.values());
        arguments.map(|argument| self.value(argument, at, blocks)).collect()
    }

    fn value(&mut self, value: &Parameter, at: (usize, usize), blocks: &[Block]) -> Shape {
        match value {
            Parameter::Path(path) => {
                let place = (self.name, at, value.as_name().unwrap_or_default().to_owned());
                match self.resolve(path, &place.2, blocks) {
                    Ok(shape) => {
                        self.known.insert(place);
                        shape
                    }
                    Err(said) => {
                        self.unknown.insert(place, said);
                        Shape::Any
                    }
                }
            }
            Parameter::Subexpression(call) => match call.as_element() {
                TemplateElement::Expression(call) => self.call(call, at, blocks),
                _ => Shape::Any,
            },
            Parameter::Literal(value) => Shape::of(value),
            _ => Shape::Any,
        }
    }

    /// What a path leads to, as handlebars goes it; or why it leads nowhere.
    fn resolve(&self, path: &Path, said: &str, blocks: &[Block]) -> Result<Shape, String> {
        let segments = match path {
            Path::Local((_, name, _)) if LOCAL.contains(&name.as_str()) || name == "root" => {
                return Ok(Shape::Any);
            }
            Path::Local((_, name, _)) => {
                let meant = nearest(name, LOCAL.into_iter().chain(["root"]));
                return Err(nothing(&format!("@{name}"), meant.map(|name| format!("@{name}"))));
            }
            Path::Relative((segments, _)) => segments,
        };
        let names: Vec<&str> = segments
            .iter()
            .filter_map(|segment| match segment {
                PathSeg::Named(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let from_here = ["this/", "this.", "./"].iter().find_map(|this| said.strip_prefix(this));
        let from_root = from_here.unwrap_or(said).starts_with("@root");
        let up = if from_root { 0 } else { segments.len() - names.len() };
        let given = names.first().filter(|_| !from_root).and_then(|name| {
            let all = blocks.iter().rev().flat_map(|block| &block.names);
            all.into_iter().find(|(known, _)| known == name)
        });
        let (start, names) = match given {
            Some((_, shape)) => (shape.clone(), &names[1..]),
            None if from_root => (self.data.clone(), &names[..]),
            // What is above the root, handlebars takes for something else.
            None if up >= blocks.len() => return Ok(Shape::Any),
            None => (blocks[blocks.len() - 1 - up].scope.clone(), &names[..]),
        };
        let mut shape = start;
        for (index, name) in names.iter().enumerate() {
            shape = match &shape {
                Shape::Any => return Ok(Shape::Any),
                Shape::Open => Shape::Leaf,
                Shape::List(item) if name.parse::<usize>().is_ok() => item.as_ref().clone(),
                Shape::List(_) => {
                    let list = names[..index].join(".");
                    return Err(format!(
                        "{said:?}: a list has no {name:?}; go through it with \
                         {{{{#each {list}}}}}, or take one: {list}.[0]"
                    ));
                }
                Shape::Leaf if index > 0 => {
                    return Err(format!(
                        "{said:?}: there is nothing below {:?}; a name with dots or dashes is \
                         written in brackets: labels.[a.b]",
                        names[..index].join(".")
                    ));
                }
                Shape::Leaf => return Err(nothing(said, self.at_root(name))),
                Shape::Fields(fields) if fields.contains_key(*name) => fields[*name].clone(),
                Shape::Fields(fields) => {
                    let here = nearest(name, fields.keys().map(String::as_str));
                    let root = self.at_root(name).filter(|_| index == 0 && !from_root);
                    let is_there = root.as_ref().is_some_and(|root| root[6..] == **name);
                    let here = here.filter(|_| !is_there).map(str::to_owned);
                    return Err(nothing(name, here.or(root)));
                }
            };
        }
        Ok(shape)
    }

    /// The name in the whole data that was probably meant, as a path that works everywhere.
    fn at_root(&self, name: &str) -> Option<String> {
        let Shape::Fields(fields) = self.data else { return None };
        let near = nearest(name, fields.keys().map(String::as_str))?;
        Some(format!("@root.{near}"))
    }
}

/// What is known of what a helper gives.
fn result(helper: &str) -> Shape {
    match helper {
        "sortedPairs" => {
            let pair = ["name", "value"].map(|field| (field.to_owned(), Shape::Leaf));
            Shape::List(Rc::new(Shape::Fields(Rc::new(pair.into()))))
        }
        "stringSlice" | "names" | "values" => Shape::List(Rc::new(Shape::Leaf)),
        "remove" => Shape::Open,
        _ => Shape::Any,
    }
}

fn scope(blocks: &[Block]) -> Shape {
    blocks.last().map_or(Shape::Any, |block| block.scope.clone())
}

/// `as |alert index|`
fn block_names(call: &HelperTemplate, scope: &Shape) -> Vec<(String, Shape)> {
    let (first, second) = match &call.block_param {
        Some(BlockParam::Single(first)) => (first.as_name(), None),
        Some(BlockParam::Pair((first, second))) => (first.as_name(), second.as_name()),
        _ => (None, None),
    };
    let first = first.map(|name| (name.to_owned(), scope.clone()));
    let second = second.map(|name| (name.to_owned(), Shape::Leaf));
    first.into_iter().chain(second).collect()
}

fn nothing(name: &str, meant: Option<String>) -> String {
    let meant = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
    format!("there is no {name:?} here{meant}")
}
