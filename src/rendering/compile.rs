//! Compiling one template so that it can't harm the process. handlebars reads, and drops, nested
//! blocks and calls recursively, and a stack that overflows aborts. So that happens on a thread
//! with a stack of its own: pest, handlebars' parser, stops where that nears its end, and what was
//! read is measured before it goes anywhere else.

use std::collections::HashMap;
use std::thread;

use handlebars::Handlebars;
use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use serde_json::Value;

use super::load::{TemplateError, TemplateSource, partial_name};

/// The largest template, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Blocks may nest this deep, and so may calls in calls and lists in lists; an `{{else if}}` is a
/// block in the one before.
pub(super) const MAX_DEPTH: usize = 32;

/// Blocks and includes may nest this deep with all that a template includes: rendering is
/// recursive, too, and a level of it takes some 10 KiB of the stack in a debug build.
const MAX_DEPTH_IN_ALL: usize = 96;

/// Bytes of the stack. A chain of `{{else if}}` as long as [`MAX_BYTES`] allows nests some 11,000
/// deep without asking the parser; a debug build drops it within this.
const STACK: usize = 16 * 1024 * 1024;

/// Compiles `source`.
///
/// # Errors
///
/// What handlebars cannot read, templates over [`MAX_BYTES`] or nested over [`MAX_DEPTH`].
pub(super) fn compile(source: &TemplateSource) -> Result<Template, TemplateError> {
    if source.text.len() > MAX_BYTES {
        let message = format!("the template is larger than {MAX_BYTES} bytes");
        return Err(TemplateError::new(source, (1, 1), message));
    }
    thread::scope(|scope| {
        thread::Builder::new()
            .name("template".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || read(source))
            .map_err(|error| error.to_string())
            .and_then(|reading| reading.join().map_err(|_| "handlebars panicked".to_owned()))
            .unwrap_or_else(|why| {
                let message = format!("the template could not be compiled: {why}");
                Err(TemplateError::new(source, (1, 1), message))
            })
    })
}

/// What the thread does.
fn read(source: &TemplateSource) -> Result<Template, TemplateError> {
    let too_deep = |at| {
        let message = format!("blocks or calls are nested more than {MAX_DEPTH} deep");
        TemplateError::new(source, at, message)
    };
    let template =
        Template::compile_with_name(&source.text, source.name.clone()).map_err(|error| {
            let (at, reason) = (error.pos().unwrap_or((1, 1)), error.reason().to_string());
            // pest's own words for a stack that nears its end.
            if reason.contains("stack limit reached") {
                too_deep(at)
            } else {
                TemplateError::new(source, at, reason)
            }
        })?;
    match first_too_deep(&template, MAX_DEPTH, (1, 1)) {
        Some(at) => Err(too_deep(at)),
        None => Ok(template),
    }
}

/// Line and column of the first thing in `template` that takes more than `left` levels. `outer` is
/// the place of the block around; an `{{else if}}` does not know its own.
fn first_too_deep(
    template: &Template,
    left: usize,
    outer: (usize, usize),
) -> Option<(usize, usize)> {
    template.elements.iter().enumerate().find_map(|(index, element)| {
        let at = template.mapping.get(index).map_or(outer, |at| (at.0, at.1));
        match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                is_call_too_deep(call, left).then_some(at)
            }
            TemplateElement::HelperBlock(call) if left == 0 || is_call_too_deep(call, left) => {
                Some(at)
            }
            TemplateElement::HelperBlock(call) => [&call.template, &call.inverse]
                .into_iter()
                .flatten()
                .find_map(|inner| first_too_deep(inner, left - 1, at)),
            TemplateElement::PartialExpression(include)
            | TemplateElement::PartialBlock(include)
            | TemplateElement::DecoratorExpression(include)
            | TemplateElement::DecoratorBlock(include) => {
                let arguments = include.params.iter().chain(include.hash.values());
                let mut arguments = arguments.chain([&include.name]);
                if arguments.any(|argument| is_too_deep(argument, left)) {
                    return Some(at);
                }
                let within = include.template.as_ref()?;
                if left == 0 { Some(at) } else { first_too_deep(within, left - 1, at) }
            }
            _ => None,
        }
    })
}

/// Checks that `source`, which `registry` holds with all that it includes, and free of circles,
/// leaves the stack of who renders it whole.
pub(super) fn check_depth(
    registry: &Handlebars<'static>,
    source: &TemplateSource,
) -> Result<(), TemplateError> {
    if depth_in_all(registry, &source.name, &mut HashMap::new()) <= MAX_DEPTH_IN_ALL {
        return Ok(());
    }
    let message = format!(
        "blocks and includes are nested more than {MAX_DEPTH_IN_ALL} deep, with those in what the \
         template includes"
    );
    Err(TemplateError::new(source, (1, 1), message))
}

/// How deep the template of that name nests.
fn depth_in_all(
    registry: &Handlebars<'static>,
    name: &str,
    known: &mut HashMap<String, usize>,
) -> usize {
    if let Some(depth) = known.get(name) {
        return *depth;
    }
    let depth = registry.get_template(name).map_or(0, |template| depth(template, registry, known));
    known.insert(name.to_owned(), depth);
    depth
}

fn depth(
    template: &Template,
    registry: &Handlebars<'static>,
    known: &mut HashMap<String, usize>,
) -> usize {
    let depths = template.elements.iter().map(|element| match element {
        TemplateElement::HelperBlock(call) => {
            let inner = [&call.template, &call.inverse].into_iter().flatten();
            1 + inner.map(|inner| depth(inner, registry, known)).max().unwrap_or_default()
        }
        TemplateElement::PartialExpression(include) => {
            let name = partial_name(&include.name).unwrap_or_default();
            1 + depth_in_all(registry, &name, known)
        }
        _ => 0,
    });
    depths.max().unwrap_or_default()
}

fn is_call_too_deep(call: &HelperTemplate, left: usize) -> bool {
    let arguments = call.params.iter().chain(call.hash.values()).chain([&call.name]);
    arguments.into_iter().any(|argument| is_too_deep(argument, left))
}

fn is_too_deep(argument: &Parameter, left: usize) -> bool {
    match argument {
        Parameter::Subexpression(call) => match call.as_element() {
            TemplateElement::Expression(call) => left == 0 || is_call_too_deep(call, left - 1),
            _ => left == 0,
        },
        Parameter::Literal(value) => is_value_too_deep(value, left),
        _ => false,
    }
}

fn is_value_too_deep(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => {
            left == 0 || items.iter().any(|item| is_value_too_deep(item, left - 1))
        }
        Value::Object(map) => {
            left == 0 || map.values().any(|item| is_value_too_deep(item, left - 1))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: String) -> TemplateSource {
        TemplateSource { name: "ops".to_owned(), language: None, text, file: "ops.hbs".into() }
    }

    fn compiled(text: String) -> Result<(), String> {
        compile(&source(text)).map(drop).map_err(|error| error.to_string())
    }

    fn nested(open: &str, times: usize, close: &str) -> String {
        format!("{}x{}", open.repeat(times), close.repeat(times))
    }

    const TOO_DEEP: &str = "nested more than 32 deep";

    #[test]
    fn blocks_nest_thirty_two_deep_and_no_deeper() {
        for (open, close) in [
            ("{{#if a}}", "{{/if}}"),
            ("{{~ \n#if a}}", "{{/if}}"),
            ("{{#if \"}}\"}}", "{{/if}}"),
            ("{{#if labels.[it's]}}", "{{/if}}"),
            ("{{! it's }}{{#if a}}", "{{/if}}"),
            ("{{!-- }} \" --}}{{#if a}}", "{{/if}}"),
            ("{{len [a \"] \" [}} \"}}{{#if a}}", "{{/if}}"),
            ("\\{{ ' {{#if a}}", "{{/if}}"),
            ("{{#if a}}x{{else}}", "{{/if}}"),
            ("{{#if a}}x{{^}}", "{{/if}}"),
            ("{{#> a}}", "{{/a}}"),
        ] {
            assert_eq!(compiled(nested(open, 32, close)), Ok(()), "{open}");
            let fault = compiled(nested(open, 33, close)).unwrap_err();
            assert!(fault.contains(TOO_DEEP), "{open}: {fault}");
        }
    }

    #[test]
    fn calls_lists_and_maps_nest_thirty_two_deep_and_no_deeper() {
        for (open, close) in [
            ("(not ", ")"),
            ("(eq \"}}\" ", ")"),
            ("(eq ')' ", ")"),
            ("(eq a=\"(\" c=", ")"),
            ("[", "]"),
            ("{\"a\": ", "}"),
            ("[\"]]\", ", "]"),
        ] {
            for tag in ["{{len ", "{{len a=", "{{#if "] {
                let tag = |times| {
                    let inner = nested(open, times, close).replace('x', "1");
                    let end = if tag.starts_with("{{#") { "{{/if}}" } else { "" };
                    format!("{tag}{inner}}}}}{end}")
                };
                assert_eq!(compiled(tag(32)), Ok(()), "{open}");
                let fault = compiled(tag(33)).unwrap_err();
                assert!(fault.contains(TOO_DEEP), "{open}: {fault}");
            }
        }
    }

    #[test]
    fn a_chain_of_else_nests_until_its_block_ends() {
        for link in ["{{else if b}}", "{{ else if b}}", "{{~^if b}}"] {
            let chain = |times: usize| format!("{{{{#if a}}}}{}{{{{/if}}}}", link.repeat(times));
            assert_eq!(compiled(chain(31).repeat(3)), Ok(()), "{link}");
            assert!(compiled(chain(32)).unwrap_err().contains(TOO_DEEP), "{link}");
        }
    }

    #[test]
    fn the_place_of_what_nests_too_deep_is_told() {
        let text = format!("\n  {}", nested("{{#if a}}", 33, "{{/if}}"));
        assert_eq!(
            compiled(text).unwrap_err(),
            "ops.hbs:2:291: blocks or calls are nested more than 32 deep"
        );
    }

    /// The deepest templates of so many bytes.
    fn deepest(bytes: usize) -> Vec<String> {
        let fill = |open: &str, close: &str| {
            nested(open, (bytes - 20) / (open.len() + close.len()), close)
        };
        vec![
            fill("{{#a}}", "{{/a}}"),
            fill("{{#if}}", ""),
            format!("{{{{#a}}}}{}{{{{/a}}}}", fill("{{^a}}", "")),
            format!("{{{{len {}}}}}", fill("(a ", ")")),
            format!("{{{{len {}}}}}", fill("(a ", "")),
            format!("{{{{len {}}}}}", fill("[", "]")),
            format!("{{{{len {}}}}}", fill("[", "")),
            format!("{{{{len {}}}}}", fill("{\"\":", "}")),
            format!("{{{{{}}}}}", fill("(a ", ")")),
            format!("{{{{> {}}}}}", fill("(a ", ")")),
        ]
    }

    #[test]
    fn the_deepest_that_a_file_can_hold_is_refused_and_no_stack_overflows() {
        for text in deepest(MAX_BYTES) {
            assert!(compiled(text.clone()).is_err(), "{}", &text[..40]);
        }
    }

    #[test]
    fn a_small_template_at_its_deepest_overflows_no_stack_either() {
        for text in deepest(2 * 1024) {
            assert!(compiled(text.clone()).is_err(), "{}", &text[..40]);
        }
    }

    #[test]
    fn what_stands_side_by_side_does_not_nest() {
        let text = "{{#if a}}{{{b}}}{{len [1, [2]]}}{{len labels.[a(b]}}{{else}}(({{/if}} ";
        assert_eq!(compiled(text.repeat(900)), Ok(()));
    }
}
