//! How much work one rendering may be: loops and includes multiply, and one that writes nothing
//! would run for hours. Every template and every body of `each` starts, once compiled, with a
//! hidden call that takes its size from the budget; so does every call that names values.

use std::cell::Cell;

use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement, TemplateMapping};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, Path, RenderContext, RenderError,
    RenderErrorReason,
};
use serde_json::Value;

use super::helpers::OWN;

/// The steps of one rendering: elements of templates, parameters, 256 bytes read or made by a
/// helper. The built-in templates take under 5,000 for sixty alerts.
const STEPS: usize = 50_000;

/// The hidden call. Templates cannot spell it: they may call only what `helpers` knows.
const SPEND: &str = "spend-steps";

/// Another: takes what naming its parameters costs.
const NAMES: &str = "spend-on-names";

/// Computed values are copied where they are named; so many bytes of copies are a step.
const COPIED_A_STEP: usize = 1024;

thread_local! {
    /// What is left to the rendering that runs on this thread; one runs at a time.
    static LEFT: Cell<usize> = const { Cell::new(STEPS) };
}

/// Starts a rendering.
pub(super) fn refill() {
    LEFT.set(STEPS);
}

/// Takes steps from the running rendering.
///
/// # Errors
///
/// There are not so many left.
pub(super) fn spend(steps: usize) -> Result<(), RenderError> {
    let left = LEFT.get().checked_sub(steps).ok_or_else(|| {
        let message = format!("the template loops or includes too much: over {STEPS} steps");
        RenderError::from(RenderErrorReason::Other(message))
    })?;
    LEFT.set(left);
    Ok(())
}

/// What a helper pays for a value.
pub(super) fn spend_on(value: &Value) -> Result<(), RenderError> {
    spend(bytes(value) / 256)
}

/// About how much text a value is.
pub(super) fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 8 + bytes(item)).sum(),
        Value::Object(map) => map.iter().map(|(name, item)| 8 + name.len() + bytes(item)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// Registers the hidden calls.
pub(super) fn register(handlebars: &mut Handlebars<'_>) {
    handlebars.register_helper(SPEND, Box::new(Spend));
    handlebars.register_helper(NAMES, Box::new(SpendOnNames));
}

struct Spend;

impl HelperDef for Spend {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        let steps = helper.param(0).and_then(|steps| steps.value().as_u64()).unwrap_or_default();
        spend(usize::try_from(steps).unwrap_or(usize::MAX))
    }
}

struct SpendOnNames;

impl HelperDef for SpendOnNames {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        // What has a path lies in the data, and is not copied.
        let mut copied = helper.params().iter().filter(|named| named.context_path().is_none());
        copied.try_for_each(|named| spend(bytes(named.value()) / COPIED_A_STEP))
    }
}

/// Who wrote a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// It names no computed values, so its calls need not pay for copies of them.
    Nabat,
    User,
}

/// `template` with the hidden calls in it.
pub(super) fn metered(mut template: Template, author: Author) -> Template {
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
                *steps += parameters(call);
                let loops = call.name.as_name() == Some("each");
                match &mut call.template {
                    Some(body) if loops => meter(body, author),
                    Some(body) => meter_loops(body, author, steps),
                    None => {}
                }
                if let Some(inverse) = &mut call.inverse {
                    meter_loops(inverse, author, steps);
                }
            }
            TemplateElement::PartialExpression(partial) => {
                *steps +=
                    partial.params.iter().chain(partial.hash.values()).map(size).sum::<usize>();
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
        let mut named = Vec::new();
        named_by(call, &mut named);
        if !named.is_empty() {
            let mut pay = hidden(&format!("{{{{{NAMES} 0}}}}"));
            if let TemplateElement::Expression(call) = &mut pay.0 {
                call.params = named;
            }
            calls.push((index, pay));
        }
    }
    calls
}

/// The names that a call's parameters hold, but for the data's own and what the call itself pays
/// for.
fn named_by(call: &HelperTemplate, named: &mut Vec<Parameter>) {
    let pays = call.name.as_name().is_some_and(|name| OWN.contains(&name));
    for parameter in call.params.iter().chain(call.hash.values()) {
        match parameter {
            Parameter::Path(Path::Relative((_, said))) if !pays && !said.starts_with("@root") => {
                named.push(parameter.clone());
            }
            Parameter::Subexpression(call) => {
                if let TemplateElement::Expression(call) = call.as_element() {
                    named_by(call, named);
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

fn parameters(call: &HelperTemplate) -> usize {
    call.params.iter().chain(call.hash.values()).map(size).sum()
}

fn size(parameter: &Parameter) -> usize {
    match parameter {
        Parameter::Literal(value) => 1 + bytes(value) / 256,
        Parameter::Subexpression(call) => match call.element.as_ref() {
            TemplateElement::Expression(call) => 1 + parameters(call),
            _ => 1,
        },
        _ => 1,
    }
}
