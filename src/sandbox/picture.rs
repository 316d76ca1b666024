//! Photos, and what Telegram refuses in them.

use bytes::Bytes;

use super::refusal::Refusal;

/// The most that a photo may hold (Bot API: 10 MB).
const PHOTO_BYTES: usize = 10 << 20;
/// Width and height together (Bot API).
const PHOTO_SIDES: u32 = 10_000;
/// How many times longer than wide it may be, and the other way round (Bot API).
const PHOTO_RATIO: u32 = 20;

/// A file of a request.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) content: Bytes,
}

/// A photo that a message shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub content: Bytes,
    /// By its first bytes.
    pub content_type: &'static str,
}

/// The photo, when Telegram would take it. Dimensions are looked up in PNG files only.
pub(super) fn taken(upload: &Upload) -> Result<Picture, Refusal> {
    let content = &upload.content;
    if content.is_empty() {
        return Err(Refusal::bad("file must be non-empty"));
    }
    if content.len() > PHOTO_BYTES {
        return Err(Refusal::bad("file is too big"));
    }
    let content_type = match &content[..] {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => return Err(Refusal::bad("IMAGE_PROCESS_FAILED")),
    };
    if content_type == "image/png" {
        let side = |at: usize| {
            let bytes = content.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_be_bytes)
        };
        let (width, height) = (side(16), side(20));
        if width == 0 || height == 0 {
            return Err(Refusal::bad("IMAGE_PROCESS_FAILED"));
        }
        if width.saturating_add(height) > PHOTO_SIDES
            || width.max(height) > width.min(height).saturating_mul(PHOTO_RATIO)
        {
            return Err(Refusal::bad("PHOTO_INVALID_DIMENSIONS"));
        }
    }
    Ok(Picture { content: content.clone(), content_type })
}
