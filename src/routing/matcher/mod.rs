//! Matchers in Alertmanager's syntax: `severity="critical"`, `team=~"db|infra"`.
//!
//! Alertmanager has two parsers and, by default, reads every line with both: the UTF-8 parser
//! (quoted names, Go escapes) and the classic one (anything goes in an unquoted value). A line
//! that only one of them takes is taken; where both take a line and disagree, the classic one
//! is believed. nabat does the same, so a matcher can be copied from one file to the other.
//!
//! Regular expressions are Go's, too: they are translated for the `regex` crate. They are anchored
//! at both ends.

mod classic;
mod expression;
mod utf8;

use std::fmt;

use regex::{Regex, RegexBuilder};

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A condition on one label. A label that is missing is the empty string.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    operator: Operator,
    value: String,
    /// Compiled and anchored; only for the two regex operators.
    regex: Option<Regex>,
}

/// Regexes are equal when their text is.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.operator, &self.value) == (&other.name, other.operator, &other.value)
    }
}

impl Eq for Matcher {}

/// Why a line is no list of matchers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// `column` counts characters from 1.
    #[error("column {column}: expected {expected}, found {found}")]
    Unexpected { column: usize, expected: &'static str, found: String },
    #[error("column {column}: the quote is never closed")]
    OpenQuote { column: usize },
    #[error("column {column}: \\{escape} is no escape sequence (a backslash is written \\\\)")]
    Escape { column: usize, escape: String },
    #[error("column {column}: the escapes spell no valid UTF-8")]
    NotUtf8 { column: usize },
    #[error("{text:?} is no matcher; write it like severity=\"critical\"")]
    Format { text: String },
    #[error("{text:?} has a double quote that is neither escaped nor around the whole value")]
    StrayQuote { text: String },
    #[error("the regular expression {pattern:?} is not valid: {reason}")]
    Regex { pattern: String, reason: String },
}

impl Matcher {
    /// # Errors
    /// When a regex operator gets a `value` that is no regular expression.
    pub fn new(
        name: impl Into<String>,
        operator: Operator,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let value = value.into();
        let regex = match operator {
            Operator::Equal | Operator::NotEqual => None,
            Operator::Regex | Operator::NotRegex => Some(compile(&value)?),
        };
        Ok(Self { name: name.into(), operator, value, regex })
    }

    /// The label it looks at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it accepts the label's value; pass the empty string for a missing label.
    pub fn matches(&self, label: &str) -> bool {
        let regex = || self.regex.as_ref().is_some_and(|regex| regex.is_match(label));
        match self.operator {
            Operator::Equal => label == self.value,
            Operator::NotEqual => label != self.value,
            Operator::Regex => regex(),
            Operator::NotRegex => !regex(),
        }
    }
}

/// As Alertmanager prints it.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.chars().any(utf8::is_reserved) {
            write!(f, "\"{}\"", escape(&self.name))?;
        } else {
            f.write_str(&self.name)?;
        }
        write!(f, "{}\"{}\"", self.operator.as_str(), escape(&self.value))
    }
}

/// Reads one line of `matchers:`, which may hold several of them, in braces or not.
///
/// # Errors
/// When neither of the two syntaxes takes the line. The error is the UTF-8 parser's, whose
/// columns help; a bad regular expression is named as such.
pub fn parse_matchers(line: &str) -> Result<Vec<Matcher>, MatcherError> {
    match (utf8::parse(line), classic::parse(line)) {
        (_, Ok(classic)) => Ok(classic),
        (Ok(utf8), Err(_)) => Ok(utf8),
        (Err(_), Err(regex @ MatcherError::Regex { .. })) => Err(regex),
        (Err(utf8), Err(_)) => Err(utf8),
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n").replace('"', r#"\""#)
}

/// Bytes of an expression once compiled: letters of all scripts, repeated hundreds of times, fit.
const MOST_COMPILED: usize = 64 << 20;

fn compile(pattern: &str) -> Result<Regex, MatcherError> {
    let invalid = |reason: &str| MatcherError::Regex {
        pattern: pattern.to_owned(),
        reason: reason.to_owned(),
    };
    let ours = expression::translated(pattern).map_err(|reason| invalid(&reason))?;
    let compiled = |text: &str| RegexBuilder::new(text).size_limit(MOST_COMPILED).build();
    // Alone first: anchoring must not make `a)(b` valid.
    compiled(&ours).and_then(|_| compiled(&format!("^(?:{ours})$"))).map_err(|error| {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            return invalid("it becomes too large; let it repeat less often");
        }
        // The first lines of a syntax error draw the pattern; the last one says what is wrong.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim();
        invalid(reason.strip_prefix("error: ").unwrap_or(reason))
    })
}

#[cfg(test)]
mod tests;
