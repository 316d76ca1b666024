//! Keeping secrets out of everything that is printed, as a second line of defence.
//!
//! The first line are types (`secrecy::SecretString`) and errors without values. A
//! [`Scrubber`] knows every secret that was read and replaces it in what is about to be
//! written, should a dependency or a future change let one through.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use regex::{NoExpand, Regex, RegexBuilder};
use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::fmt::MakeWriter;

/// What stands in place of a secret.
pub const PLACEHOLDER: &str = "[secret]";

/// A shorter secret would black out ordinary words and numbers, so it is not looked for.
const SHORTEST: usize = 8;

/// Rotated secrets leave the list when this many newer ones have come.
const MOST: usize = 256;

/// The secrets that must not be printed. Clones share one list.
#[derive(Clone, Default)]
pub struct Scrubber(Arc<Known>);

#[derive(Default)]
struct Known {
    secrets: Mutex<VecDeque<SecretString>>,
    /// Matches any form of any secret; `None` while there is none.
    pattern: ArcSwapOption<Regex>,
}

impl Scrubber {
    /// A scrubber that knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret of at least 8 bytes; shorter ones are ignored.
    ///
    /// # Panics
    /// Never: a choice of escaped literals is a valid pattern.
    pub fn register(&self, secret: &SecretString) {
        if secret.expose_secret().len() < SHORTEST {
            return;
        }
        let mut secrets = self.0.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if secrets.iter().any(|known| known.expose_secret() == secret.expose_secret()) {
            return;
        }
        if secrets.len() == MOST {
            secrets.pop_front();
        }
        secrets.push_back(secret.clone());
        let mut forms: Vec<String> =
            secrets.iter().flat_map(|secret| forms(secret.expose_secret())).collect();
        // The first alternative that matches wins: a secret before its own prefix.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        let pattern = RegexBuilder::new(&forms.join("|"))
            .size_limit(usize::MAX)
            .build()
            .expect("a choice of escaped literals is a valid pattern");
        self.0.pattern.store(Some(Arc::new(pattern)));
    }

    /// The text with every known secret replaced by [`PLACEHOLDER`], whether it stands there as
    /// it is, percent-encoded or escaped for JSON. Allocates only when there is one.
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &*self.0.pattern.load() {
            Some(pattern) => pattern.replace_all(text, NoExpand(PLACEHOLDER)),
            None => Cow::Borrowed(text),
        }
    }

    /// The same for an address, or what repeats a part of one: there a secret may be percent-encoded
    /// in any way. Where one is, the whole text is decoded.
    pub fn clean_address<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.contains('%')
            && let Cow::Owned(cleaned) = self.clean(&percent_decoded(text))
        {
            return Cow::Owned(cleaned);
        }
        self.clean(text)
    }

    /// A writer for logs that cleans what `inner` is about to write.
    pub fn wrap<M>(&self, inner: M) -> CleanWriter<M> {
        CleanWriter { inner, scrubber: self.clone() }
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").finish_non_exhaustive()
    }
}

/// The ways a secret may be written, as patterns. Twice escaped is a quoted text (`{:?}`) in a
/// JSON line.
fn forms(secret: &str) -> impl Iterator<Item = String> {
    let once = json_escaped(secret);
    let twice = json_escaped(&once);
    let encoded = percent_encoded(secret, |byte| format!("%{byte:02X}"));
    let lower = percent_encoded(secret, |byte| format!("%{byte:02x}"));
    [secret.to_owned(), encoded, lower, once, twice].into_iter().map(|form| regex::escape(&form))
}

/// What stands between the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Everything but RFC 3986's unreserved characters encoded, as most programs do.
fn percent_encoded(text: &str, encode: impl Fn(u8) -> String) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&encode(byte));
        }
    }
    encoded
}

/// Undoes percent-encoding; what is no UTF-8 then is replaced.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte =
            digits.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Writes what it is given, cleaned. One call must hold one whole log line, as
/// `tracing_subscriber` does it; a secret cut in two by the caller would not be seen.
#[derive(Debug)]
pub struct CleanWriter<M> {
    inner: M,
    scrubber: Scrubber,
}

impl<W: io::Write> io::Write for CleanWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.inner.write_all(self.scrubber.clean(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for CleanWriter<M> {
    type Writer = CleanWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanWriter { inner: self.inner.make_writer(), scrubber: self.scrubber.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TOKEN: &str = "123456:AAH-very_secret";

    fn scrubber(secrets: &[&str]) -> Scrubber {
        let scrubber = Scrubber::new();
        for secret in secrets {
            scrubber.register(&SecretString::from(*secret));
        }
        scrubber
    }

    #[test]
    fn every_form_of_a_secret_is_replaced() {
        let scrubber = scrubber(&[TOKEN, "with \"quotes\" and\nlines"]);
        let cleaned = scrubber.clean(
            r#"GET /bot123456:AAH-very_secret/getMe /bot123456%3AAAH-very_secret/ "with \"quotes\" and\nlines""#,
        );
        assert_eq!(cleaned, r#"GET /bot[secret]/getMe /bot[secret]/ "[secret]""#);
    }

    #[test]
    fn in_an_address_a_secret_is_found_however_it_is_encoded() {
        let scrubber = scrubber(&[TOKEN]);
        for form in ["123456%3aAAH-very_secret", "%31%32%33456:AAH%2dvery_secret", TOKEN] {
            let cleaned = scrubber.clean_address(form);
            assert_eq!(cleaned, "[secret]", "{form}");
        }
        assert_eq!(
            scrubber.clean_address("/bot%31%32%33456:AAH%2Dvery_secret%2"),
            "/bot[secret]%2"
        );
        assert!(matches!(scrubber.clean_address("/a%20b%"), Cow::Borrowed("/a%20b%")));
        assert_eq!(scrubber.clean("/123456%3aAAH-very_secret"), "/[secret]");
    }

    #[test]
    fn a_text_without_secrets_is_not_copied() {
        assert!(matches!(scrubber(&[TOKEN]).clean("alert fired"), Cow::Borrowed(_)));
        assert!(matches!(scrubber(&[]).clean("alert fired"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_secret_that_begins_like_another_leaves_no_tail() {
        let scrubber = scrubber(&["password", "password-and-more"]);
        assert_eq!(scrubber.clean("is password-and-more!"), "is [secret]!");
    }

    #[test]
    fn a_short_secret_does_not_black_out_words() {
        assert_eq!(scrubber(&["ops"]).clean("chat ops"), "chat ops");
    }

    #[test]
    fn rotated_secrets_do_not_pile_up() {
        let scrubber = Scrubber::new();
        for n in 0..300 {
            scrubber.register(&SecretString::from(format!("rotated-token-{n:03}.")));
        }
        assert_eq!(scrubber.clean("rotated-token-299. rotated-token-044."), "[secret] [secret]");
        assert_eq!(scrubber.clean("rotated-token-043."), "rotated-token-043.");
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", scrubber(&[TOKEN])).contains("secret"));
    }

    #[test]
    fn the_writer_cleans_and_counts_what_it_was_given() {
        let mut written = Vec::new();
        let line = format!("token {TOKEN}\n");
        let count = scrubber(&[TOKEN]).wrap(&mut written).write(line.as_bytes()).unwrap();
        assert_eq!(count, line.len());
        assert_eq!(written, b"token [secret]\n");
    }
}
