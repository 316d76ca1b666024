//! Helpers that write markup around a value, and escape it as that place needs.

use handlebars::Handlebars;

use super::super::details::link_target;
use super::super::visible::{safe, visible, visible_line};
use super::markup;
use crate::telegram::markup::escape;

pub fn register(handlebars: &mut Handlebars<'_>) {
    markup(handlebars, "code", |arguments| wrapped("code", &visible_line(&arguments.text(0))));
    markup(handlebars, "pre", |arguments| wrapped("pre", &visible(&arguments.text(0))));
    markup(handlebars, "safeHtml", |arguments| arguments.text(0));
    markup(handlebars, "safeUrl", |arguments| {
        link_target(&arguments.text(0)).map(escape).unwrap_or_default()
    });
    markup(handlebars, "link", |arguments| {
        let (url, text) = (arguments.text(0), arguments.text(1));
        let text = safe(if text.is_empty() { &url } else { &text });
        match link_target(&url) {
            Some(url) => format!("<a href=\"{}\">{text}</a>", escape(url)),
            None => text,
        }
    });
}

fn wrapped(tag: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<{tag}>{}</{tag}>", escape(text)) }
}
