//! What is wrong with a configuration: every fault with its place and a remedy, and never a
//! value that may be a secret.

use std::fmt;

pub(super) use crate::spelling::nearest;

/// One thing that is wrong, or at least odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file it is in.
    pub file: String,
    /// From 1; `None` when it is about something that is not there.
    pub line: Option<u64>,
    /// The key (`chats.ops.id`); empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}; {}", self.problem, self.remedy)
    }
}

/// Everything that is wrong with a configuration, one a line; at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// `value` in quotes, unless it looks like a secret that strayed into the wrong place.
pub(crate) fn shown(value: &str) -> String {
    if may_be_secret(value) || value.chars().count() > 120 {
        "the value (not shown, it may be a secret)".to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Whether there is a long word in `value` that mixes letters and digits, as tokens do.
pub(super) fn may_be_secret(value: &str) -> bool {
    value
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .any(|word| word.len() >= 20 && has_letters_and_digits(word))
}

fn has_letters_and_digits(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit()) && word.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A remedy for a name that is not among `known`: the nearest one, or all of them.
pub(crate) fn did_you_mean<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
) -> String {
    match nearest(name, known.clone()) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("use one of {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_wrong_place_is_not_shown() {
        for secret in [
            "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0",
            "hvs.CAESIJlWh2o1Qp0xTqXk3yq",
            "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0/",
        ] {
            assert!(!shown(secret).contains(secret), "{secret}");
        }
    }

    #[test]
    fn ordinary_values_are_shown_in_quotes() {
        for value in ["Asia/Almati", "30 seconds", "severity=critical", "America/Argentina/Tucum"] {
            assert_eq!(shown(value), format!("\"{value}\""));
        }
    }

    #[test]
    fn a_fault_is_one_line_with_place_path_problem_and_remedy() {
        let fault = Fault {
            file: "nabat.yml".into(),
            line: Some(3),
            path: "chats.ops.timezone".into(),
            problem: "\"Asia/Almati\" is no time zone".into(),
            remedy: "did you mean \"Asia/Almaty\"?".into(),
        };
        let nowhere = Fault { line: None, path: String::new(), ..fault.clone() };
        assert_eq!(
            Faults(vec![fault, nowhere]).to_string(),
            "nabat.yml:3: chats.ops.timezone: \"Asia/Almati\" is no time zone; \
             did you mean \"Asia/Almaty\"?\n\
             nabat.yml: \"Asia/Almati\" is no time zone; did you mean \"Asia/Almaty\"?"
        );
    }
}
