//! The sandbox without a socket: a call is a function call, so that nothing but tokio's clock and
//! the order of tasks decides when it happens.

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use secrecy::{ExposeSecret, SecretString};

use super::api::{self, Cut};
use super::state::Event;
use super::{Sandbox, Shown};
use crate::telegram::{Carrier, Failure, Hurdle, Method, Response};

/// The most that an answer may hold.
const LONGEST_ANSWER: usize = 1 << 20;

#[async_trait]
impl Carrier for Sandbox {
    /// As over HTTP, save for uploads, of which only the parameters are carried. When the future
    /// is dropped, what the call has not done yet does not happen.
    async fn carry(&self, token: &SecretString, method: &Method) -> Result<Response, Failure> {
        let lost = |why: &str| Failure::Lost { timed_out: false, why: why.into() };
        let request = Request::post(format!("/bot{}/{}", token.expose_secret(), method.name()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(method.payload().to_string()))
            .map_err(|error| Failure::NotSent(Hurdle::Connection, error.to_string()))?;
        let response = api::serve(State(self.clone()), request).await;
        if response.extensions().get::<Cut>().is_some() {
            return Err(lost("the connection was cut"));
        }
        let (parts, body) = response.into_parts();
        let retry_after = parts.headers.get(header::RETRY_AFTER);
        Ok(Response {
            status: parts.status.as_u16(),
            retry_after: retry_after.and_then(|value| value.to_str().ok()?.parse().ok()),
            body: to_bytes(body, LONGEST_ANSWER).await.map_err(|_| lost("too long an answer"))?,
        })
    }
}

/// Follows what the chats show.
#[derive(Debug)]
pub struct Changes(tokio::sync::broadcast::Receiver<Event>);

impl Sandbox {
    /// Every message as it is sent and as each edit leaves it, from now on.
    pub fn follow(&self) -> Changes {
        Changes(self.shared.events.subscribe())
    }
}

impl Changes {
    /// The next one that has happened already, oldest first.
    ///
    /// # Panics
    /// When so many have happened since the last call that some are not known any more.
    pub fn next_shown(&mut self) -> Option<Shown> {
        use tokio::sync::broadcast::error::TryRecvError;
        loop {
            match self.0.try_recv() {
                Ok(Event::Message(shown)) => return Some(*shown),
                Ok(Event::Deleted { .. } | Event::Chats) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
                Err(TryRecvError::Lagged(missed)) => panic!("{missed} changes were missed"),
            }
        }
    }
}
