//! Values as handlebars writes them. Go's variables become the expressions they stand for.

use super::fault::Fault;
use crate::rendering::has_helper;

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// What a template is given by Alertmanager.
    Data,
    /// `.Alerts` of the data.
    AllAlerts,
    /// Some of the alerts.
    Alerts,
    Alert,
    /// Labels or annotations.
    Map,
    Pairs,
    Pair,
    /// A list of texts.
    Texts,
    Text,
    /// A text that is not escaped.
    Html,
    Number,
    Bool,
    Time,
    /// A duration in seconds.
    Seconds,
    Any,
}

/// Where a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The dot of a block, counted from the template's own, which is 0.
    Level(usize),
    /// The number of a round of the loop at a level.
    Index(usize),
    /// The key of a round of the loop at a level.
    Key(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Path(Place, Vec<String>),
    Text(String),
    /// As JSON writes it.
    Number(String),
    Bool(bool),
    Call(&'static str, Vec<Expression>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub expression: Expression,
    pub kind: Kind,
}

impl Value {
    pub fn new(expression: Expression, kind: Kind) -> Self {
        Self { expression, kind }
    }

    pub fn call(helper: &'static str, arguments: Vec<Expression>, kind: Kind) -> Self {
        Self::new(Expression::Call(helper, arguments), kind)
    }

    /// A part of a value, by its name there.
    pub fn part(self, name: &str, kind: Kind) -> Self {
        let expression = match self.expression {
            Expression::Path(place @ Place::Level(_), mut names) if is_path_name(name) => {
                names.push(name.to_owned());
                Expression::Path(place, names)
            }
            other => Expression::Call("lookup", vec![other, Expression::Text(name.to_owned())]),
        };
        Self { expression, kind }
    }
}

/// Whether a path can hold it; `lookup` takes the others.
fn is_path_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([']', '{', '}']) && !matches!(name, "this" | "." | "..")
}

fn is_plain(name: &str) -> bool {
    let letter = |character: char| character.is_ascii_alphabetic() || character == '_';
    name.starts_with(letter)
        && name.chars().all(|character| letter(character) || character.is_ascii_digit())
        && !matches!(name, "as" | "else" | "true" | "false" | "null")
}

impl Expression {
    /// As an argument, or as the whole of a tag when `alone`, in a block `depth` deep.
    pub fn written(&self, depth: usize, alone: bool) -> Result<String, Fault> {
        Ok(match self {
            Self::Path(place, names) => path(*place, names, depth)?,
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Number(number) => number.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Call(name, arguments) => {
                if let Some(count) = counted(name, arguments) {
                    return path(Place::Level(0), &["counts".to_owned(), count.to_owned()], depth);
                }
                let mut call = (*name).to_owned();
                for argument in arguments {
                    call.push(' ');
                    call.push_str(&argument.written(depth, false)?);
                }
                if alone { call } else { format!("({call})") }
            }
        })
    }

    /// Whether a rewriting of `self` may stand outside of the blocks deeper than `depth`.
    pub fn reaches(&self, depth: usize) -> bool {
        match self {
            Self::Path(Place::Level(level) | Place::Index(level) | Place::Key(level), _) => {
                *level <= depth
            }
            Self::Call(_, arguments) => arguments.iter().all(|argument| argument.reaches(depth)),
            _ => true,
        }
    }
}

/// How many alerts there are is known even where not all are listed: its name in `counts`.
fn counted(helper: &str, arguments: &[Expression]) -> Option<&'static str> {
    let ("len", [Expression::Path(Place::Level(0), names)]) = (helper, arguments) else {
        return None;
    };
    match names.as_slice() {
        [name] if name == "alerts" => Some("all"),
        [name] if name == "firing" => Some("firing"),
        [name] if name == "resolved" => Some("resolved"),
        _ => None,
    }
}

fn path(place: Place, names: &[String], depth: usize) -> Result<String, Fault> {
    let up = |level: usize| {
        depth
            .checked_sub(level)
            .map(|levels| "../".repeat(levels))
            .ok_or_else(|| Fault::new(0, "the value belongs to a block that has ended"))
    };
    let level = match place {
        Place::Index(level) => return Ok(format!("@{}index", up(level)?)),
        Place::Key(level) => return Ok(format!("@{}key", up(level)?)),
        Place::Level(level) => level,
    };
    let up = up(level)?;
    let written: Vec<String> = names
        .iter()
        .map(|name| if is_plain(name) { name.clone() } else { format!("[{name}]") })
        .collect();
    let is_ambiguous = up.is_empty() && names.len() == 1 && has_helper(&names[0]);
    Ok(match written.as_slice() {
        [] => format!("{up}this"),
        _ if is_ambiguous => format!("this.{}", written.join(".")),
        _ => format!("{up}{}", written.join(".")),
    })
}

/// The expression where only its truth counts.
pub(super) fn condition(expression: &Expression) -> Expression {
    use Expression::{Call, Number};
    let Call(name, arguments) = expression else { return expression.clone() };
    let is_number =
        |expression: &Expression, number: &str| matches!(expression, Number(n) if n == number);
    match (*name, arguments.as_slice()) {
        // `if gt (len .Alerts) 0` and its kin ask whether there are any.
        ("gt" | "ne", [Call("len", of), zero]) if is_number(zero, "0") => of[0].clone(),
        ("gte", [Call("len", of), one]) if is_number(one, "1") => of[0].clone(),
        ("eq" | "lte", [Call("len", of), zero]) if is_number(zero, "0") => {
            Call("not", vec![of[0].clone()])
        }
        ("lt", [Call("len", of), one]) if is_number(one, "1") => Call("not", vec![of[0].clone()]),
        ("len", [of]) => of.clone(),
        ("default", [one, other]) => Call("or", vec![condition(one), condition(other)]),
        ("choose", [test, then, otherwise]) if test == otherwise => {
            Call("and", vec![condition(test), condition(then)])
        }
        ("not", [inner]) => match condition(inner) {
            Call("not", inner) => condition(&inner[0]),
            inner => Call("not", vec![inner]),
        },
        ("and" | "or", _) => Call(name, arguments.iter().map(condition).collect()),
        _ => expression.clone(),
    }
}
