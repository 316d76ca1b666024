//! The chat page as it is now, in one piece: whoever takes a picture when it is loaded has all.

use axum::extract::{Query, State};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::json;

use super::{Sandbox, Shown, page, remote};
use crate::telegram::ChatId;

#[derive(Deserialize)]
pub(super) struct StillQuery {
    chat: ChatId,
}

/// Answers `GET /sandbox/still?chat=` with the page and what it would ask for. The page writes
/// its height in CSS pixels, at a phone's width, into `data-height`.
pub(super) async fn page(
    State(sandbox): State<Sandbox>,
    Query(query): Query<StillQuery>,
) -> impl IntoResponse {
    let messages: Vec<_> = sandbox.messages(query.chat).iter().map(Shown::to_json).collect();
    let mut known = remote::chats_json(&sandbox);
    known["messages"] = json!(messages);
    known["open"] = json!(query.chat);
    // A text in it must not end the element.
    let known = known.to_string().replace('<', "\\u003c");
    let still = format!("<script type=\"application/json\" id=\"still\">{known}</script>\n</body>");
    page::file("text/html; charset=utf-8", page::INDEX.replace("</body>", &still))
}
