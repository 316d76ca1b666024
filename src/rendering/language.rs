//! The languages that nabat speaks. Each is one file, `templates/words.CODE.yml`, embedded at
//! build time; nothing else in the program knows a language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::plural::Rule;

/// Every file by its language's code, sorted.
const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/languages.rs"));

static ALL: LazyLock<BTreeMap<&str, Words>> = LazyLock::new(|| {
    let read = |text| serde_saphyr::from_str(text);
    FILES
        .iter()
        .map(|(code, text)| (*code, read(text).unwrap_or_else(|why| panic!("words.{code}: {why}"))))
        .collect()
});

/// A language of nabat's own messages. English by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(&'static str);

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    /// Which form goes with a number, for all forms but the last.
    plural: Vec<Rule>,
    pub months: [String; 12],
    pub date: String,
    pub date_with_year: String,
    pub units: Units,
    phrases: BTreeMap<String, Phrase>,
}

/// Short forms, said behind a number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Units {
    pub second: String,
    pub minute: String,
    pub hour: String,
    pub day: String,
}

/// A phrase, in the forms that go with numbers if these differ.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Phrase {
    Always(String),
    Forms(Vec<String>),
}

impl Default for Language {
    fn default() -> Self {
        Self::EN
    }
}

impl Language {
    /// English: what is spoken unless a chat asks for another, and the words another lacks.
    pub const EN: Self = Self("en");

    /// Every language, by its code.
    pub fn all() -> impl Iterator<Item = Self> {
        FILES.iter().map(|(code, _)| Self(code))
    }

    /// The codes of all languages, for messages that name them.
    pub fn codes() -> String {
        let codes: Vec<_> = Self::all().map(Self::code).collect();
        codes.join(", ")
    }

    /// The code by which templates and the configuration know it.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// The language with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::all().find(|language| language.0 == code)
    }

    pub(super) fn words(self) -> &'static Words {
        ALL.get(self.0).expect("a language is made from its file")
    }

    /// Whether its file, or else the English one, has this phrase.
    pub(super) fn has(self, phrase: &str) -> bool {
        self.phrase(phrase).is_some()
    }

    fn phrase(self, name: &str) -> Option<&'static Phrase> {
        self.words().phrases.get(name).or_else(|| Self::EN.words().phrases.get(name))
    }

    /// A phrase with `values` in the places of `{}`, `{1}`, `{2}`; a first value that is a number
    /// decides on its form. A phrase that no language has is its own name.
    pub fn say(self, phrase: &str, values: &[&str]) -> String {
        let form = match self.phrase(phrase) {
            None => phrase,
            Some(Phrase::Always(text)) => text,
            Some(Phrase::Forms(forms)) => {
                let number = values.first().and_then(|value| value.parse().ok());
                self.form(number.unwrap_or_default(), forms)
            }
        };
        fill(form, values)
    }

    /// The form that goes with `number`; the last one stands in for missing ones.
    pub(super) fn form<F: AsRef<str>>(self, number: u64, forms: &[F]) -> &str {
        let rules = &self.words().plural;
        let index = rules.iter().position(|rule| rule.holds(number)).unwrap_or(rules.len());
        forms.get(index).or(forms.last()).map_or("", AsRef::as_ref)
    }
}

/// `form` with `values` in the places of `{}`, `{1}`, `{2}`.
fn fill(form: &str, values: &[&str]) -> String {
    let mut pieces = form.split('{');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (place, rest) = piece.split_once('}').unwrap_or((piece, ""));
        filled.push_str(values.get(place.parse().unwrap_or(0_usize)).unwrap_or(&""));
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(code: &str) -> Language {
        Language::from_code(code).unwrap()
    }

    #[test]
    fn every_language_has_every_phrase_and_no_other() {
        let phrases = |language: Language| language.words().phrases.keys().collect::<Vec<_>>();
        for language in Language::all() {
            assert_eq!(phrases(language), phrases(Language::EN), "{}", language.code());
        }
    }

    #[test]
    fn every_form_of_a_phrase_has_the_places_that_english_has() {
        let forms = |phrase: &Phrase| match phrase {
            Phrase::Always(form) => vec![form.clone()],
            Phrase::Forms(forms) => forms.clone(),
        };
        let places = |form: &String| ["{}", "{1}", "{2}"].map(|place| form.contains(place));
        for language in Language::all() {
            for (name, phrase) in &language.words().phrases {
                let wanted = places(&forms(&Language::EN.words().phrases[name])[0]);
                for form in forms(phrase) {
                    assert_eq!(places(&form), wanted, "{}: {name}: {form}", language.code());
                }
            }
        }
    }

    #[test]
    fn what_is_said_agrees_with_its_number() {
        for (code, number, said) in [
            ("en", "1", "1 alert"),
            ("en", "21", "21 alerts"),
            ("ru", "1", "1 алерт"),
            ("ru", "3", "3 алерта"),
            ("ru", "5", "5 алертов"),
            ("ru", "11", "11 алертов"),
            ("ru", "12", "12 алертов"),
            ("ru", "21", "21 алерт"),
            ("ru", "104", "104 алерта"),
            ("ru", "0", "0 алертов"),
            ("kk", "1", "1 дабыл"),
            ("kk", "5", "5 дабыл"),
        ] {
            assert_eq!(language(code).say("alerts", &[number]), said);
        }
    }

    #[test]
    fn a_phrase_takes_its_values_where_the_language_wants_them() {
        assert_eq!(Language::EN.say("since", &["14:05", "12 min"]), "since 14:05 (12 min)");
        assert_eq!(Language::EN.say("since", &["{1}", "{}"]), "since {1} ({})");
        assert_eq!(language("ru").say("late", &["5 мин"]), "с опозданием: принято 5 мин назад");
        assert_eq!(language("ru").say("no such phrase", &[]), "no such phrase");
    }

    #[test]
    fn only_known_codes_are_languages() {
        assert_eq!(Language::from_code("de"), None);
        assert_eq!(Language::codes(), "en, kk, ru");
    }
}
