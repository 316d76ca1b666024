//! The UTF-8 matcher syntax: names and values are quoted with Go's escapes, or bare words
//! without reserved characters; matchers are separated by commas, braces are optional.

use super::{Matcher, MatcherError, Operator};

/// Characters that end a bare word.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

/// Reads a whole line.
pub(super) fn parse(line: &str) -> Result<Vec<Matcher>, MatcherError> {
    let mut scanner = Scanner { chars: line.chars().collect(), position: 0 };
    let mut matchers = Vec::new();
    let braced = scanner.accept('{');
    while !scanner.at_end() && scanner.peek() != Some('}') {
        matchers.push(scanner.matcher()?);
        if !scanner.accept(',') {
            break;
        }
    }
    if braced && !scanner.accept('}') {
        return Err(scanner.unexpected("a comma or a closing brace"));
    }
    if !scanner.at_end() {
        let expected =
            if braced { "the end of the line" } else { "a comma or the end of the line" };
        return Err(scanner.unexpected(expected));
    }
    Ok(matchers)
}

struct Scanner {
    chars: Vec<char>,
    position: usize,
}

impl Scanner {
    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.position).is_some_and(|c| c.is_whitespace()) {
            self.position += 1;
        }
        self.chars.get(self.position).copied()
    }

    fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.position += usize::from(found);
        found
    }

    fn unexpected(&mut self, expected: &'static str) -> MatcherError {
        let found = self.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
        MatcherError::Unexpected { column: self.position + 1, expected, found }
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let name = self.word("a label name")?;
        let operator = self.operator()?;
        let value = self.word("a value")?;
        Matcher::new(name, operator, value)
    }

    fn operator(&mut self) -> Result<Operator, MatcherError> {
        let first = self.peek();
        let second = self.chars.get(self.position + 1).copied();
        let (operator, width) = match (first, second) {
            (Some('='), Some('~')) => (Operator::Regex, 2),
            (Some('='), _) => (Operator::Equal, 1),
            (Some('!'), Some('=')) => (Operator::NotEqual, 2),
            (Some('!'), Some('~')) => (Operator::NotRegex, 2),
            _ => return Err(self.unexpected("one of = != =~ !~")),
        };
        self.position += width;
        Ok(operator)
    }

    fn word(&mut self, expected: &'static str) -> Result<String, MatcherError> {
        match self.peek() {
            Some('"') => self.quoted(),
            Some(c) if !is_reserved(c) => {
                let rest = &self.chars[self.position..];
                let word: String = rest.iter().take_while(|c| !is_reserved(**c)).collect();
                self.position += word.chars().count();
                Ok(word)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// A quoted word, with the escapes of a Go string. Bytes are collected, for `\xf0\x9f…`
    /// may spell one character.
    fn quoted(&mut self) -> Result<String, MatcherError> {
        let open = self.position + 1;
        self.position += 1;
        let mut bytes = Vec::new();
        loop {
            match self.next() {
                None => return Err(MatcherError::OpenQuote { column: open }),
                Some('"') => break,
                Some('\\') => self.escape(&mut bytes)?,
                Some('\n') => {
                    self.position -= 1;
                    return Err(MatcherError::Unexpected {
                        column: self.position + 1,
                        expected: "no line break inside quotes",
                        found: "one".to_owned(),
                    });
                }
                Some(c) => push(&mut bytes, c),
            }
        }
        String::from_utf8(bytes).map_err(|_| MatcherError::NotUtf8 { column: open })
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.position).copied();
        self.position += usize::from(c.is_some());
        c
    }

    /// What follows a backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), MatcherError> {
        let column = self.position;
        let start = self.position;
        let plain = match self.next() {
            Some('a') => Some(0x07),
            Some('b') => Some(0x08),
            Some('f') => Some(0x0c),
            Some('n') => Some(b'\n'),
            Some('r') => Some(b'\r'),
            Some('t') => Some(b'\t'),
            Some('v') => Some(0x0b),
            Some('\\') => Some(b'\\'),
            Some('"') => Some(b'"'),
            Some('x') => self.number(2, 16).and_then(|n| u8::try_from(n).ok()),
            Some('0'..='7') => {
                self.position -= 1;
                self.number(3, 8).and_then(|n| u8::try_from(n).ok())
            }
            Some(c @ ('u' | 'U')) => {
                let digits = if c == 'u' { 4 } else { 8 };
                if let Some(c) = self.number(digits, 16).and_then(char::from_u32) {
                    push(bytes, c);
                    return Ok(());
                }
                None
            }
            _ => None,
        };
        let Some(byte) = plain else {
            let escape = self.chars[start..].iter().take(1).collect();
            return Err(MatcherError::Escape { column, escape });
        };
        bytes.push(byte);
        Ok(())
    }

    fn number(&mut self, digits: usize, radix: u32) -> Option<u32> {
        (0..digits).try_fold(0u32, |number, _| {
            let digit = self.next()?.to_digit(radix)?;
            number.checked_mul(radix)?.checked_add(digit)
        })
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
