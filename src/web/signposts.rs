//! Answers for those who knocked at the wrong door.

use axum::response::{Html, Response};
use http::{Method, StatusCode, Uri};

use super::answer;

const WEBHOOK_HELP: &str = "Alertmanager posts here; in its configuration: receivers: \
    [{name: telegram, webhook_configs: [{url: http://<nabat>:9087/alertmanager}]}]";

/// `GET /`: where everything is.
pub(super) async fn landing() -> Html<&'static str> {
    Html(include_str!("landing.html"))
}

/// `POST /`: a webhook whose URL lacks its path.
pub(super) async fn post_to_root() -> Response {
    answer::error(
        StatusCode::NOT_FOUND,
        format!("nothing takes a POST at /; the webhook's path is /alertmanager. {WEBHOOK_HELP}"),
    )
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let fault = if path == "/alertmanager" || path.starts_with("/alertmanager/") {
        format!("{path} takes POST only, not {method}. {WEBHOOK_HELP}")
    } else {
        format!("{path} does not take {method}")
    };
    answer::error(StatusCode::METHOD_NOT_ALLOWED, fault)
}

pub(super) async fn unknown_path(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let hint = match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => format!("; did you mean {shorter}?"),
        _ if method == Method::POST => format!(". {WEBHOOK_HELP}"),
        _ => "; GET / lists what there is".to_owned(),
    };
    answer::error(StatusCode::NOT_FOUND, format!("there is nothing at {path}{hint}"))
}
