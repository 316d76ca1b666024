//! Telegram's own text parser: tdlib's `libtdjson.so`, called in process, offline.

use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;
use nabat::sandbox::TextParser;
use nabat::telegram::markup::{Entity, EntityKind, FormattedText};
use serde_json::{Value, json};

/// The loaded library.
#[derive(Debug)]
pub struct Tdlib {
    execute: unsafe extern "C" fn(*const c_char) -> *const c_char,
}

/// The parser; fails the test when it is not installed.
pub fn tdlib() -> &'static Tdlib {
    static LOADED: OnceLock<Tdlib> = OnceLock::new();
    LOADED.get_or_init(Tdlib::load)
}

impl Tdlib {
    #[expect(unsafe_code, reason = "tdlib is a C library")]
    fn load() -> Self {
        let path = find();
        // SAFETY: libtdjson's initialisers only set up its own state; the library is never
        // unloaded, so the function pointer stays valid.
        let execute = unsafe {
            let library = Library::new(&path)
                .unwrap_or_else(|error| panic!("can't load {}: {error}", path.display()));
            let library = Box::leak(Box::new(library));
            *library.get(b"td_execute\0").expect("libtdjson has td_execute")
        };
        let tdlib = Self { execute };
        tdlib.ask(&json!({"@type": "setLogVerbosityLevel", "new_verbosity_level": 0}));
        tdlib
    }

    #[expect(unsafe_code, reason = "tdlib is a C library")]
    fn ask(&self, request: &Value) -> Value {
        let request = CString::new(request.to_string()).expect("JSON escapes NUL");
        // SAFETY: the request is a NUL-terminated string; the answer stays valid until the next
        // call on this thread and is copied before that.
        let answer = unsafe { CStr::from_ptr((self.execute)(request.as_ptr())).to_owned() };
        serde_json::from_slice(answer.to_bytes()).expect("tdlib answers JSON")
    }

    /// `parseTextEntities` with `parse_mode` HTML: the markup read, nothing cleaned yet.
    pub fn parse_html(&self, html: &str) -> Result<FormattedText, String> {
        formatted(&self.ask(&json!({
            "@type": "parseTextEntities", "text": html, "parse_mode": {"@type": "textParseModeHTML"}
        })))
    }

    /// What tdlib keeps of a text with entities: cleaned, nested, untrimmed. The text must hold
    /// no Markdown, because the function behind it reads that too.
    pub fn put_in_order(&self, html: &str) -> FormattedText {
        let raw = self.ask(&json!({
            "@type": "parseTextEntities", "text": html, "parse_mode": {"@type": "textParseModeHTML"}
        }));
        formatted(&self.ask(&json!({"@type": "parseMarkdown", "text": raw})))
            .expect("a parsed text can be put in order")
    }

    /// What Telegram finds in a plain `text` of its own accord, but for times: those mean
    /// something only below a video.
    pub fn find(&self, text: &str) -> Vec<Found> {
        let answer = self.ask(&json!({"@type": "getTextEntities", "text": text}));
        let units: Vec<u16> = text.encode_utf16().collect();
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        answer["entities"]
            .as_array()
            .expect("entities")
            .iter()
            .map(|entity| {
                let offset = number(&entity["offset"]).expect("an offset");
                let length = number(&entity["length"]).expect("a length");
                Found {
                    kind: entity["type"]["@type"].as_str().expect("a type").to_owned(),
                    offset,
                    length,
                    text: String::from_utf16_lossy(&units[offset..offset + length]),
                }
            })
            .filter(|found| found.kind != "textEntityTypeMediaTimestamp")
            .collect()
    }
}

/// What Telegram makes of a stretch of plain text, with tdlib's name for it.
#[derive(Debug)]
pub struct Found {
    pub kind: String,
    /// In UTF-16 units, as `length`.
    pub offset: usize,
    pub length: usize,
    pub text: String,
}

impl TextParser for &'static Tdlib {
    fn parse_html(&self, html: &str) -> Result<FormattedText, String> {
        Tdlib::parse_html(self, html)
    }
}

/// `NABAT_TDJSON`, or what `scripts/setup-test-peers.sh` installed.
fn find() -> PathBuf {
    if let Some(path) = std::env::var_os("NABAT_TDJSON") {
        return path.into();
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-peers/tdlib");
    find_below(&installed).unwrap_or_else(|| {
        panic!("libtdjson.so is not below {}: run scripts/setup-test-peers.sh", installed.display())
    })
}

fn find_below(directory: &Path) -> Option<PathBuf> {
    let entries: Vec<_> =
        std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    entries
        .iter()
        .find(|path| path.file_name().is_some_and(|name| name == "libtdjson.so"))
        .cloned()
        .or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find_below(path)))
}

fn formatted(answer: &Value) -> Result<FormattedText, String> {
    if answer["@type"] == "error" {
        return Err(answer["message"].as_str().expect("errors have a message").to_owned());
    }
    let entities = answer["entities"].as_array().expect("a formatted text has entities");
    Ok(FormattedText {
        text: answer["text"].as_str().expect("a formatted text has a text").to_owned(),
        entities: entities.iter().map(entity).collect(),
    })
}

fn entity(entity: &Value) -> Entity {
    let number = |name: &str| entity[name].as_u64().and_then(|n| usize::try_from(n).ok());
    Entity {
        offset: number("offset").expect("an offset"),
        length: number("length").expect("a length"),
        kind: kind(&entity["type"]),
    }
}

fn kind(kind: &Value) -> EntityKind {
    let text = |name: &str| kind[name].as_str().unwrap_or_default().to_owned();
    match kind["@type"].as_str().expect("an entity has a type") {
        "textEntityTypeBold" => EntityKind::Bold,
        "textEntityTypeItalic" => EntityKind::Italic,
        "textEntityTypeUnderline" => EntityKind::Underline,
        "textEntityTypeStrikethrough" => EntityKind::Strikethrough,
        "textEntityTypeSpoiler" => EntityKind::Spoiler,
        "textEntityTypeCode" => EntityKind::Code,
        "textEntityTypePre" => EntityKind::Pre,
        "textEntityTypePreCode" => EntityKind::PreCode { language: text("language") },
        "textEntityTypeBlockQuote" => EntityKind::Blockquote,
        "textEntityTypeExpandableBlockQuote" => EntityKind::ExpandableBlockquote,
        "textEntityTypeTextUrl" => EntityKind::TextLink { url: text("url") },
        "textEntityTypeMentionName" => {
            EntityKind::TextMention { user_id: kind["user_id"].as_i64().expect("a user id") }
        }
        "textEntityTypeCustomEmoji" => EntityKind::CustomEmoji { id: text("custom_emoji_id") },
        "textEntityTypeDateTime" => EntityKind::DateTime {
            unix: kind["unix_time"].as_i64().expect("a time"),
            format: date_format(&kind["formatting_type"]),
        },
        other => panic!("unexpected entity type {other}"),
    }
}

/// tdlib tells what a format means, not how it was spelled.
fn date_format(format: &Value) -> String {
    if format["@type"] == "dateTimeFormattingTypeRelative" {
        return "r".to_owned();
    }
    let short = |part: &str| format[part]["@type"] == "dateTimePartPrecisionShort";
    let long = |part: &str| format[part]["@type"] == "dateTimePartPrecisionLong";
    [
        (format["show_day_of_week"] == true, 'w'),
        (short("date_precision"), 'd'),
        (long("date_precision"), 'D'),
        (short("time_precision"), 't'),
        (long("time_precision"), 'T'),
    ]
    .into_iter()
    .filter_map(|(said, letter)| said.then_some(letter))
    .collect()
}
