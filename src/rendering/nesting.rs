//! How deep a template nests, found without recursion and before it is compiled: handlebars reads
//! blocks, calls and lists recursively, and a stack that overflows aborts the process. So nothing
//! here may be counted less than handlebars counts it; what handlebars can't read it does not
//! follow, and neither need this.

/// Blocks and calls may be nested this deep.
pub(super) const MAX_DEPTH: usize = 32;

/// Why a template is refused before it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Deeper than [`MAX_DEPTH`].
    TooDeep,
    /// `{{{{raw}}}}`: nobody needs it here, and all text after one would have to be read by its
    /// own rules.
    RawBlock,
}

/// Whether a template is to be refused, and where: in bytes from its start.
pub(super) fn refused(text: &str) -> Option<(usize, Refusal)> {
    scan(MAX_DEPTH, text)
}

fn scan(most: usize, text: &str) -> Option<(usize, Refusal)> {
    // For each open block the levels it takes: one, and one for each `{{else if …}}` in it, which
    // handlebars puts into the one before.
    let mut blocks: Vec<usize> = Vec::new();
    let mut levels = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        let tag = &text[start..];
        let raw = tag.starts_with("{{{{");
        let slashes = text[at..start].bytes().rev().take_while(|byte| *byte == b'\\').count();
        at = start
            + if slashes == 1 {
                if raw { 4 } else { 2 }
            } else if raw {
                return Some((start, Refusal::RawBlock));
            } else if let Some(length) = comment(tag) {
                length
            } else {
                let said = tag[2..].trim_start_matches(|next| is_space(next) || next == '~');
                if said.starts_with('#') {
                    blocks.push(1);
                    levels += 1;
                } else if said.starts_with('/') {
                    levels -= blocks.pop().unwrap_or_default();
                } else if (said.starts_with("else") || said.starts_with('^'))
                    && let Some(block) = blocks.last_mut()
                {
                    *block += 1;
                    levels += 1;
                }
                if levels > most {
                    return Some((start, Refusal::TooDeep));
                }
                match (Tag { bytes: tag.as_bytes(), most }).length() {
                    Ok(length) => length,
                    Err(deep) => return Some((start + deep, Refusal::TooDeep)),
                }
            };
    }
    None
}

/// What handlebars skips between two words.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// The length of the comment that `tag` starts with.
fn comment(tag: &str) -> Option<usize> {
    let said = tag.strip_prefix("{{!")?;
    let long = said.trim_start_matches(is_space).strip_prefix("--").and_then(|said| {
        let start = tag.len() - said.len();
        said.find("--}}").map(|end| start + end + 4)
    });
    long.or_else(|| tag.find("}}").map(|end| end + 2))
}

/// What may come next in a list or map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Right behind the bracket: the first item or key, a comma, or the end.
    First,
    Item,
    Key,
    Colon,
    /// A comma or the end.
    Separator,
}

/// What follows from `{{` on.
struct Tag<'t> {
    bytes: &'t [u8],
    most: usize,
}

impl Tag<'_> {
    /// The length of the tag; or where in it calls, lists and maps nest too deep.
    fn length(&self) -> Result<usize, usize> {
        let mut open = 0usize;
        let mut at = 2;
        // The last byte that is no space: behind some a name must follow.
        let mut last = b'{';
        while let Some(&byte) = self.bytes.get(at) {
            let name = matches!(last, b'{' | b'~' | b'&' | b'>' | b'(' | b'.' | b'/' | b'@');
            match byte {
                b'"' | b'\'' => at = self.string_end(at),
                b'[' if name => at = self.name_end(at),
                b'[' => at = self.list_end(at, open)?.unwrap_or_else(|| self.name_end(at)),
                b'{' if !name => {
                    at = self.list_end(at, open)?.unwrap_or(self.bytes.len());
                }
                b'(' | b'{' => open += 1,
                b'}' if open == 0 && self.bytes.get(at + 1) == Some(&b'}') => return Ok(at + 2),
                b')' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > self.most {
                return Err(at);
            }
            if !is_space(char::from(byte)) {
                last = byte;
            }
            at += 1;
        }
        Ok(self.bytes.len())
    }

    /// Where the name `[a name]` that starts at `start` ends.
    fn name_end(&self, start: usize) -> usize {
        let length = self.bytes[start..].iter().position(|byte| *byte == b']');
        length.map_or(self.bytes.len(), |length| start + length)
    }

    /// Where the string that starts at `start` has its closing quote.
    fn string_end(&self, start: usize) -> usize {
        let mut at = start + 1;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'\\' => at += 1,
                byte if *byte == self.bytes[start] => return at,
                _ => {}
            }
            at += 1;
        }
        self.bytes.len()
    }

    /// Where the list or map that starts at `start` ends; `None` when handlebars reads none there;
    /// or where it nests too deep, `outer` levels around it counted.
    fn list_end(&self, start: usize, outer: usize) -> Result<Option<usize>, usize> {
        let mut open: Vec<u8> = Vec::new();
        let mut next = Next::Item;
        let mut at = start;
        while let Some(&byte) = self.bytes.get(at) {
            let map = open.last() == Some(&b'}');
            next = match (byte, next) {
                (b' ' | b'\t' | b'\r' | b'\n', next) => next,
                (b'[' | b'{', Next::Item | Next::First) if !map || next == Next::Item => {
                    open.push(if byte == b'[' { b']' } else { b'}' });
                    Next::First
                }
                (b']' | b'}', Next::First | Next::Separator) if open.last() == Some(&byte) => {
                    open.pop();
                    if open.is_empty() {
                        return Ok(Some(at));
                    }
                    Next::Separator
                }
                (b',', Next::First | Next::Separator) => {
                    if map {
                        Next::Key
                    } else {
                        Next::Item
                    }
                }
                (b':', Next::Colon) => Next::Item,
                (b'"' | b'\'', Next::Item | Next::First | Next::Key) => {
                    let Some(end) = self.strict_string_end(at) else { return Ok(None) };
                    at = end;
                    if map && next != Next::Item { Next::Colon } else { Next::Separator }
                }
                (_, Next::Item | Next::First) if !map || next == Next::Item => {
                    let Some(end) = self.word_end(at) else { return Ok(None) };
                    at = end;
                    Next::Separator
                }
                _ => return Ok(None),
            };
            if outer + open.len() > self.most {
                return Err(at);
            }
            at += 1;
        }
        Ok(None)
    }

    /// Where the number, `true`, `false` or `null` that starts at `start` ends.
    fn word_end(&self, start: usize) -> Option<usize> {
        let length = self.bytes[start..]
            .iter()
            .position(|byte| {
                !(byte.is_ascii_alphanumeric() || b"-_$:.\x80".contains(byte) || *byte > 0x80)
            })
            .unwrap_or(self.bytes.len() - start);
        let word = std::str::from_utf8(&self.bytes[start..start + length]).ok()?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = || {
            let word = word.strip_prefix('-').unwrap_or(word);
            let (number, exponent) = word.split_once('E').unwrap_or((word, "0"));
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            digits(whole)
                && (fraction.is_empty() || digits(fraction))
                && digits(exponent.strip_prefix('-').unwrap_or(exponent))
        };
        (matches!(word, "true" | "false" | "null") || number()).then(|| start + length - 1)
    }

    /// As [`Self::string_end`], for what handlebars takes as a string in a list.
    fn strict_string_end(&self, start: usize) -> Option<usize> {
        let end = self.string_end(start);
        let mut inner = self.bytes.get(start + 1..end)?.iter();
        while let Some(byte) = inner.next() {
            if *byte != b'\\' {
                continue;
            }
            match inner.next()? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    let digits = inner.as_slice().get(..4)?;
                    digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                }
                _ => return None,
            }
        }
        (end < self.bytes.len()).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn is_deep(most: usize, text: &str) -> bool {
        scan(most, text).is_some()
    }

    fn nested(open: &str, times: usize, close: &str) -> String {
        format!("{}x{}", open.repeat(times), close.repeat(times))
    }

    #[test]
    fn nesting_is_counted_however_it_is_written() {
        for (open, close) in [
            ("{{#if a}}", "{{/if}}"),
            ("{{ #if a}}", "{{/if}}"),
            ("{{~ \n#if a}}", "{{/if}}"),
            ("{{#if \"}}\"}}", "{{/if}}"),
            ("{{#if labels.[it's]}}", "{{/if}}"),
            ("{{! it's }}{{#if a}}", "{{/if}}"),
            ("{{!-- }} \" --}}{{#if a}}", "{{/if}}"),
            ("{{!\u{a0}-- }}{{#if a}}", "{{/if}}"),
            ("{{[\"]}}{{#if a}}", "{{/if}}"),
            ("{{len [a \"]}}{{#if a}}", "{{/if}}"),
            ("{{len [a \"] \" [}} \"}}{{#if a}}", "{{/if}}"),
            ("{{len (len [a \"])}}{{#if a}}", "{{/if}}"),
            ("{{len x=[a \"]}}{{#if a}}", "{{/if}}"),
            ("{{len @['] ./[']}}{{#if a}}", "{{/if}}"),
            ("{{> [\"] }}{{#if a}}", "{{/if}}"),
            ("\\{{ ' {{#if a}}", "{{/if}}"),
        ] {
            assert_eq!(refused(&nested(open, 32, close)), None, "{open}");
            assert!(refused(&nested(open, 33, close)).is_some(), "{open}");
        }
    }

    #[test]
    fn calls_lists_and_maps_are_counted_past_strings() {
        for (open, close) in [
            ("(not ", ")"),
            ("(eq \"}}\" ", ")"),
            ("(eq \")\\\")\" ", ")"),
            ("(eq ')' ", ")"),
            ("[", "]"),
            ("{\"a\": ", "}"),
            ("[\"]]\", ", "]"),
        ] {
            let tag = |times| format!("{{{{len {}}}}}", nested(open, times, close));
            assert_eq!(refused(&tag(32)), None, "{open}");
            assert!(refused(&tag(33)).is_some(), "{open}");
        }
    }

    #[test]
    fn a_chain_of_else_nests_until_its_block_ends() {
        for link in ["{{else if b}}", "{{ else if b}}", "{{~^if b}}"] {
            let chain = |times: usize| format!("{{{{#if a}}}}{}{{{{/if}}}}", link.repeat(times));
            assert_eq!(refused(&chain(31).repeat(3)), None, "{link}");
            assert!(refused(&chain(32)).is_some(), "{link}");
        }
    }

    /// How deep the blocks of a compiled template, or the calls and lists in it, nest.
    fn depth(template: &Template) -> usize {
        let within = |template: &Option<Template>| template.as_ref().map_or(0, depth);
        let element = |element: &TemplateElement| match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                depth_of_call(call)
            }
            TemplateElement::HelperBlock(call) => {
                (1 + within(&call.template)).max(1 + within(&call.inverse)).max(depth_of_call(call))
            }
            _ => 0,
        };
        template.elements.iter().map(element).max().unwrap_or_default()
    }

    fn depth_of_call(call: &HelperTemplate) -> usize {
        let arguments = call.params.iter().chain(call.hash.values()).chain([&call.name]);
        arguments.map(depth_of_argument).max().unwrap_or_default()
    }

    fn depth_of_argument(argument: &Parameter) -> usize {
        match argument {
            Parameter::Subexpression(call) => match call.as_element() {
                TemplateElement::Expression(call) => 1 + depth_of_call(call),
                _ => 1,
            },
            Parameter::Literal(value) => depth_of_value(value),
            _ => 0,
        }
    }

    fn depth_of_value(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of_value).max().unwrap_or_default(),
            Value::Object(map) => 1 + map.values().map(depth_of_value).max().unwrap_or_default(),
            _ => 0,
        }
    }

    const PIECES: [&str; 40] = [
        "{{#if a}}",
        "{{/if}}",
        "{{else if b}}",
        "{{else}}",
        "{{x}}",
        "{{",
        "}}",
        "{{{",
        "}}}",
        "{{len ",
        "{{#if ",
        "(len ",
        "(",
        ")",
        "[",
        "]",
        "{\"a\":",
        "}",
        ",",
        "\"",
        "'",
        "\\",
        " ",
        "~",
        "@",
        "./",
        "a",
        "1",
        "-",
        "[\"]",
        "['b']",
        "[\"c\", 1]",
        "x=",
        "{{!-- ",
        "--}}",
        "{{! ",
        "\u{a0}",
        "{{> a ",
        "{{&",
        "as |x|",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        /// Whatever handlebars can read is counted at least as deep as it is.
        #[test]
        fn nothing_is_counted_less_deep_than_handlebars_reads_it(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..24),
        ) {
            let text = pieces.concat();
            if let Ok(template) = Template::compile(&text) {
                let depth = depth(&template);
                prop_assert!(depth == 0 || is_deep(depth - 1, &text), "{text}");
            }
        }

        /// The same, for templates that handlebars reads more often.
        #[test]
        fn no_call_is_counted_less_deep_than_handlebars_reads_it(
            arguments in prop::collection::vec(prop::sample::select(&[
                "[\"]", "[]", "\"a\"", "'b'", "(len ", ")", "[1, \"]\"]", "[a \"]", "[", "]", "{",
                "}", "{\"a\": [1]}", "x=", "@[']", "a.['b]", "true", "{{", "}}", "{{len ", "\"", "'",
            ][..]), 1..10),
        ) {
            let text = format!("{{{{len {}}}}}{{{{#if (not (not a))}}}}{{{{/if}}}}", arguments.join(" "));
            if let Ok(template) = Template::compile(&text) {
                let depth = depth(&template);
                prop_assert!(depth == 0 || is_deep(depth - 1, &text), "{text}");
            }
        }
    }

    #[test]
    fn what_stands_side_by_side_does_not_nest() {
        let text = "{{#if a}}{{{b}}}{{len [1, [2]]}}{{len labels.[a(b]}}{{else}}(({{/if}} ";
        assert_eq!(refused(&text.repeat(1_000)), None);
    }
}
