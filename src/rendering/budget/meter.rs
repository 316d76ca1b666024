//! Putting the hidden calls into a compiled template.

use std::collections::HashMap;

use handlebars::Path;
use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement, TemplateMapping};

use super::hidden::{NAMES, SHOW, SPEND};
use super::{READ_A_STEP, bytes};
use crate::rendering::helpers::{self, OWN};

/// Calls that look through what they compare, wherever it lies.
const COMPARING: [&str; 6] = ["eq", "ne", "gt", "gte", "lt", "lte"];

/// Names and paths are read, and parted, wherever they are gone: so many bytes of one are a step.
const NAMED_A_STEP: usize = 64;

/// What an include is about is a path that is read as text every time: that costs so many times
/// going it.
const PARSED: usize = 16;

/// Who wrote a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// It names no computed values, and shows what was cut to its place: its calls need not pay for
    /// what they name.
    Nabat,
    User,
}

/// `template` with the hidden calls in it.
pub fn metered(mut template: Template, author: Author) -> Template {
    meter(&mut template, author);
    template
}

fn meter(template: &mut Template, author: Author) {
    let mut steps = 1;
    meter_loops(template, author, &mut steps);
    let (call, at) = hidden(&format!("{{{{{SPEND} {steps}}}}}"));
    template.elements.insert(0, call);
    template.mapping.insert(0, at);
}

/// Meters the loops in a template, and adds up what is outside of them.
fn meter_loops(template: &mut Template, author: Author, steps: &mut usize) {
    for element in &mut template.elements {
        *steps += 1;
        match element {
            TemplateElement::Expression(call)
            | TemplateElement::HtmlExpression(call)
            | TemplateElement::HelperBlock(call) => {
                *steps += size(&call.name) - 1 + given(&call.params, &call.hash);
                let loops = call.name.as_name() == Some("each");
                match &mut call.template {
                    Some(body) if loops => meter(body, author),
                    Some(body) => meter_loops(body, author, steps),
                    None => {}
                }
                if let Some(inverse) = &mut call.inverse {
                    meter_loops(inverse, author, steps);
                }
                if author == Author::User && shows_name(call) {
                    show(call);
                }
            }
            TemplateElement::PartialExpression(partial) => {
                *steps += given(&partial.params, &partial.hash);
                let about = partial.params.iter().filter_map(Parameter::as_name);
                *steps += about.map(|about| PARSED * length(about)).sum::<usize>();
            }
            _ => {}
        }
    }
    if author == Author::Nabat {
        return;
    }
    for (index, pay) in names(template).into_iter().rev() {
        let (element, mut at) = pay;
        // An `{{else if}}` has no place.
        if let Some(place) = template.mapping.get(index) {
            (at.0, at.1) = (place.0, place.1);
            template.mapping.insert(index, at);
        }
        template.elements.insert(index, element);
    }
}

/// Whether a call is a name to show, and no call.
fn shows_name(call: &HelperTemplate) -> bool {
    let is_name = !call.block && call.params.is_empty() && call.hash.is_empty();
    let name = call.name.as_name().filter(|name| !helpers::exists(name));
    is_name && name.is_some() && matches!(call.name, Parameter::Path(Path::Relative(_)))
}

/// `{{name}}` as a hidden call.
fn show(call: &mut HelperTemplate) {
    let name = std::mem::replace(&mut call.name, Parameter::Name(SHOW.to_owned()));
    call.params.push(name);
}

/// The calls that pay for what the elements of a template name, each with the place of its element.
fn names(template: &Template) -> Vec<(usize, (TemplateElement, TemplateMapping))> {
    let mut calls = Vec::new();
    for (index, element) in template.elements.iter().enumerate() {
        let (TemplateElement::Expression(call)
        | TemplateElement::HtmlExpression(call)
        | TemplateElement::HelperBlock(call)) = element
        else {
            continue;
        };
        let mut named = Named::default();
        named.by(call);
        let Named { compared, copied } = named;
        if compared.is_empty() && copied.is_empty() {
            continue;
        }
        let mut pay = hidden(&format!("{{{{{NAMES} {}}}}}", compared.len()));
        if let TemplateElement::Expression(call) = &mut pay.0 {
            call.params.extend(compared.into_iter().chain(copied));
        }
        calls.push((index, pay));
    }
    calls
}

/// The names that a call is given.
#[derive(Default)]
struct Named {
    /// To be compared.
    compared: Vec<Parameter>,
    /// For anything else. They are free in the data.
    copied: Vec<Parameter>,
}

impl Named {
    fn by(&mut self, call: &HelperTemplate) {
        let name = call.name.as_name().unwrap_or_default();
        // These pay for what they are given in order, but do not look at what is given by name.
        let pays = name == SHOW || OWN.contains(&name);
        let compares = COMPARING.contains(&name);
        for parameter in &call.params {
            match parameter {
                Parameter::Path(Path::Relative(_)) if compares => {
                    self.compared.push(parameter.clone());
                }
                Parameter::Path(Path::Relative(_)) if pays => {}
                _ => self.parameter(parameter),
            }
        }
        call.hash.values().for_each(|parameter| self.parameter(parameter));
        if let Parameter::Subexpression(_) = &call.name {
            self.parameter(&call.name);
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        match parameter {
            Parameter::Path(Path::Relative((_, said))) if !said.starts_with("@root") => {
                self.copied.push(parameter.clone());
            }
            Parameter::Subexpression(call) => {
                if let TemplateElement::Expression(call) = call.as_element() {
                    self.by(call);
                }
            }
            _ => {}
        }
    }
}

/// A call as it is compiled.
fn hidden(call: &str) -> (TemplateElement, TemplateMapping) {
    let mut call = Template::compile(call).expect("the hidden call is a template");
    (call.elements.swap_remove(0), call.mapping.swap_remove(0))
}

/// The parameters given in order, and by name.
fn given(ordered: &[Parameter], named: &HashMap<String, Parameter>) -> usize {
    let named = named.iter().map(|(name, value)| length(name) + size(value));
    ordered.iter().map(size).sum::<usize>() + named.sum::<usize>()
}

fn size(parameter: &Parameter) -> usize {
    match parameter {
        Parameter::Literal(value) => 1 + bytes(value) / READ_A_STEP,
        Parameter::Subexpression(call) => match call.element.as_ref() {
            TemplateElement::Expression(call) => size(&call.name) + given(&call.params, &call.hash),
            _ => 1,
        },
        other => 1 + length(other.as_name().unwrap_or_default()),
    }
}

fn length(name: &str) -> usize {
    name.len() / NAMED_A_STEP
}
