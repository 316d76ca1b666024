//! How deep a template nests, found without recursion and before it is compiled: handlebars reads
//! blocks and calls recursively, and a stack that overflows aborts the process.

/// Blocks and calls may be nested this deep.
pub(super) const MAX_DEPTH: usize = 32;

/// Where a template nests too deep, in bytes from its start.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    // For each open block the levels it takes: one, and one for each `{{else if …}}` in it, which
    // handlebars puts into the one before.
    let mut blocks: Vec<usize> = Vec::new();
    let mut levels = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        let tag = &text[start..];
        let slashes = text[at..start].bytes().rev().take_while(|byte| *byte == b'\\').count();
        at = start
            + if slashes == 1 {
                if tag.starts_with("{{{{") { 4 } else { 2 }
            } else if let Some(length) = comment(tag).or_else(|| raw_block(tag)) {
                length
            } else {
                let said = tag[2..].trim_start_matches([' ', '\t', '\r', '\n', '~']);
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
                if levels > MAX_DEPTH {
                    return Some(start);
                }
                match tag_length(tag) {
                    Ok(length) => length,
                    Err(deep) => return Some(start + deep),
                }
            };
    }
    None
}

/// The length of the comment that `tag` starts with.
fn comment(tag: &str) -> Option<usize> {
    let said = tag.strip_prefix("{{!")?;
    let long = said.trim_start().strip_prefix("--").and_then(|said| {
        let start = tag.len() - said.len();
        said.find("--}}").map(|end| start + end + 4)
    });
    long.or_else(|| tag.find("}}").map(|end| end + 2))
}

/// The length of the `{{{{raw}}}} … {{{{` that `tag` starts with.
fn raw_block(tag: &str) -> Option<usize> {
    let said = tag.strip_prefix("{{{{")?;
    let text = said.find("}}}}")? + 8;
    let end = text + tag[text..].find("{{{{")? + 4;
    Some(end + tag[end..].find("}}}}")? + 4)
}

/// The length of one tag; or where in it calls, lists and maps nest too deep.
fn tag_length(tag: &str) -> Result<usize, usize> {
    let bytes = tag.as_bytes();
    let mut open = 0usize;
    let mut at = 2;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => at = string_end(bytes, at),
            // `labels.[a name]` is a name, `["a", "b"]` a list.
            b'[' if matches!(bytes[at - 1], b'.' | b'/') => {
                at += tag[at..].find(']').unwrap_or(tag.len() - at);
            }
            b'(' | b'[' | b'{' => open += 1,
            b'}' if open == 0 && bytes.get(at + 1) == Some(&b'}') => return Ok(at + 2),
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_DEPTH {
            return Err(at);
        }
        at += 1;
    }
    Ok(tag.len())
}

/// Where the string that starts at `start` has its closing quote.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            byte if *byte == bytes[start] => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("{{{{raw}}}} {{ ' {{{{/raw}}}}{{#if a}}", "{{/if}}"),
            ("\\{{ ' {{#if a}}", "{{/if}}"),
        ] {
            assert_eq!(too_deep(&nested(open, 32, close)), None, "{open}");
            assert!(too_deep(&nested(open, 33, close)).is_some(), "{open}");
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
            assert_eq!(too_deep(&tag(32)), None, "{open}");
            assert!(too_deep(&tag(33)).is_some(), "{open}");
        }
    }

    #[test]
    fn a_chain_of_else_nests_until_its_block_ends() {
        for link in ["{{else if b}}", "{{ else if b}}", "{{~^if b}}"] {
            let chain = |times: usize| format!("{{{{#if a}}}}{}{{{{/if}}}}", link.repeat(times));
            assert_eq!(too_deep(&chain(31).repeat(3)), None, "{link}");
            assert!(too_deep(&chain(32)).is_some(), "{link}");
        }
    }

    #[test]
    fn what_stands_side_by_side_does_not_nest() {
        let text = "{{#if a}}{{{b}}}{{len [1, [2]]}}{{len labels.[a(b]}}{{else}}(({{/if}} ";
        assert_eq!(too_deep(&text.repeat(1_000)), None);
    }
}
