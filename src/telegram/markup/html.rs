//! Reading the tags: from HTML to a raw text and its entities, exactly as tdlib's
//! `parseTextEntities` reads it (version 1.8.67), with its errors.

use super::MarkupError;
use super::entity::{FormattedText, sort};
use super::tags::{self, Draft, OpenTag, fault};

/// Reads the markup without putting the text in order: control characters stay, entities may
/// overlap in ways that the server resolves later.
pub fn read_tags(html: &str) -> Result<FormattedText, MarkupError> {
    let mut reader = Reader { html: html.as_bytes(), at: 0, ..Reader::default() };
    reader.run(html)?;
    let mut entities = reader.drafts.into_iter().map(|draft| draft.entity).collect::<Vec<_>>();
    sort(&mut entities);
    Ok(FormattedText { text: reader.text, entities })
}

#[derive(Default)]
struct Reader<'a> {
    html: &'a [u8],
    at: usize,
    text: String,
    /// Length of `text` in UTF-16 units.
    units: usize,
    drafts: Vec<Draft>,
    open: Vec<OpenTag>,
    /// Half a surrogate pair was written as a numeric reference.
    broken_surrogate: bool,
}

/// What tdlib takes for a space; the end of the text reads as zero and is one.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0 | 0x0b)
}

impl Reader<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.html.get(at).copied().unwrap_or(0)
    }

    fn here(&self) -> u8 {
        self.byte(self.at)
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while wanted(self.here()) {
            self.at += 1;
        }
    }

    fn skip_spaces(&mut self) {
        self.skip_while(|byte| byte != 0 && is_space(byte));
    }

    /// The source between two positions, which both stand at ASCII characters.
    fn source(&self, from: usize, to: usize) -> String {
        String::from_utf8_lossy(&self.html[from..to]).into_owned()
    }

    fn run(&mut self, html: &str) -> Result<(), MarkupError> {
        while self.at < self.html.len() {
            match self.here() {
                b'<' if self.byte(self.at + 1) == b'/' => self.end_tag()?,
                b'<' => self.start_tag()?,
                b'&' => match self.reference() {
                    Some(code) => self.push_code(code),
                    None => self.push('&'),
                },
                _ => {
                    let rest = &html[self.at..];
                    let plain = rest.find(['<', '&']).unwrap_or(rest.len());
                    self.text.push_str(&rest[..plain]);
                    self.units += rest[..plain].encode_utf16().count();
                    self.at += plain;
                }
            }
        }
        if let Some(tag) = self.open.last() {
            return fault(format!(
                "Can't find end tag corresponding to start tag \"{}\"",
                tag.name
            ));
        }
        if self.broken_surrogate {
            return fault(
                "Text contains invalid Unicode characters after decoding HTML entities, \
                 check for unmatched surrogate code units",
            );
        }
        Ok(())
    }

    fn push(&mut self, character: char) {
        self.text.push(character);
        self.units += character.len_utf16();
        self.at += 1;
    }

    fn push_code(&mut self, code: u32) {
        let character = char::from_u32(code).unwrap_or_else(|| {
            self.broken_surrogate = true;
            char::REPLACEMENT_CHARACTER
        });
        self.text.push(character);
        self.units += character.len_utf16();
    }

    /// Reads a character reference at the `&` and steps behind it; `None` leaves the `&` as it is.
    fn reference(&mut self) -> Option<u32> {
        let start = self.at;
        let mut end = start + 1;
        let code = if self.byte(end) == b'#' {
            end += 1;
            let radix = if self.byte(end) == b'x' { 16 } else { 10 };
            if radix == 16 {
                end += 1;
            }
            let mut code = 0u32;
            while let Some(digit) = char::from(self.byte(end)).to_digit(radix) {
                code = code.wrapping_mul(radix).wrapping_add(digit);
                end += 1;
            }
            if code == 0 || code >= 0x10_ffff || end - start >= 10 {
                return None;
            }
            code
        } else {
            while self.byte(end).is_ascii_alphabetic() {
                end += 1;
            }
            match &self.html[start + 1..end] {
                b"lt" => u32::from('<'),
                b"gt" => u32::from('>'),
                b"amp" => u32::from('&'),
                b"quot" => u32::from('"'),
                _ => return None,
            }
        };
        self.at = if self.byte(end) == b';' { end + 1 } else { end };
        Some(code)
    }

    fn start_tag(&mut self) -> Result<(), MarkupError> {
        let begin = self.at;
        self.at += 1;
        self.skip_while(|byte| !is_space(byte) && byte != b'>');
        if self.here() == 0 {
            return fault(format!("Unclosed start tag at byte offset {begin}"));
        }
        let name = self.source(begin + 1, self.at).to_ascii_lowercase();
        if !tags::KNOWN.contains(&name.as_str()) {
            return fault(format!("Unsupported start tag \"{name}\" at byte offset {begin}"));
        }
        let mut tag = OpenTag::new(name, self.units, self.text.len());
        while self.here() != b'>' {
            self.skip_spaces();
            if self.here() == b'>' {
                break;
            }
            self.attribute(&mut tag, begin)?;
        }
        self.at += 1;
        if tag.is_unknown_span() {
            return fault(format!(
                "Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"
            ));
        }
        self.open.push(tag);
        Ok(())
    }

    fn attribute(&mut self, tag: &mut OpenTag, begin: usize) -> Result<(), MarkupError> {
        let start = self.at;
        self.skip_while(|byte| {
            !is_space(byte) && !matches!(byte, b'=' | b'>' | b'/' | b'"' | b'\'')
        });
        let attribute = self.source(start, self.at);
        if attribute.is_empty() {
            return fault(format!(
                "Empty attribute name in the tag \"{}\" at byte offset {begin}",
                tag.name
            ));
        }
        self.skip_spaces();
        let unclosed =
            || fault(format!("Unclosed start tag \"{}\" at byte offset {begin}", tag.name));
        if self.here() != b'=' {
            if self.here() == 0 {
                return unclosed();
            }
            if attribute == "expandable" {
                tag.set(&attribute, String::new());
            }
            return Ok(());
        }
        self.at += 1;
        self.skip_spaces();
        if self.here() == 0 {
            return unclosed();
        }
        let value = self.value()?;
        if self.here() == 0 {
            return fault(format!("Unclosed start tag at byte offset {begin}"));
        }
        tag.set(&attribute, value);
        Ok(())
    }

    fn value(&mut self) -> Result<String, MarkupError> {
        let start = self.at;
        let quote = self.here();
        if quote != b'"' && quote != b'\'' {
            self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
            if !is_space(self.here()) && self.here() != b'>' {
                return fault(format!("Unexpected end of name token at byte offset {start}"));
            }
            return Ok(self.source(start, self.at).to_ascii_lowercase());
        }
        self.at += 1;
        let mut value = Vec::new();
        while self.here() != quote && self.here() != 0 {
            if self.here() == b'&'
                && let Some(code) = self.reference()
            {
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            value.push(self.here());
            self.at += 1;
        }
        if self.here() == quote {
            self.at += 1;
        }
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    fn end_tag(&mut self) -> Result<(), MarkupError> {
        let begin = self.at;
        let Some(tag) = self.open.pop() else {
            return fault(format!("Unexpected end tag at byte offset {begin}"));
        };
        self.at += 1;
        self.skip_while(|byte| !is_space(byte) && byte != b'>');
        let name = self.source(begin + 2, self.at).to_ascii_lowercase();
        self.skip_spaces();
        if self.here() != b'>' {
            return fault(format!("Unclosed end tag at byte offset {begin}"));
        }
        self.at += 1;
        if !name.is_empty() && name != tag.name {
            return fault(format!(
                "Unmatched end tag at byte offset {begin}, expected \"</{}>\", found \"</{name}>\"",
                tag.name
            ));
        }
        if self.units > tag.offset {
            tag.close(self.units, &self.text, &mut self.drafts)?;
        }
        Ok(())
    }
}
