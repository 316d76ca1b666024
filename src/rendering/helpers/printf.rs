//! `printf` and `print`, as Go has them: a verb that does not fit its value is shown as Go shows
//! it, for a message with an odd word in it is better than none.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use handlebars::Handlebars;
use serde_json::Value;

use super::{Arguments, Fault, function, text_of};

/// The widest that one value is filled up to, or the most digits it is given.
const MOST: usize = 200;

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "printf", printf);
    function(handlebars, "print", |arguments| {
        let mut text = String::new();
        let mut after_text = true;
        for value in &arguments.values {
            // Go puts spaces only between two values of which neither is a text.
            if !(after_text || value.is_string()) {
                text.push(' ');
            }
            after_text = value.is_string();
            text.push_str(&shown(value));
        }
        Ok(text.into())
    });
}

/// What stands between `%` and the verb.
#[derive(Debug, Default)]
struct Layout {
    left: bool,
    plus: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl Layout {
    fn read(format: &mut Peekable<Chars<'_>>) -> Self {
        let mut layout = Self::default();
        while let Some(flag) = format.next_if(|flag| matches!(flag, '-' | '+' | '0' | ' ' | '#')) {
            match flag {
                '-' => layout.left = true,
                '+' => layout.plus = true,
                '0' => layout.zeros = true,
                _ => {}
            }
        }
        layout.width = digits(format).unwrap_or_default();
        if format.next_if_eq(&'.').is_some() {
            layout.precision = Some(digits(format).unwrap_or_default());
        }
        layout
    }

    fn number(&self, value: f64, show: impl Fn(f64) -> String) -> String {
        let digits = show(value.abs());
        let sign = match value.is_sign_negative() {
            true => "-",
            false if self.plus => "+",
            false => "",
        };
        if self.zeros && !self.left {
            let width = self.width.saturating_sub(sign.len());
            return format!("{sign}{digits:0>width$}");
        }
        self.filled(&format!("{sign}{digits}"))
    }

    fn filled(&self, text: &str) -> String {
        let width = self.width;
        if self.left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }

    /// A text, cut to the precision.
    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }
}

fn digits(format: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = format.peek().and_then(|next| next.to_digit(10)) {
        format.next();
        let digit = usize::try_from(digit).unwrap_or_default();
        number = Some((number.unwrap_or(0) * 10 + digit).min(MOST));
    }
    number
}

/// `printf format values…`
fn printf(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let format = arguments.text(0);
    let mut format = format.chars().peekable();
    let mut values = arguments.values.iter().copied().skip(1);
    let mut text = String::new();
    while let Some(next) = format.next() {
        if next != '%' {
            text.push(next);
            continue;
        }
        let layout = Layout::read(&mut format);
        match format.next() {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(verb) => match values.next() {
                Some(value) => match formatted(verb, value, &layout) {
                    Some(formatted) => text.push_str(&formatted),
                    None => {
                        let _ = write!(text, "%!{verb}({})", typed(value));
                    }
                },
                None => {
                    let _ = write!(text, "%!{verb}(MISSING)");
                }
            },
        }
        arguments.check_size(text.len())?;
    }
    let extra: Vec<String> = values.map(typed).collect();
    if !extra.is_empty() {
        let _ = write!(text, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(text.into())
}

/// One value; `None` when the verb is not for such.
fn formatted(verb: char, value: &Value, layout: &Layout) -> Option<String> {
    match (verb, value) {
        ('v', Value::Number(number)) => {
            let number = number.as_f64()?;
            Some(layout.number(number, |number| shortest(number, 21)))
        }
        ('s', Value::String(text)) => Some(layout.filled(&layout.cut(text))),
        ('v', _) | ('s', Value::Array(_) | Value::Object(_)) | ('t', Value::Bool(_)) => {
            Some(layout.filled(&shown(value)))
        }
        ('q', Value::String(text)) => {
            Some(layout.filled(&Value::from(layout.cut(text)).to_string()))
        }
        ('x', Value::String(text)) => Some(layout.filled(&hex(text))),
        ('X', Value::String(text)) => Some(layout.filled(&hex(text).to_uppercase())),
        ('d' | 'x' | 'X', Value::Number(number)) if !number.is_f64() => {
            let number = number.as_i64()?;
            let size = number.unsigned_abs();
            let digits = match verb {
                'd' => size.to_string(),
                'x' => format!("{size:x}"),
                _ => format!("{size:X}"),
            };
            let sign = if number < 0 { -1.0 } else { 1.0 };
            Some(layout.number(sign, |_| digits.clone()))
        }
        // Go is strict here too, but has no texts of numbers among its values.
        ('f' | 'F' | 'e' | 'g', Value::Number(number)) => {
            let number = number.as_f64()?;
            let precision = layout.precision.unwrap_or(6);
            Some(layout.number(number, |number| match (verb, layout.precision) {
                ('e', _) => exponential(&format!("{number:.precision$e}")),
                ('g', _) => shortest(number, 6),
                _ => format!("{number:.precision$}"),
            }))
        }
        _ => None,
    }
}

/// The fewest digits that name a number, with an exponent from `most` digits on.
fn shortest(number: f64, most: i32) -> String {
    let scientific = format!("{number:e}");
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok());
    match exponent {
        Some(exponent) if number != 0.0 && !(-4..most).contains(&exponent) => {
            exponential(&scientific)
        }
        _ => number.to_string(),
    }
}

/// Rust's `1e3` as Go's `1e+03`.
fn exponential(number: &str) -> String {
    let Some((digits, exponent)) = number.split_once('e') else { return number.to_owned() };
    let (sign, exponent) =
        exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A value as Go prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(name, _)| name.as_str());
            let pairs: Vec<String> =
                pairs.into_iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        Value::Number(number) if number.is_f64() => {
            shortest(number.as_f64().unwrap_or_default(), 21)
        }
        other => text_of(other),
    }
}

/// A value with its type, as Go shows one that does not fit.
fn typed(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "<nil>".to_owned(),
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]string",
        Value::Object(_) => "map",
    };
    format!("{kind}={}", shown(value))
}
