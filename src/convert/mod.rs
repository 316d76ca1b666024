//! Alertmanager's Go templates as nabat's handlebars.
//!
//! A file is cut into pieces (`lex`), read as a tree (`parse`), and written anew (`walk`,
//! `write`). What a template is given follows from where it is called, so that each field has a
//! known kind (`expression`, `fields`, `functions`). Pure: no I/O.
//!
//! The text that comes out is Go's, to the last space; what can't be said is named with its place and
//! stands as a comment where it was.

mod ast;
mod expression;
mod fault;
mod fields;
mod functions;
mod lex;
mod parse;
mod rounds;
mod show;
mod walk;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use ast::{Branch, BranchKind, Command, Define, Node, Operand, Pipeline, Term};
use expression::Kind;
use walk::Templates;

pub use fault::Problem;

/// A file with Go templates.
#[derive(Debug, Clone)]
pub struct Source {
    pub file: PathBuf,
    pub text: String,
}

/// A handlebars template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The name of its file, without `.hbs`.
    pub name: String,
    /// What Go called it.
    pub define: String,
    pub text: String,
}

/// What became of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    pub templates: Vec<Converted>,
    /// Templates, by Go's names, that take alerts and that nothing calls. A route can't name them,
    /// for it gives the whole data, so they are left out.
    pub unused: Vec<String>,
    /// By file and place.
    pub problems: Vec<Problem>,
}

/// Converts files that belong together: each may call what another defines.
pub fn convert(sources: &[Source]) -> Conversion {
    let mut problems = Vec::new();
    let mut defines: Vec<(usize, Define)> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        match parse::parse(&source.text) {
            Ok(file) => {
                defines.extend(file.defines.into_iter().map(|define| (index, define)));
                if !is_blank(&file.body) {
                    let name = source.file.file_stem().unwrap_or_default().to_string_lossy();
                    defines.push((index, Define { name: name.into_owned(), body: file.body }));
                }
            }
            Err(fault) => problems.push(Problem::new(&source.file, &source.text, fault)),
        }
    }
    let mut library = Library::new(defines);
    let mut templates = Vec::new();
    while let Some((define, kind, name)) = library.next() {
        let (index, define) = define;
        let source = &sources[index];
        let (text, faults) = walk::written(&define.body, kind, &source.text, &mut library);
        let faults = faults.into_iter();
        problems.extend(faults.map(|fault| Problem::new(&source.file, &source.text, fault)));
        templates.push(Converted { name, define: define.name, text });
    }
    problems.sort();
    problems.dedup();
    Conversion { templates, unused: library.unused, problems }
}

/// All templates by Go's names, and what of them was asked for.
struct Library {
    defines: BTreeMap<String, (usize, Define)>,
    /// In the order of the files: those that nothing calls first.
    left: VecDeque<String>,
    asked: VecDeque<(String, Kind)>,
    names: BTreeMap<(String, Kind), String>,
    unused: Vec<String>,
}

impl Library {
    fn new(defines: Vec<(usize, Define)>) -> Self {
        let mut order: Vec<String> = Vec::new();
        let mut by_name: BTreeMap<String, (usize, Define)> = BTreeMap::new();
        for (index, define) in defines {
            // A later definition replaces an earlier one, unless it is empty.
            if by_name.contains_key(&define.name) && is_blank(&define.body) {
                continue;
            }
            order.retain(|name| *name != define.name);
            order.push(define.name.clone());
            by_name.insert(define.name.clone(), (index, define));
        }
        let mut called = Vec::new();
        for (_, define) in by_name.values() {
            calls(&define.body, &mut called);
        }
        order.sort_by_key(|name| called.contains(name));
        Self {
            defines: by_name,
            left: order.into(),
            asked: VecDeque::new(),
            names: BTreeMap::new(),
            unused: Vec::new(),
        }
    }

    /// The next template to write: what is called first, so that its kind is known.
    fn next(&mut self) -> Option<((usize, Define), Kind, String)> {
        let (name, kind) = loop {
            if let Some(asked) = self.asked.pop_front() {
                break asked;
            }
            let name = self.left.pop_front()?;
            if self.names.keys().any(|(known, _)| *known == name) {
                continue;
            }
            let kind = self.asked_of(&name, &mut BTreeSet::new()).unwrap_or(Kind::Data);
            if kind != Kind::Data {
                self.unused.push(name);
                continue;
            }
            self.include(&name, kind);
        };
        let define = self.defines.get(&name)?.clone();
        let file = self.names.get(&(name, kind))?.clone();
        Some((define, kind, file))
    }

    /// What a template that nothing calls is given: told by the fields that it asks for, or those
    /// that it calls with the same.
    fn asked_of<'a>(&'a self, name: &'a str, seen: &mut BTreeSet<&'a str>) -> Option<Kind> {
        let (_, define) = self.defines.get(name).filter(|_| seen.insert(name))?;
        self.asked_by(&define.body, seen)
    }

    fn asked_by<'a>(&'a self, nodes: &'a [Node], seen: &mut BTreeSet<&'a str>) -> Option<Kind> {
        nodes.iter().find_map(|node| match node {
            Node::Action(pipeline) => asked_of_dot(pipeline),
            Node::Template { name, argument: Some(argument), .. } if is_dot(argument) => {
                self.asked_of(name, seen)
            }
            Node::Template { argument, .. } => argument.as_ref().and_then(asked_of_dot),
            Node::Branch(branch) => self.asked_of_branch(branch, seen),
            _ => None,
        })
    }

    fn asked_of_branch<'a>(
        &'a self,
        branch: &'a Branch,
        seen: &mut BTreeSet<&'a str>,
    ) -> Option<Kind> {
        if branch.kind == BranchKind::Range && is_dot(&branch.pipeline) {
            return Some(Kind::Alerts);
        }
        let mut asked = asked_of_dot(&branch.pipeline);
        if asked.is_none() && branch.kind == BranchKind::If {
            asked = self.asked_by(&branch.body, seen);
        }
        asked.or_else(|| self.asked_by(&branch.otherwise, seen))
    }
}

/// Whether it is `.` and no more.
fn is_dot(pipeline: &Pipeline) -> bool {
    let [Command { terms, .. }] = pipeline.commands.as_slice() else { return false };
    matches!(terms.as_slice(), [Term { operand: Operand::Dot, fields, .. }] if fields.is_empty())
}

impl Templates for Library {
    fn include(&mut self, name: &str, kind: Kind) -> Option<String> {
        self.defines.get(name)?;
        let key = (name.to_owned(), kind);
        if let Some(file) = self.names.get(&key) {
            return Some(file.clone());
        }
        let mut file = file_name(name);
        while self.names.values().any(|taken| *taken == file) {
            file.push('_');
        }
        self.names.insert(key.clone(), file.clone());
        self.asked.push_back(key);
        Some(file)
    }
}

/// A template's name as a file's, and one that nabat gives no meaning of its own.
fn file_name(name: &str) -> String {
    let is_fine = |character: char| character.is_alphanumeric() || "._-".contains(character);
    let mut file: String =
        name.chars().map(|character| if is_fine(character) { character } else { '-' }).collect();
    let last = file.rsplit('.').next().unwrap_or_default();
    let ends_with_meaning = file.contains('.')
        && (matches!(last, "news" | "ended" | "reminder" | "hbs" | "")
            || crate::rendering::Language::from_code(last).is_some());
    if ends_with_meaning
        || crate::rendering::is_built_in(&file)
        || file.trim_matches('.').is_empty()
    {
        file.push('_');
    }
    if file.starts_with('.') {
        file.insert(0, '_');
    }
    file
}

fn is_blank(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(text) => text.trim().is_empty(),
        Node::Comment(_) => true,
        _ => false,
    })
}

/// The names of all templates that are called.
fn calls(nodes: &[Node], called: &mut Vec<String>) {
    for node in nodes {
        match node {
            Node::Template { name, .. } => called.push(name.clone()),
            Node::Branch(branch) => {
                calls(&branch.body, called);
                calls(&branch.otherwise, called);
            }
            _ => {}
        }
    }
}

/// The kind of value that has the fields asked of `.`.
fn asked_of_dot(pipeline: &Pipeline) -> Option<Kind> {
    let terms = pipeline.commands.iter().flat_map(|command| &command.terms);
    terms.into_iter().find_map(|term| match (&term.operand, term.fields.first()) {
        (Operand::Parenthesis(inner), _) => asked_of_dot(inner),
        (Operand::Dot, Some(field)) => match field.as_str() {
            "Labels" | "Annotations" | "StartsAt" | "EndsAt" | "GeneratorURL" | "Fingerprint" => {
                Some(Kind::Alert)
            }
            "Alerts" | "GroupLabels" | "CommonLabels" | "CommonAnnotations" | "ExternalURL"
            | "Receiver" => Some(Kind::Data),
            _ => None,
        },
        _ => None,
    })
}
