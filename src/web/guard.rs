//! The door that browsers of other sites must not open.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::response::Response;
use futures_util::future::Either;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use tower::Service;

use super::answer;

/// Refuses what a page of another site makes a browser send: only reading is harmless.
///
/// A service of its own and no middleware of axum's, which would clone and box the whole site for
/// every request.
#[derive(Debug, Clone)]
pub struct Guard<S> {
    site: S,
}

/// Puts the guard before a site.
pub fn guard<S>(site: S) -> Guard<S> {
    Guard { site }
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.site.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if harmless || !is_cross_site(request.uri(), request.headers()) {
            return Either::Left(self.site.call(request));
        }
        let fault = "a browser sent this on behalf of another site; nothing was done";
        Either::Right(ready(Ok(answer::error(StatusCode::FORBIDDEN, fault))))
    }
}

/// Browsers say where a request comes from; other programs send neither header.
fn is_cross_site(uri: &Uri, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    // HTTP/2 names the host in the address.
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(Authority::as_str));
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
            assert!(!is_cross_site(&Uri::from_static("/"), &headers(own)), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "http://evil.example"), ("host", "nabat:9087")],
            &[("origin", "null"), ("host", "nabat:9087")],
        ] {
            assert!(is_cross_site(&Uri::from_static("/"), &headers(foreign)), "{foreign:?}");
        }
    }

    #[test]
    fn the_host_of_http_2_is_in_the_address() {
        let at = Uri::from_static("https://nabat:9087/-/reload");
        assert!(!is_cross_site(&at, &headers(&[("origin", "https://nabat:9087")])));
        assert!(is_cross_site(&at, &headers(&[("origin", "https://evil.example")])));
    }
}
