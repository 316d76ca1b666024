//! What Telegram makes of a message's text: parsed, and its formatting capped.

use serde_json::{Value, json};

use super::TextParser;
use super::params::Params;
use super::refusal::Refusal;
use crate::telegram::markup::{self, Entity, EntityKind, FormattedText};

/// Code points of the parsed text that a message may hold.
pub(super) const TEXT_LIMIT: usize = 4096;
/// Stretches of formatting that a message keeps.
const ENTITY_LIMIT: usize = 100;

/// Reads `text` and `parse_mode`. The length is left to the caller: sends and edits name it
/// differently.
pub(super) fn compose(parser: &dyn TextParser, params: &Params) -> Result<FormattedText, Refusal> {
    compose_raw(parser, params.text("text"), params)
}

/// The same for a text that another parameter holds.
pub(super) fn compose_raw(
    parser: &dyn TextParser,
    raw: &str,
    params: &Params,
) -> Result<FormattedText, Refusal> {
    if raw.len() > markup::MAX_RAW_BYTES {
        return Err(Refusal::bad("text is too long"));
    }
    let unread = || Err(Refusal::bad("the sandbox reads formatting from HTML only"));
    let mut composed = match params.text("parse_mode").to_ascii_lowercase().as_str() {
        "" | "none" if !params.text("entities").is_empty() => return unread(),
        "" | "none" => markup::parse_plain(raw).map_err(|error| Refusal::bad(error.to_string()))?,
        "html" => {
            let read = parser.parse_html(raw).map_err(|error| unparsed(&error))?;
            markup::put_in_order(read).map_err(|error| Refusal::bad(error.to_string()))?
        }
        "markdown" | "markdownv2" => return unread(),
        _ => return Err(Refusal::bad("unsupported parse_mode")),
    };
    cap_entities(&mut composed.entities);
    Ok(composed)
}

/// Whether links may be previewed, from `link_preview_options`.
pub(super) fn previews(params: &Params) -> Result<bool, Refusal> {
    match params.json::<Value>("link_preview_options") {
        None => Ok(true),
        Some(Ok(Value::Object(options))) => Ok(options.get("is_disabled") != Some(&json!(true))),
        Some(_) => Err(Refusal::bad("can't parse link preview options JSON object")),
    }
}

fn unparsed(error: &str) -> Refusal {
    const PREFIX: &str = "can't parse entities: ";
    let named = error.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
    let what = if named { &error[PREFIX.len()..] } else { error };
    Refusal::BadRequest(format!("{PREFIX}{what}"))
}

/// Drops what exceeds the cap: mere formatting before links, code and quotes.
fn cap_entities(entities: &mut Vec<Entity>) {
    if entities.len() <= ENTITY_LIMIT {
        return;
    }
    let mut order: Vec<usize> = (0..entities.len()).collect();
    order.sort_by_key(|&index| is_mere_formatting(&entities[index].kind));
    order.truncate(ENTITY_LIMIT);
    order.sort_unstable();
    *entities = order.into_iter().map(|index| entities[index].clone()).collect();
}

fn is_mere_formatting(kind: &EntityKind) -> bool {
    use EntityKind::{Bold, Italic, Spoiler, Strikethrough, Underline};
    matches!(kind, Bold | Italic | Underline | Strikethrough | Spoiler)
}

/// The formatting as the Bot API writes it.
pub(super) fn entities_json(entities: &[Entity]) -> Vec<Value> {
    entities.iter().map(entity_json).collect()
}

fn entity_json(entity: &Entity) -> Value {
    let (kind, extra) = match &entity.kind {
        EntityKind::Bold => ("bold", None),
        EntityKind::Italic => ("italic", None),
        EntityKind::Underline => ("underline", None),
        EntityKind::Strikethrough => ("strikethrough", None),
        EntityKind::Spoiler => ("spoiler", None),
        EntityKind::Code => ("code", None),
        EntityKind::Pre => ("pre", None),
        EntityKind::PreCode { language } => ("pre", Some(("language", json!(language)))),
        EntityKind::Blockquote => ("blockquote", None),
        EntityKind::ExpandableBlockquote => ("expandable_blockquote", None),
        EntityKind::TextLink { url } => ("text_link", Some(("url", json!(url)))),
        EntityKind::TextMention { user_id } => {
            let user = json!({"id": user_id, "is_bot": false, "first_name": "User"});
            ("text_mention", Some(("user", user)))
        }
        EntityKind::CustomEmoji { id } => ("custom_emoji", Some(("custom_emoji_id", json!(id)))),
        EntityKind::DateTime { unix, format } => {
            let mut value = json!({
                "type": "date_time", "offset": entity.offset, "length": entity.length,
                "unix_time": unix,
            });
            if !format.is_empty() {
                value["date_time_format"] = json!(format);
            }
            return value;
        }
    };
    let mut value = json!({"type": kind, "offset": entity.offset, "length": entity.length});
    if let Some((name, extra)) = extra {
        value[name] = extra;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bold(offset: usize, length: usize) -> Entity {
        Entity { offset, length, kind: EntityKind::Bold }
    }

    #[test]
    fn beyond_a_hundred_entities_bold_goes_before_code() {
        let code = |offset| Entity { offset, length: 1, kind: EntityKind::Code };
        let mut entities: Vec<Entity> =
            (0..60).flat_map(|i| [bold(i * 2, 1), code(i * 2)]).collect();
        cap_entities(&mut entities);
        assert_eq!(entities.len(), 100);
        let codes = entities.iter().filter(|entity| entity.kind == EntityKind::Code).count();
        assert_eq!(codes, 60);
        assert!(entities.is_sorted_by_key(|entity| entity.offset));
    }
}
