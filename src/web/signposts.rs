//! Answers for those who knocked at the wrong door, and the door that browsers of other sites
//! must not open.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};

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

/// Refuses what a page of another site makes a browser send: only reading is harmless.
pub(super) async fn refuse_cross_site(request: Request, next: Next) -> Response {
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if harmless || !is_cross_site(request.headers()) {
        return next.run(request).await;
    }
    let fault = "a browser sent this on behalf of another site; nothing was done";
    answer::error(StatusCode::FORBIDDEN, fault).into_response()
}

/// Browsers say where a request comes from; other programs send neither header.
fn is_cross_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (origin, host) {
        (Some((_, origin)), Some(host)) => !origin.eq_ignore_ascii_case(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
            })
            .collect()
    }

    #[test]
    fn only_browsers_on_other_sites_are_refused() {
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://nabat:9087"), ("host", "nabat:9087")],
        ] {
            assert!(!is_cross_site(&headers(own)), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "http://evil.example"), ("host", "nabat:9087")],
            &[("origin", "null"), ("host", "nabat:9087")],
        ] {
            assert!(is_cross_site(&headers(foreign)), "{foreign:?}");
        }
    }
}
