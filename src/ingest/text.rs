//! Lenient readers for the small values of a webhook body.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::alert::Labels;

/// Reads a value that may be `null` as its default.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A word that some senders write as a number or a truth value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Text, E> {
        Ok(Text(Some(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Text, E> {
        Ok(Text(Some(value)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        Ok(Text(None))
    }
}

/// Labels or annotations; `None` when the sender left them out or sent `null`.
#[derive(Debug, Default)]
pub(super) struct TextMap(pub(super) Option<Labels>);

impl<'de> Deserialize<'de> for TextMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextMapVisitor)
    }
}

struct TextMapVisitor;

impl<'de> Visitor<'de> for TextMapVisitor {
    type Value = TextMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_unit<E: Error>(self) -> Result<TextMap, E> {
        Ok(TextMap(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TextMap, A::Error> {
        let mut labels = Labels::new();
        while let Some((name, Text(value))) = map.next_entry::<String, Text>()? {
            // `null` is as good as absent.
            if let Some(value) = value {
                labels.insert(name, value);
            }
        }
        Ok(TextMap(Some(labels)))
    }
}

/// A time as it stood in the body. What is no time is kept, to be refused with its field's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Moment {
    /// Missing, `null`, empty, or Go's zero time.
    #[default]
    Unset,
    At(Timestamp),
    Broken(String),
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time like \"2026-01-31T12:00:00Z\"")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Moment, E> {
        if value.is_empty() || value.starts_with("0001-01-01T00:00:00") {
            return Ok(Moment::Unset);
        }
        Ok(match moment(value) {
            Some(at) => Moment::At(at),
            None => Moment::Broken(value.chars().take(40).collect()),
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Moment, E> {
        Ok(Moment::Unset)
    }
}

/// A time of RFC 3339, to the nanosecond; the last hours of the year 9999, which some write for "never",
/// are as late as a time can be.
fn moment(text: &str) -> Option<Timestamp> {
    let text = shortened(text);
    let too_late = || {
        let pieces = Pieces::parse(&*text).ok()?;
        let whole = pieces.time().is_some() && pieces.offset().is_some();
        (whole && pieces.date().year() == 9999).then_some(Timestamp::MAX)
    };
    text.parse().ok().or_else(too_late)
}

/// Without the digits of a second's fraction behind the ninth.
fn shortened(text: &str) -> Cow<'_, str> {
    const DIGITS: usize = 9;
    let Some((whole, fraction)) = text.split_once('.') else { return Cow::Borrowed(text) };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits <= DIGITS {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{whole}.{}{}", &fraction[..DIGITS], &fraction[digits..]))
}

/// Whether a field is there at all, whatever it holds; `null` is not there.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}
