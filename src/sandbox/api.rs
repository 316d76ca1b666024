//! The Bot API's door: addresses, tokens, answers, and the troubles that tests asked for.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Sandbox;
use super::faults::Trouble;
use super::methods;
use super::params::Params;
use super::refusal::Refusal;
use super::state::Shared;

/// The most that a request's body may hold.
const BODY_LIMIT: usize = 16 << 20;

/// Marks a response that is never written: the connection is closed in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut;

/// Answers `/bot<token>/<method>`, and 404 for everything else.
pub(super) async fn serve(State(sandbox): State<Sandbox>, request: Request) -> Response {
    let shared = &*sandbox.shared;
    let (parts, body) = request.into_parts();
    let Some((token, method)) = address(parts.uri.path()) else {
        return answer(&Refusal::NotFound);
    };
    if parts.method != Method::GET && parts.method != Method::POST {
        return answer(&Refusal::MethodNotAllowed);
    }
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return cut();
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let read = Params::read(parts.uri.query(), content_type, &body);
    let params = read.as_ref().cloned().unwrap_or_default();

    let number = shared.arrived(method, &params);
    let trouble = shared.world().faults.meet(method, params.chat());
    match &trouble {
        Some(Trouble::DropBefore) => return cut(),
        Some(Trouble::Hang) => return std::future::pending().await,
        Some(Trouble::Answer { status, body }) => {
            return planted(shared, number, *status, body);
        }
        Some(trouble) => {
            if let Some(delay) = trouble.delay_before() {
                tokio::time::sleep(delay).await;
            }
        }
        None => {}
    }

    let outcome = match read {
        Ok(params) => methods::call(shared, &token, method, &params).await,
        Err(refusal) => Err(refusal),
    };

    match &trouble {
        Some(Trouble::DropAfter) => return cut(),
        Some(Trouble::AnswerAfter { status, body }) => {
            return planted(shared, number, *status, body);
        }
        Some(trouble) => {
            if let Some(delay) = trouble.delay_after() {
                tokio::time::sleep(delay).await;
            }
        }
        None => {}
    }
    match outcome {
        Ok(result) => {
            shared.answered(number, 200, None);
            json_response(200, &json!({"ok": true, "result": result}))
        }
        Err(refusal) => {
            let body = refusal.body();
            shared.answered(number, refusal.status(), body["description"].as_str());
            answer(&refusal)
        }
    }
}

/// The token and the method that a path names, when its token is well formed.
fn address(path: &str) -> Option<(String, &str)> {
    let (token, method) = path.strip_prefix("/bot")?.split_once('/')?;
    let token = token.replace("%3A", ":").replace("%3a", ":");
    let (id, secret) = token.split_once(':')?;
    let well_formed = !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && !secret.is_empty()
        && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (well_formed && !method.is_empty() && !method.contains('/')).then_some((token, method))
}

fn answer(refusal: &Refusal) -> Response {
    let mut response = json_response(refusal.status(), &refusal.body());
    if let Refusal::TooMany(seconds) = refusal {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

fn json_response(status: u16, body: &Value) -> Response {
    raw(status, "application/json", body.to_string())
}

/// An answer that a test put in the place of the true one.
fn planted(shared: &Shared, number: u64, status: u16, body: &str) -> Response {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let field = |name: &str| value.as_ref().and_then(|value| value.get(name));
    shared.answered(number, status, field("description").and_then(Value::as_str));
    let kind = if value.is_some() { "application/json" } else { "text/html" };
    let mut response = raw(status, kind, body.to_owned());
    let retry_after = field("parameters").and_then(|parameters| parameters.get("retry_after"));
    if let Some(seconds) = retry_after.and_then(Value::as_u64) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn raw(status: u16, kind: &'static str, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_a_token_and_a_method() {
        for (path, read) in [
            ("/bot12:a-b_C/getMe", Some(("12:a-b_C", "getMe"))),
            ("/bot12%3Aabc/getMe", Some(("12:abc", "getMe"))),
            ("/bot12abc/getMe", None),
            ("/botx:abc/getMe", None),
            ("/bot12:/getMe", None),
            ("/bot12:a b/getMe", None),
            ("/bot12:abc/", None),
            ("/bot12:abc/a/b", None),
            ("/12:abc/getMe", None),
        ] {
            let found = address(path);
            let found = found.as_ref().map(|(token, method)| (token.as_str(), *method));
            assert_eq!(found, read, "{path}");
        }
    }
}
