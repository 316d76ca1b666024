//! Regular expressions as Go reads them, written for the `regex` crate.
//!
//! Alertmanager compiles matchers with Go's `regexp`, whose syntax is RE2's. The crate's is close
//! to it but not the same: `{` is a literal where it begins no repetition, `\Q…\E` quotes, `\d`,
//! `\s`, `\w` and `\b` know ASCII only, and classes know neither nesting nor `&&`, `--` and `~~`.
//! Nearly all that Go takes is taken here and means the same (not: flags given twice or none, what
//! repeats nothing, surrogates); what it refuses is mostly refused, too. Every
//! character that is not alphanumeric is written as its number, so that none gets a meaning in
//! the crate that it has not in Go.

use std::fmt::Write as _;

/// Go's named classes, without their negation.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Translates a whole expression.
///
/// # Errors
/// Why Go would refuse it. Not every fault is found here: the crate finds the others.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut translator = Translator { rest: pattern, out: String::new() };
    while let Some(c) = translator.next() {
        match c {
            '\\' => translator.escape()?,
            '[' => translator.class()?,
            '(' => translator.group()?,
            '{' => translator.repetition(),
            ')' | '|' | '.' | '^' | '$' | '*' | '+' | '?' => translator.out.push(c),
            c => translator.literal(c),
        }
    }
    Ok(translator.out)
}

struct Translator<'p> {
    /// What is left.
    rest: &'p str,
    out: String,
}

impl<'p> Translator<'p> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Consumes `text` if it comes next.
    fn accept(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// What stands before `end`; both are consumed.
    fn until(&mut self, end: &str) -> Option<&'p str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(before)
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() || !c.is_ascii() {
            self.out.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(self.out, "\\x{{{:X}}}", u32::from(c));
        }
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        match self.peek() {
            Some('A') => self.taken("\\A"),
            Some('z') => self.taken("\\z"),
            Some('b') => self.taken("(?-u:\\b)"),
            Some('B') => self.taken("(?-u:\\B)"),
            Some('Q') => return self.quoted(),
            _ if self.set()? => {}
            _ => {
                let c = self.character()?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// Consumes one character and writes what it stands for.
    fn taken(&mut self, stands_for: &str) {
        self.next();
        self.out.push_str(stands_for);
    }

    /// `\Q…\E`. Alertmanager anchors the expression, so an open quote would hide the anchor.
    fn quoted(&mut self) -> Result<(), String> {
        self.next();
        let quoted = self.until("\\E").ok_or("\\Q has no \\E behind it")?;
        quoted.chars().for_each(|c| self.literal(c));
        Ok(())
    }

    /// A set behind a backslash (`\d`, `\pL`), in a class or outside; `false` when it is none.
    fn set(&mut self) -> Result<bool, String> {
        match self.peek() {
            Some('d') => self.taken("[0-9]"),
            Some('D') => self.taken("[^0-9]"),
            // Unlike Rust's and Perl's, without the vertical tab.
            Some('s') => self.taken("[\\t\\n\\f\\r ]"),
            Some('S') => self.taken("[^\\t\\n\\f\\r ]"),
            Some('w') => self.taken("[0-9A-Za-z_]"),
            Some('W') => self.taken("[^0-9A-Za-z_]"),
            Some('p') => self.property(false)?,
            Some('P') => self.property(true)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`.
    fn property(&mut self, negated: bool) -> Result<(), String> {
        self.next();
        let rest = self.rest;
        let name = match self.next() {
            Some('{') => self.until("}").ok_or("\\p{ has no } behind it")?,
            Some(c) => &rest[..c.len_utf8()],
            None => return Err("\\p names no set of characters".to_owned()),
        };
        let (negated, name) = match name.strip_prefix('^') {
            Some(name) => (!negated, name),
            None => (negated, name),
        };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.is_empty() {
            return Err(format!("\\p{{{name}}} is no set of characters"));
        }
        let letter = if negated { 'P' } else { 'p' };
        let _ = write!(self.out, "\\{letter}{{{name}}}");
        Ok(())
    }

    /// The one character that an escape stands for; the backslash is consumed already.
    fn character(&mut self) -> Result<char, String> {
        let Some(c) = self.next() else { return Err("it ends in a backslash".to_owned()) };
        let octal = |c: Option<char>| c.and_then(|c| c.to_digit(8));
        let number = match c {
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            // A single digit but 0 would refer to a group, which no RE2 can do.
            '1'..='7' if octal(self.peek()).is_none() => None,
            '0'..='7' => {
                let mut number = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = octal(self.peek()) else { break };
                    number = number * 8 + digit;
                    self.next();
                }
                Some(number)
            }
            'x' => self.hexadecimal(),
            c if c.is_ascii_punctuation() || c == ' ' || c.is_ascii_control() => Some(u32::from(c)),
            _ => None,
        };
        let character = number.and_then(char::from_u32);
        character.ok_or_else(|| format!("\\{c} is no escape sequence here"))
    }

    /// The number in `\x41` or `\x{1F642}`, behind the `x`.
    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = if self.accept("{") {
            self.until("}")?
        } else {
            let (digits, rest) = self.rest.split_at_checked(2)?;
            self.rest = rest;
            digits
        };
        let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
        hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())?
    }

    /// A class, behind its bracket. A `]` that comes first is a literal.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.accept("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.next() {
                None => return Err("a [ has no ] behind it".to_owned()),
                Some(']') if !first => break,
                Some('[') if self.named()? => {}
                Some('\\') if self.set()? => {}
                Some(c) => self.range(c)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]` in a class, behind its bracket; `false` when the bracket is a literal.
    fn named(&mut self) -> Result<bool, String> {
        let Some((name, rest)) = self.rest.strip_prefix(':').and_then(|rest| rest.split_once(":]"))
        else {
            return Ok(false);
        };
        if !NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("[:{name}:] is no set of characters"));
        }
        let _ = write!(self.out, "[:{name}:]");
        self.rest = rest;
        Ok(true)
    }

    /// A character in a class that begins with `c`, or a range.
    fn range(&mut self, c: char) -> Result<(), String> {
        let from = if c == '\\' { self.character()? } else { c };
        self.literal(from);
        if self.rest.starts_with("-]") || !self.accept("-") {
            return Ok(());
        }
        let to = match self.next() {
            Some('\\') => self.character()?,
            Some(to) => to,
            None => return Err("a [ has no ] behind it".to_owned()),
        };
        if to < from {
            return Err(format!("the range {from}-{to} runs backwards"));
        }
        self.out.push('-');
        self.literal(to);
        Ok(())
    }

    /// What begins with a parenthesis. Groups lose their names, which nobody asks for.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if !self.accept("?") {
            return Ok(());
        }
        if !self.rest.starts_with("<=")
            && !self.rest.starts_with("<!")
            && (self.accept("P<") || self.accept("<"))
        {
            let name = self.until(">").filter(|name| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            });
            return match name {
                Some(_) => Ok(()),
                None => Err("a group's name is letters, digits and _ between < and >".to_owned()),
            };
        }
        let end = self.rest.find([')', ':']).map_or(self.rest.len(), |at| at + 1);
        let (flags, rest) = self.rest.split_at(end);
        if let Some(c) = flags.chars().find(|c| !"imsU-:)".contains(*c)) {
            return Err(format!("(?{c} begins no group that RE2 has; its flags are i, m, s and U"));
        }
        self.rest = rest;
        let _ = write!(self.out, "?{flags}");
        Ok(())
    }

    /// `{2}`, `{2,}`, `{2,5}`; any other brace is a literal.
    fn repetition(&mut self) {
        match self.rest.split_once('}').filter(|(bounds, _)| are_bounds(bounds)) {
            Some((bounds, rest)) => {
                let _ = write!(self.out, "{{{bounds}}}");
                self.rest = rest;
            }
            None => self.literal('{'),
        }
    }
}

/// Whether the text between braces is a repetition to Go, which takes no leading zeros.
fn are_bounds(text: &str) -> bool {
    let is_number = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    match text.split_once(',') {
        None => is_number(text),
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
    }
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;
