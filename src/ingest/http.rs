//! `POST /alertmanager` and `POST /alertmanager/{chat}`.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json};
use serde::Serialize;

use crate::clock;
use crate::lifecycle::aside;
use crate::outbox::Fate;
use crate::routing::{ChatAlias, LaneId};

use super::books::{Sender, UNKNOWN};
use super::refusal::Refusal;
use super::{Bodies, Held, Intake, parse, require_json};

/// What the webhook's handlers work with.
#[derive(Debug)]
pub struct Door {
    /// Where what was read is taken, and whose metrics and clock the webhooks' handlers use.
    pub intake: Arc<Intake>,
    /// What reads the webhooks' bodies, and the limits that all of them share.
    pub bodies: Bodies,
}

/// The webhook's routes. What they answer is counted by [`keep_books`](super::keep_books).
pub fn router(door: Door) -> axum::Router {
    axum::Router::new()
        .route("/alertmanager", post(by_tree))
        .route("/alertmanager/", post(by_tree))
        .route("/alertmanager/{chat}", post(to_chat))
        .with_state(Arc::new(door))
}

async fn by_tree(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.receive(request, None).await
}

async fn to_chat(
    State(door): State<Arc<Door>>,
    chat: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    match chat {
        Ok(Path(chat)) => door.receive(request, Some(ChatAlias(chat))).await,
        Err(_) => Refusal::Path.answer(UNKNOWN, &[]),
    }
}

/// The answer to a webhook that was accepted.
#[derive(Debug, Serialize)]
struct Taken<'a> {
    status: &'static str,
    lanes: Vec<Told<'a>>,
}

/// What became of it in one lane.
#[derive(Debug, Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    lane: &'a LaneId,
    fate: Fate,
}

impl Door {
    async fn receive(&self, request: Request, chat: Option<ChatAlias>) -> Response {
        let began = clock::monotonic();
        let (parts, body) = request.into_parts();
        let (head, read) = self.bodies.read(body, &parts.headers).await;
        let mut source = UNKNOWN;
        let body = read.and_then(|body| require_json(&parts.headers).map(|()| body));
        let answer = match body {
            Ok(body) => self.accept(body, chat.as_ref(), &mut source).await,
            Err(trouble) => Err(trouble.into()),
        };
        let response = match answer {
            Ok(response) => response,
            Err(refusal) => refusal.answer(source, &head),
        };
        self.intake.metrics.webhook_duration.observe(began.elapsed().as_secs_f64());
        response
    }

    async fn accept(
        &self,
        body: Held,
        chat: Option<&ChatAlias>,
        source: &mut &'static str,
    ) -> Result<Response, Refusal> {
        let now = self.intake.clock.now();
        // Room and turn stay taken while it is read, even when the sender gives up meanwhile.
        let (read, _held) = match self.bodies.turn(&body).await {
            Some(turn) => {
                let reading = aside(move || (parse(&body.bytes, now), (body, Some(turn))));
                reading.await.ok_or(Refusal::Stopping)?
            }
            None => (parse(&body.bytes, now), (body, None)),
        };
        let notification = read?;
        *source = notification.group.source.as_str();
        let accepted = self.intake.take(notification, chat).await?;
        let lanes = accepted.lanes.iter().map(|(lane, fate)| Told { lane, fate: *fate }).collect();
        let answer = Json(Taken { status: "ok", lanes });
        Ok((Extension(Sender(source)), answer).into_response())
    }
}
