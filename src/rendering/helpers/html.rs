//! Helpers that write markup around a value, and escape it as that place needs.

use std::sync::LazyLock;

use handlebars::Handlebars;
use regex::Regex;

use super::super::details::link_target;
use super::super::inert::isolated;
use super::super::visible::{safe, visible, visible_line};
use super::markup;
use crate::telegram::markup::escape;

pub fn register(handlebars: &mut Handlebars<'_>) {
    markup(handlebars, "code", |arguments| {
        isolated(&wrapped("code", &visible_line(&arguments.text(0)))).into_owned()
    });
    markup(handlebars, "pre", |arguments| wrapped("pre", &visible(&arguments.text(0))));
    markup(handlebars, "safeHtml", |arguments| arguments.text(0));
    markup(handlebars, "safeUrl", |arguments| {
        link_target(&arguments.text(0)).map(escape).unwrap_or_default()
    });
    markup(handlebars, "link", |arguments| {
        let (url, text) = (arguments.text(0), arguments.text(1));
        match link_target(&url) {
            Some(url) if text.is_empty() => anchor(url, &escape(&visible_line(url))),
            Some(url) => anchor(url, &safe(&text)),
            None => safe(if text.is_empty() { &url } else { &text }),
        }
    });
    markup(handlebars, "linked", |arguments| linked(&visible(&arguments.text(0))));
}

fn wrapped(tag: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<{tag}>{}</{tag}>", escape(text)) }
}

fn anchor(url: &str, html: &str) -> String {
    format!("<a href=\"{}\">{html}</a>", escape(url))
}

/// `text` in which what is written out as a web address is a link to it, and nothing else is.
fn linked(text: &str) -> String {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"\bhttps?://[^\s<>"«»⟨⟩]+"#).expect("the pattern of addresses is a regex")
    });
    let mut html = String::with_capacity(text.len() + text.len() / 4);
    let mut written = 0;
    for found in ADDRESS.find_iter(text) {
        let address = without_punctuation(found.as_str());
        // Right behind other signs Telegram may make something else of it: `/http` a command.
        let before = text[..found.start()].chars().next_back();
        let stands_free = before.is_none_or(|c| c.is_whitespace() || "([{\"'«<>=:,;|".contains(c));
        if stands_free && link_target(address).is_some() {
            html.push_str(&safe(&text[written..found.start()]));
            html.push_str(&anchor(address, &escape(address)));
            written = found.start() + address.len();
        }
    }
    html.push_str(&safe(&text[written..]));
    html
}

/// An address without the sentence's own full stop and bracket.
fn without_punctuation(mut address: &str) -> &str {
    let opened = address.matches('(').count();
    // Counted once: an address may end in thousands of them.
    let mut closed = address.matches(')').count();
    while let Some(last) = address.chars().next_back() {
        match last {
            ')' if closed > opened => closed -= 1,
            '.' | ',' | ':' | ';' | '!' | '?' | '\'' | '`' | '…' => {}
            _ => break,
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_written_out_become_links_and_nothing_else_does() {
        for (text, html) in [
            (
                "see https://a.example/x?y=1&z (or b.example).",
                "see <a href=\"https://a.example/x?y=1&amp;z\">https://a.example/x?y=1&amp;z</a> \
                 (or b.\u{2060}example).",
            ),
            (
                "(http://a.example/w_(x)).",
                "(<a href=\"http://a.example/w_(x)\">http://a.example/w_(x)</a>).",
            ),
            ("/http://a.example", "/\u{2060}http://\u{2060}a.\u{2060}example"),
            (
                "x http://a.example/))...",
                "x <a href=\"http://a.example/\">http://a.example/</a>))...",
            ),
            ("http://prometheus:9090", "http://\u{2060}prometheus:9090"),
            ("tg://user?id=7", "tg://\u{2060}user?id=7"),
        ] {
            assert_eq!(linked(text), html);
        }
    }
    #[test]
    fn an_address_with_many_brackets_takes_no_longer_than_its_length() {
        let brackets = ")".repeat(500_000);
        let html = linked(&format!("https://a.example/{brackets}"));
        assert_eq!(
            html,
            format!("<a href=\"https://a.example/\">https://a.example/</a>{brackets}")
        );
    }
}
