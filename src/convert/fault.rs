//! What is wrong with a Go template, or can't be said in handlebars, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something at a place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes from the start of the text.
    pub at: usize,
    pub what: String,
    /// What to write instead.
    pub instead: Option<String>,
}

impl Fault {
    pub fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), instead: None }
    }

    pub fn instead(mut self, instead: impl Into<String>) -> Self {
        self.instead = Some(instead.into());
        self
    }
}

/// What could not be converted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    pub what: String,
    /// What to write instead, where that is known.
    pub instead: Option<String>,
}

impl Problem {
    pub(super) fn new(file: &Path, text: &str, fault: Fault) -> Self {
        let before = &text[..fault.at.min(text.len())];
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            what: fault.what,
            instead: fault.instead,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, what, instead } = self;
        write!(f, "{}:{line}:{column}: {what}", file.display())?;
        match instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}
