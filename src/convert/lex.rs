//! Go's template syntax, cut into text, comments and the tokens of actions.

use super::fault::Fault;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// What a template consists of, in order. Trim markers are already obeyed.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Comment(String),
    Action(Action),
}

/// What stands between `{{` and `}}`.
#[derive(Debug, PartialEq)]
pub(super) struct Action {
    /// Bytes from the start of the template.
    pub at: usize,
    pub end: usize,
    pub tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// Bytes from the start of the template.
    pub at: usize,
    pub end: usize,
    pub kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Dot,
    /// `.Name`
    Field(String),
    /// `$name`, without the sign
    Variable(String),
    Word(String),
    Text(String),
    /// Written as JSON has it.
    Number(String),
    Open,
    Close,
    Pipe,
    Comma,
    Declare,
    Assign,
}

/// Cuts a template into pieces.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim = false;
    while let Some(found) = source[at..].find(OPEN) {
        let start = at + found;
        let inner = start + OPEN.len();
        let trims_before =
            source[inner..].starts_with('-') && source[inner + 1..].starts_with(is_space);
        text(&mut pieces, &source[at..start], trim, trims_before);
        let inner = if trims_before { inner + 2 } else { inner };
        (at, trim) = if source[inner..].starts_with("/*") {
            comment(&mut pieces, source, start, inner)?
        } else {
            let mut lexer = Lexer { source, at: inner, tokens: Vec::new() };
            let (end, trims) = lexer.action(start)?;
            pieces.push(Piece::Action(Action { at: start, end, tokens: lexer.tokens }));
            (end, trims)
        };
    }
    text(&mut pieces, &source[at..], trim, false);
    Ok(pieces)
}

fn text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start_matches(is_space) } else { text };
    let text = if trim_end { text.trim_end_matches(is_space) } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Where the comment ends, and whether it trims what follows.
fn comment(
    pieces: &mut Vec<Piece>,
    source: &str,
    start: usize,
    inner: usize,
) -> Result<(usize, bool), Fault> {
    let said = &source[inner + 2..];
    let length = said.find("*/").ok_or_else(|| Fault::new(start, "the comment has no end"))?;
    let end = inner + 2 + length + 2;
    let (end, trims) = closed(source, end)
        .ok_or_else(|| Fault::new(start, "the comment ends before the closing }}"))?;
    pieces.push(Piece::Comment(said[..length].trim().to_owned()));
    Ok((end, trims))
}

/// Whether an action ends at `at`: where behind it the text goes on, and whether it is trimmed.
fn closed(source: &str, at: usize) -> Option<(usize, bool)> {
    let rest = &source[at..];
    if rest.starts_with(CLOSE) {
        return Some((at + CLOSE.len(), false));
    }
    let trims = rest.starts_with(is_space) && rest[1..].starts_with("-}}");
    trims.then_some((at + 4, true))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Reads to the end of the action that began at `start`.
    fn action(&mut self, start: usize) -> Result<(usize, bool), Fault> {
        loop {
            if let Some(end) = closed(self.source, self.at) {
                return Ok(end);
            }
            let Some(next) = self.rest().chars().next() else {
                return Err(Fault::new(start, "the action has no closing }}"));
            };
            let at = self.at;
            if is_space(next) {
                self.at += 1;
                continue;
            }
            let kind = self.token(next)?;
            self.tokens.push(Token { at, end: self.at, kind });
        }
    }

    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn token(&mut self, next: char) -> Result<TokenKind, Fault> {
        let behind = self.rest()[next.len_utf8()..].chars().next();
        match next {
            '(' => Ok(self.sign(1, TokenKind::Open)),
            ')' => Ok(self.sign(1, TokenKind::Close)),
            '|' => Ok(self.sign(1, TokenKind::Pipe)),
            ',' => Ok(self.sign(1, TokenKind::Comma)),
            '=' => Ok(self.sign(1, TokenKind::Assign)),
            ':' if behind == Some('=') => Ok(self.sign(2, TokenKind::Declare)),
            '"' | '\'' => self.quoted(next),
            '`' => self.raw(),
            '.' if behind.is_some_and(|behind| behind.is_ascii_digit()) => self.number(),
            '+' | '-' if behind.is_some_and(|behind| behind == '.' || behind.is_ascii_digit()) => {
                self.number()
            }
            '.' => {
                self.at += 1;
                let name = self.word();
                self.ends_well()?;
                Ok(if name.is_empty() { TokenKind::Dot } else { TokenKind::Field(name) })
            }
            '$' => {
                self.at += 1;
                let name = self.word();
                self.ends_well()?;
                Ok(TokenKind::Variable(name))
            }
            digit if digit.is_ascii_digit() => self.number(),
            letter if is_word(letter) => {
                let word = self.word();
                self.ends_well()?;
                Ok(TokenKind::Word(word))
            }
            other => Err(Fault::new(self.at, format!("{other:?} has no meaning here"))),
        }
    }

    fn sign(&mut self, length: usize, kind: TokenKind) -> TokenKind {
        self.at += length;
        kind
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        let word = rest[..length].to_owned();
        self.at += length;
        word
    }

    /// A name must be followed by what can't belong to it.
    fn ends_well(&self) -> Result<(), Fault> {
        match self.rest().chars().next() {
            Some(next) if !is_space(next) && !".,|:=()}".contains(next) => {
                Err(Fault::new(self.at, format!("{next:?} can't stand behind a name")))
            }
            _ => Ok(()),
        }
    }

    fn raw(&mut self) -> Result<TokenKind, Fault> {
        let start = self.at + 1;
        let length = self.source[start..]
            .find('`')
            .ok_or_else(|| Fault::new(self.at, "the text has no closing `"))?;
        self.at = start + length + 1;
        Ok(TokenKind::Text(self.source[start..start + length].replace('\r', "")))
    }

    /// A text in double quotes, or one character in single ones, which is a number.
    fn quoted(&mut self, quote: char) -> Result<TokenKind, Fault> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let unterminated = || Fault::new(start, format!("the text has no closing {quote}"));
            let next = self.rest().chars().next().ok_or_else(unterminated)?;
            self.at += next.len_utf8();
            match next {
                '\n' => return Err(unterminated()),
                '\\' => self.escape(start, quote, &mut bytes)?,
                next if next == quote => break,
                next => bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if quote == '"' {
            return Ok(TokenKind::Text(text));
        }
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(one), None) => Ok(TokenKind::Number(u32::from(one).to_string())),
            _ => Err(Fault::new(start, "single quotes hold one character; use double ones")),
        }
    }

    fn escape(&mut self, start: usize, quote: char, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        let bad = || Fault::new(start, "the text has an escape that Go does not know");
        let next = self.rest().chars().next().ok_or_else(bad)?;
        self.at += next.len_utf8();
        let simple = match next {
            'a' => b'\x07',
            'b' => b'\x08',
            'f' => b'\x0c',
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => b'\x0b',
            '\\' => b'\\',
            next if next == quote => quote as u8,
            'x' => u8::try_from(self.digits(2, 16).ok_or_else(bad)?).map_err(|_| bad())?,
            '0'..='7' => {
                self.at -= 1;
                u8::try_from(self.digits(3, 8).ok_or_else(bad)?).map_err(|_| bad())?
            }
            'u' | 'U' => {
                let length = if next == 'u' { 4 } else { 8 };
                let code = self.digits(length, 16).ok_or_else(bad)?;
                let character = char::from_u32(code).ok_or_else(bad)?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(bad()),
        };
        bytes.push(simple);
        Ok(())
    }

    fn digits(&mut self, length: usize, radix: u32) -> Option<u32> {
        let digits = self.rest().get(..length).filter(|digits| !digits.starts_with('+'))?;
        let number = u32::from_str_radix(digits, radix).ok()?;
        self.at += length;
        Some(number)
    }

    fn number(&mut self) -> Result<TokenKind, Fault> {
        let start = self.at;
        let rest = self.rest();
        let mut previous = ' ';
        let length = rest
            .find(|character: char| {
                let exponent = matches!(previous, 'e' | 'E' | 'p' | 'P' | ' ');
                let belongs = is_word(character)
                    || character == '.'
                    || (exponent && matches!(character, '+' | '-'));
                previous = character;
                !belongs
            })
            .unwrap_or(rest.len());
        let written = rest[..length].to_owned();
        self.at += length;
        number(&written)
            .map(TokenKind::Number)
            .ok_or_else(|| Fault::new(start, format!("{written} is no number")))
    }
}

/// A number of Go's as JSON writes it.
fn number(written: &str) -> Option<String> {
    let (sign, digits) = match written.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", written.strip_prefix('+').unwrap_or(written)),
    };
    let digits = digits.replace('_', "").to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            let number = u64::from_str_radix(digits, radix).ok()?;
            return Some(format!("{sign}{number}"));
        }
    }
    if digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let radix = if digits.len() > 1 && digits.starts_with('0') { 8 } else { 10 };
        return Some(format!("{sign}{}", u64::from_str_radix(&digits, radix).ok()?));
    }
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
    // The same digits without an exponent: handlebars reads only simple ones.
    Some(format!("{sign}{number}"))
}
