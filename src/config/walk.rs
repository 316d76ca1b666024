//! Walking the tree of the file: typed reading that collects faults instead of stopping at the
//! first.

mod doubles;
mod places;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Environment;
use super::fault::{Fault, Faults, did_you_mean, shown};
use super::values;
use super::yaml::{self, Entry, Node, Value};

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be worked with: what it takes from its surroundings must be there.
    Work,
    /// To be looked at, perhaps on another machine: what is not there is only pointed out.
    Lint,
}

/// What the whole walk shares.
pub(crate) struct Walk<'e> {
    pub file: String,
    /// The directory that relative paths start from: the file's own, as Prometheus does it.
    pub base: PathBuf,
    pub environment: Environment<'e>,
    pub purpose: Purpose,
    pub faults: Vec<Fault>,
    pub warnings: Vec<Fault>,
    /// Where the file refers to Vault.
    pub vault_references: Vec<Place>,
    /// Where the file names severities, and which.
    pub severity_references: Vec<(Place, String)>,
}

/// Where something stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub path: String,
    pub line: Option<u64>,
}

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct At<'n> {
    pub place: Place,
    pub value: &'n Value,
}

/// A map whose keys are known.
pub(crate) struct Section<'n> {
    pub place: Place,
    entries: &'n [Entry],
    keys: &'static [&'static str],
}

impl<'n> At<'n> {
    /// The whole document.
    pub fn root(node: &'n Node) -> Self {
        Self { place: Place { path: String::new(), line: None }, value: &node.value }
    }
}

impl Place {
    pub(super) fn under(&self, key: &str, line: u64) -> Self {
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        Self { path, line: Some(line) }
    }
}

impl<'n> Section<'n> {
    /// The value of a key; an empty one counts as absent.
    pub fn get(&self, key: &str) -> Option<At<'n>> {
        debug_assert!(self.keys.contains(&key), "{key} is not declared");
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!matches!(entry.node.value, Value::Null))
            .then(|| At { place: self.place.under(key, entry.line), value: &entry.node.value })
    }
}

impl<'e> Walk<'e> {
    /// A walk that has found nothing yet; relative paths start from `base`.
    pub fn over(file: &str, base: &Path, environment: Environment<'e>) -> Self {
        Self {
            file: file.to_owned(),
            base: base.to_owned(),
            environment,
            purpose: Purpose::Work,
            faults: Vec::new(),
            warnings: Vec::new(),
            vault_references: Vec::new(),
            severity_references: Vec::new(),
        }
    }

    /// Reads the whole file. `None` only after a fault was reported.
    pub fn document<T>(
        &mut self,
        text: &str,
        read: impl FnOnce(&At<'_>, &mut Self) -> Option<T>,
    ) -> Option<T> {
        match yaml::read(text) {
            Ok(node) => read(&At::root(&node), self),
            Err((problem, line)) => {
                let place = Place { path: String::new(), line };
                self.fault(&place, format!("is no valid YAML: {problem}"), "mend the line");
                None
            }
        }
    }

    /// What was found, in the order of the file.
    pub fn into_faults(mut self) -> Faults {
        self.faults.sort_by_key(|fault| fault.line);
        Faults(self.faults)
    }
}

impl Walk<'_> {
    pub fn fault(&mut self, place: &Place, problem: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(self.note(place, problem.into(), remedy.into()));
    }

    /// Something odd that does not stop nabat.
    pub fn warn(&mut self, place: &Place, problem: impl Into<String>, remedy: impl Into<String>) {
        self.warnings.push(self.note(place, problem.into(), remedy.into()));
    }

    /// Something around the file that is not there: a fault only where it is needed.
    pub fn absent(&mut self, place: &Place, problem: impl Into<String>, remedy: impl Into<String>) {
        match self.purpose {
            Purpose::Work => self.fault(place, problem, remedy),
            Purpose::Lint => self.warn(place, problem, remedy),
        }
    }

    fn note(&self, place: &Place, problem: String, remedy: String) -> Fault {
        let Place { path, line } = place.clone();
        Fault { file: self.file.clone(), line, path, problem, remedy }
    }

    /// The value of a key that must be there.
    pub fn required<'n>(
        &mut self,
        section: &Section<'n>,
        key: &str,
        remedy: &str,
    ) -> Option<At<'n>> {
        let value = section.get(key);
        if value.is_none() {
            self.missing(section, key, remedy);
        }
        value
    }

    /// Reports that a key of `section` is not there.
    pub fn missing(&mut self, section: &Section<'_>, key: &str, remedy: &str) {
        let place = Place { line: section.place.line, ..section.place.under(key, 0) };
        self.fault(&place, "is missing", remedy);
    }

    fn wrong_type(&mut self, at: &At<'_>, wanted: &str, remedy: &str) {
        let problem = format!("must be {wanted}, but is {}", at.value.kind());
        self.fault(&at.place, problem, remedy);
    }

    /// A map with these keys. Unknown keys are reported.
    pub fn section<'n>(
        &mut self,
        at: &At<'n>,
        keys: &'static [&'static str],
    ) -> Option<Section<'n>> {
        self.hinted(at, keys, |_| None)
    }

    /// As [`Self::section`]; `hint` knows what to write instead of keys that people bring along
    /// from elsewhere.
    pub fn hinted<'n>(
        &mut self,
        at: &At<'n>,
        keys: &'static [&'static str],
        hint: impl Fn(&str) -> Option<&'static str>,
    ) -> Option<Section<'n>> {
        self.keyed(at, keys, is_plain_name, hint)
    }

    /// A map that says where a secret is: as [`Self::section`], but no unknown key is shown,
    /// for it may be the secret itself.
    pub fn secret_section<'n>(
        &mut self,
        at: &At<'n>,
        keys: &'static [&'static str],
    ) -> Option<Section<'n>> {
        self.keyed(at, keys, |_| false, |_| None)
    }

    fn keyed<'n>(
        &mut self,
        at: &At<'n>,
        keys: &'static [&'static str],
        may_show: impl Fn(&str) -> bool,
        hint: impl Fn(&str) -> Option<&'static str>,
    ) -> Option<Section<'n>> {
        let Value::Map(entries) = at.value else {
            self.wrong_type(at, "a map", &format!("its keys are {}", keys.join(", ")));
            return None;
        };
        self.doubles(at, entries, &may_show);
        for entry in entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
            let remedy = match hint(&entry.key) {
                Some(hint) => hint.to_owned(),
                None => did_you_mean(&entry.key, keys.iter().copied()),
            };
            if may_show(&entry.key) {
                self.fault(&at.place.under(&entry.key, entry.line), "unknown key", remedy);
            } else {
                let place = Place { line: Some(entry.line), ..at.place.clone() };
                self.fault(&place, "unknown key (not shown, it may be a secret)", remedy);
            }
        }
        Some(Section { place: at.place.clone(), entries, keys })
    }

    /// A map whose keys are names that the operator chose.
    pub fn named<'n>(&mut self, at: &At<'n>) -> Vec<(&'n str, At<'n>)> {
        let Value::Map(entries) = at.value else {
            self.wrong_type(at, "a map", "write a name and its settings under it");
            return Vec::new();
        };
        self.doubles(at, entries, is_plain_name);
        let mut named = Vec::new();
        for entry in entries {
            if is_plain_name(&entry.key) {
                let place = at.place.under(&entry.key, entry.line);
                named.push((entry.key.as_str(), At { place, value: &entry.node.value }));
            } else {
                let place = Place { line: Some(entry.line), ..at.place.clone() };
                let problem = format!("{} is no usable name", shown(&entry.key));
                let remedy = "use 1 to 64 of the characters A-Z a-z 0-9 _ - and .";
                self.fault(&place, problem, remedy);
            }
        }
        named
    }

    pub fn list<'n>(&mut self, at: &At<'n>) -> Vec<At<'n>> {
        let Value::List(items) = at.value else {
            self.wrong_type(at, "a list", "write it in brackets: [one, two]");
            return Vec::new();
        };
        let item = |(index, node): (usize, &'n Node)| At {
            place: Place { path: format!("{}[{index}]", at.place.path), line: Some(node.line) },
            value: &node.value,
        };
        items.iter().enumerate().map(item).collect()
    }

    pub fn text<'n>(&mut self, at: &At<'n>) -> Option<&'n str> {
        match at.value {
            Value::Text(text) if text.trim().is_empty() => {
                self.fault(&at.place, "is empty", "give it a value or leave the key out");
                None
            }
            Value::Text(text) => Some(text),
            Value::Map(_) | Value::List(_) => {
                self.wrong_type(at, "text", "write one value");
                None
            }
            _ => {
                self.wrong_type(at, "text", "put it in quotes");
                None
            }
        }
    }

    pub fn texts<'n>(&mut self, at: &At<'n>) -> Vec<(Place, &'n str)> {
        let items = self.list(at);
        items.into_iter().filter_map(|item| Some((item.place.clone(), self.text(&item)?))).collect()
    }

    pub fn boolean(&mut self, at: &At<'_>) -> Option<bool> {
        if let Value::Bool(value) = at.value {
            return Some(*value);
        }
        self.wrong_type(at, "true or false", "write it without quotes");
        None
    }

    /// A whole number of at least `least`.
    pub fn number(&mut self, at: &At<'_>, least: i64) -> Option<i64> {
        match at.value {
            Value::Integer(number) if *number >= least => Some(*number),
            Value::Integer(number) => {
                self.fault(
                    &at.place,
                    format!("{number} is too small"),
                    format!("at least {least}"),
                );
                None
            }
            _ => {
                self.wrong_type(at, "a whole number", "write it without quotes or a unit");
                None
            }
        }
    }

    /// A duration in Prometheus' notation.
    pub fn duration(&mut self, at: &At<'_>) -> Option<Duration> {
        let remedy = "write it like 30s, 2m, 1h30m, 1d or 1w";
        match at.value {
            Value::Text(text) => {
                let duration = values::duration(text);
                if duration.is_none() {
                    self.fault(&at.place, format!("{} is no duration", shown(text)), remedy);
                }
                duration
            }
            Value::Integer(0) => Some(Duration::ZERO),
            Value::Integer(number) => {
                self.fault(&at.place, format!("{number} has no unit"), remedy);
                None
            }
            _ => {
                self.wrong_type(at, "a duration", remedy);
                None
            }
        }
    }

    /// A duration that is not zero.
    pub fn pause(&mut self, at: &At<'_>) -> Option<Duration> {
        let duration = self.duration(at)?;
        if duration.is_zero() {
            self.fault(&at.place, "must be longer than zero", "leave it out for the default");
            return None;
        }
        Some(duration)
    }

    /// A size in bytes.
    pub fn bytes(&mut self, at: &At<'_>) -> Option<u64> {
        let remedy = "write bytes or a binary unit: 512MiB, 2GiB";
        let size = match at.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text(text) => values::bytes(text),
            _ => {
                self.wrong_type(at, "a size", remedy);
                return None;
            }
        };
        if size.is_none() {
            self.fault(&at.place, "is no size", remedy);
        }
        size
    }
}

/// Whether a key can be repeated in a fault, a metric and a URL's path.
pub(crate) fn is_plain_name(key: &str) -> bool {
    (1..=64).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && shown(key).starts_with('"')
}
