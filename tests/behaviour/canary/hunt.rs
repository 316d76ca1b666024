//! Looking for secrets in what a program left behind, in every form they may have.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The secrets that must be nowhere, and where one was.
pub struct Hunt {
    forms: Vec<String>,
    found: Vec<String>,
    pub places: usize,
}

impl Hunt {
    pub fn for_secrets(secrets: &[&str]) -> Self {
        let forms = secrets.iter().flat_map(|secret| forms(secret)).collect();
        Self { forms, found: Vec::new(), places: 0 }
    }

    /// Looks at what was printed, served or stored at `place`.
    pub fn look(&mut self, place: &str, content: &[u8]) {
        self.places += 1;
        let text = String::from_utf8_lossy(content);
        let folded = text.to_lowercase();
        for form in &self.forms {
            let at = text.find(form.as_str()).or_else(|| folded.find(&form.to_lowercase()));
            if let Some(at) = at {
                let start = text.floor_char_boundary(at.saturating_sub(200));
                let end = text.floor_char_boundary((at + form.len() + 60).min(text.len()));
                let around = text.get(start..end).unwrap_or_default();
                self.found.push(format!("{place}, as {form}:\n  …{around}…"));
            }
        }
    }

    /// # Panics
    /// When a secret was found, with every place of it.
    pub fn end(self) {
        assert!(self.found.is_empty(), "secrets found:\n{}", self.found.join("\n"));
    }
}

/// The secret as it is, percent-encoded (only what must be, and all of it), and in base64
/// wherever in a longer text it may have stood.
fn forms(secret: &str) -> Vec<String> {
    let all = all_encoded(secret);
    let reserved: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![secret.to_owned(), all, reserved];
    for lead in 0..3 {
        let longer = [&b"xxx"[..lead], secret.as_bytes()].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&longer);
            // The characters at the ends hold bits of the neighbours.
            let first = if lead == 0 { 0 } else { 4 };
            forms.push(encoded[first..encoded.len() - 3].to_owned());
        }
    }
    forms.dedup();
    forms
}

pub fn all_encoded(secret: &str) -> String {
    secret.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "7712345678:AAH-canary_with/signs";
    for text in [
        format!("GET /bot{secret}/getMe"),
        format!("GET /bot{}/getMe", secret.replace(':', "%3A").replace('/', "%2f")),
        all_encoded(secret).to_lowercase(),
        STANDARD_NO_PAD.encode(secret),
        STANDARD_NO_PAD.encode(format!("user:{secret}!")),
        URL_SAFE_NO_PAD.encode(format!("a{secret}bc")),
    ] {
        let mut hunt = Hunt::for_secrets(&[secret]);
        hunt.look("here", text.as_bytes());
        assert_eq!(hunt.found.len().min(1), 1, "not found in {text}");
    }
    let mut hunt = Hunt::for_secrets(&[secret]);
    hunt.look("here", b"bot 7712345678 says hello");
    hunt.end();
}
