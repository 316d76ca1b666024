//! Built-in templates with what they include put in its place. handlebars copies, at each include,
//! all the data that the included template may name; for a card that was more work than the rest.

use std::collections::BTreeMap;

use handlebars::template::{DecoratorTemplate, Template, TemplateElement};

use super::load::partial_name;

/// `template` with the templates that it includes out of `known` written out, and those that they
/// include. Nothing in `known` may include itself.
pub(super) fn inlined(template: &Template, known: &BTreeMap<&str, &Template>) -> Template {
    let mut whole = Template::new();
    whole.name.clone_from(&template.name);
    for (index, element) in template.elements.iter().enumerate() {
        let at = template.mapping.get(index).cloned();
        let element = match element {
            TemplateElement::PartialExpression(include) => match included(include, known) {
                Some(Included::Here(inner)) => {
                    whole.elements.extend(inner.elements);
                    whole.mapping.extend(inner.mapping);
                    continue;
                }
                Some(Included::With(block)) => block,
                None => element.clone(),
            },
            TemplateElement::HelperBlock(call) => {
                let mut call = call.clone();
                for inner in [&mut call.template, &mut call.inverse].into_iter().flatten() {
                    *inner = inlined(inner, known);
                }
                TemplateElement::HelperBlock(call)
            }
            other => other.clone(),
        };
        whole.elements.push(element);
        // An `{{else if}}` has no place.
        whole.mapping.extend(at);
    }
    whole
}

/// What stands in an include's place.
enum Included {
    Here(Template),
    /// In a block that changes what names refer to.
    With(TemplateElement),
}

fn included(include: &DecoratorTemplate, known: &BTreeMap<&str, &Template>) -> Option<Included> {
    let inner = inlined(known.get(partial_name(&include.name)?.as_str())?, known);
    if !include.hash.is_empty() {
        return None;
    }
    let Some(context) = include.params.first() else { return Some(Included::Here(inner)) };
    let mut with = Template::compile("{{#with it}}{{/with}}").expect("a block is a template");
    let mut block = with.elements.swap_remove(0);
    if let TemplateElement::HelperBlock(call) = &mut block {
        call.params = vec![context.clone()];
        call.template = Some(inner);
    }
    Some(Included::With(block))
}
