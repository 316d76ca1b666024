//! A request's body: how it is read, and what it may be.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BodyTrouble;
use crate::lifecycle::Tasks;

/// How much of a body is handed out as its head, in bytes: somewhat more than is kept of a refused
/// one, so that a secret that begins in what is kept is seen whole.
const HEAD: usize = 6 << 10;
/// How long, and how many caps' worth of bytes, a body that is not taken is still read, so that
/// the sender sees the answer instead of a reset connection.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_FACTOR: usize = 8;
/// How long a body that is too large by its own announcement may take to show its head.
const GLANCE: Duration = Duration::from_millis(100);
/// A body of more bytes is a large one: reading it takes half a millisecond or more. Alertmanager's
/// common ones have a few KiB.
const LARGE: usize = 256 << 10;
/// So much of all room large ones leave to the others, as a share: 16 of 128 MiB.
const FOR_SMALL: usize = 8;

/// What a request's body may be.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// In bytes.
    pub size: usize,
    /// Of all bodies at one time, in bytes. Large ones leave an eighth of it to the others; where a body
    /// of the full size needs more than they leave, there is so much more room.
    pub in_flight: usize,
    /// From the head's end to the body's.
    pub timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { size: 8 << 20, in_flight: 128 << 20, timeout: Duration::from_secs(30) }
    }
}

/// Reads bodies within their limits.
#[derive(Debug)]
pub struct Bodies {
    limits: BodyLimits,
    /// A permit for each byte.
    room: Arc<Semaphore>,
    /// The same for those of large ones.
    large: Arc<Semaphore>,
    /// Whose turn it is among large ones.
    turn: Arc<Semaphore>,
    tasks: Tasks,
}

/// A body that was read whole; its room is free again when it is dropped. The head that was handed out
/// with it shares its bytes: whoever keeps that for longer has to copy it.
#[derive(Debug)]
pub struct Held {
    /// All of it, as it came.
    pub bytes: Bytes,
    _room: Room,
}

/// The room that a body takes.
#[derive(Debug, Default)]
struct Room {
    all: Option<OwnedSemaphorePermit>,
    /// Taken when it turns out to be large.
    large: Option<OwnedSemaphorePermit>,
}

/// One large body at a time.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "dropping it ends the turn")] OwnedSemaphorePermit);

impl Bodies {
    pub fn new(limits: BodyLimits, tasks: Tasks) -> Self {
        let for_small = limits.in_flight / FOR_SMALL;
        let large = limits.size.max(limits.in_flight - for_small);
        let all = limits.in_flight.max(large.saturating_add(for_small));
        let permits = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            limits,
            room: permits(all),
            large: permits(large),
            turn: Arc::new(Semaphore::new(1)),
            tasks,
        }
    }

    /// Waits until no other large body is worked on, if this is one: what it says takes several
    /// times its room until it is stored, and a while of a processor. To be held until then.
    pub async fn turn(&self, body: &Held) -> Option<Turn> {
        if body.bytes.len() <= LARGE {
            return None;
        }
        self.turn.clone().acquire_owned().await.ok().map(Turn)
    }

    /// Reads one body. The first value is its head, at most 6 KiB, whatever became of the rest: a
    /// part of what was read, or where that is refused a copy, behind which nothing stays.
    ///
    /// Room is taken as the bytes come, not as they are announced: a sender that only promises a
    /// large body keeps nobody out.
    pub async fn read(
        &self,
        body: Body,
        headers: &HeaderMap,
    ) -> (Bytes, Result<Held, BodyTrouble>) {
        let mut gathered = Gathered::default();
        let timeout = self.limits.timeout;
        let read = tokio::time::timeout(timeout, self.collect(body, headers, &mut gathered)).await;
        let read = read.unwrap_or(Err(BodyTrouble::TooSlow(timeout)));
        if read.is_err() {
            gathered.keep_head();
        }
        let bytes = gathered.whole();
        let head = bytes.slice(..bytes.len().min(HEAD));
        (head, read.map(|room| Held { bytes, _room: room }))
    }

    async fn collect(
        &self,
        mut body: Body,
        headers: &HeaderMap,
        gathered: &mut Gathered,
    ) -> Result<Room, BodyTrouble> {
        let size = self.limits.size;
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > size) {
            self.turn_away(body, headers, gathered).await;
            return Err(BodyTrouble::TooLarge { limit: size });
        }
        let mut held = Room::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| BodyTrouble::Cut(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            let part = data.slice(..data.len().min(size - gathered.len()));
            let cut = part.len() < data.len();
            if !self.take_room(&mut held, gathered.len() + part.len()) {
                drop((part, data));
                refuse(body, size, gathered, held).await;
                return Err(BodyTrouble::NoRoom);
            }
            gathered.push(part);
            if cut {
                drop(data);
                refuse(body, size, gathered, held).await;
                return Err(BodyTrouble::TooLarge { limit: size });
            }
        }
        Ok(held)
    }

    /// Takes leave of a body that is too large by its own announcement. The answer does not wait for
    /// it: what the sender sends all the same is read beside that. One who waits for a word before it
    /// sends is given none, as reading would do.
    async fn turn_away(&self, mut body: Body, headers: &HeaderMap, gathered: &mut Gathered) {
        if headers.contains_key(header::EXPECT) {
            return;
        }
        let first = tokio::time::timeout(GLANCE, body.frame()).await;
        if let Ok(Some(Ok(frame))) = first
            && let Ok(data) = frame.into_data()
        {
            gathered.push(data);
            gathered.keep_head();
        }
        self.tasks.spawn("refused body", linger(body, self.limits.size));
    }

    /// Takes what `held` lacks for so many bytes; whether there is as much.
    fn take_room(&self, held: &mut Room, bytes: usize) -> bool {
        take(&self.room, &mut held.all, bytes)
            && (bytes <= LARGE || take(&self.large, &mut held.large, bytes))
    }
}

/// What has come of a body. Most come in one piece, which is kept as it is.
#[derive(Debug, Default)]
struct Gathered {
    first: Bytes,
    /// Everything, once there is a second piece.
    joined: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&piece);
    }

    /// Lets go of all but the head, which is kept for inspection.
    fn keep_head(&mut self) {
        let whole = std::mem::take(self).whole();
        self.first = Bytes::copy_from_slice(&whole[..whole.len().min(HEAD)]);
    }

    fn whole(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

/// Takes what `held` lacks of so many permits; whether there are as many.
fn take(from: &Arc<Semaphore>, held: &mut Option<OwnedSemaphorePermit>, permits: usize) -> bool {
    let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let lacks = u32::try_from(permits.saturating_sub(has));
    let Some(more) = lacks.ok().and_then(|lacks| from.clone().try_acquire_many_owned(lacks).ok())
    else {
        return false;
    };
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    true
}

/// Lets go of what has come of a body that is not taken, its room too, and lingers.
async fn refuse(body: Body, size: usize, gathered: &mut Gathered, held: Room) {
    gathered.keep_head();
    drop(held);
    linger(body, size).await;
}

async fn linger(body: Body, size: usize) {
    let _ = tokio::time::timeout(LINGER, discard(body, size)).await;
}

async fn discard(mut body: Body, size: usize) {
    let mut left = size.saturating_mul(LINGER_FACTOR);
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

/// Checks that the headers announce plain JSON.
///
/// # Errors
/// [`BodyTrouble::NoJson`] or [`BodyTrouble::Encoded`].
pub fn require_json(headers: &HeaderMap) -> Result<(), BodyTrouble> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    for encoding in headers.get_all(header::CONTENT_ENCODING) {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(BodyTrouble::Encoded(text(encoding)));
        }
    }
    match headers.get(header::CONTENT_TYPE) {
        Some(kind) if is_json(kind.as_bytes()) => Ok(()),
        Some(kind) => Err(BodyTrouble::NoJson(format!("{:?}", text(kind)))),
        None => Err(BodyTrouble::NoJson("missing".into())),
    }
}

/// `application/json` or `application/…+json`, with any parameters.
fn is_json(kind: &[u8]) -> bool {
    let essence = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    essence == b"application/json"
        || (essence.starts_with(b"application/") && essence.ends_with(b"+json"))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::ingest::refusal::Refusal;

    fn held(length: usize) -> Held {
        Held { bytes: vec![b' '; length].into(), _room: Room::default() }
    }

    #[tokio::test]
    async fn large_bodies_take_turns_and_others_wait_for_none_of_them() {
        let bodies = Bodies::new(BodyLimits::default(), Tasks::default());
        let (large, small) = (held(LARGE + 1), held(LARGE));
        let first = bodies.turn(&large).await;
        assert!(first.is_some());
        assert!(bodies.turn(&small).await.is_none());
        let mut second = std::pin::pin!(bodies.turn(&large));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        assert!(futures_util::poll!(&mut second).is_ready());
    }

    #[tokio::test]
    async fn large_bodies_leave_room_for_small_ones() {
        let limits = BodyLimits { size: 1 << 20, in_flight: 8 << 20, ..Default::default() };
        let bodies = Bodies::new(limits, Tasks::default());
        let read = async |length: usize| {
            let body = Body::from(vec![b' '; length]);
            bodies.read(body, &HeaderMap::new()).await.1
        };
        let mut held = Vec::new();
        for _ in 0..7 {
            held.push(read(1 << 20).await.expect("room"));
        }
        assert!(matches!(read(1 << 20).await, Err(BodyTrouble::NoRoom)), "an eighth is not theirs");
        let small = read(LARGE).await;
        assert!(small.is_ok());
        held.pop();
        assert!(read(1 << 20).await.is_ok(), "what was held is free again");
    }

    #[tokio::test]
    async fn a_body_that_is_refused_takes_no_room_while_the_rest_of_it_is_read() {
        let limits = BodyLimits { size: 1 << 20, in_flight: 1 << 20, ..Default::default() };
        let bodies = Bodies::new(limits, Tasks::default());
        let all = bodies.room.available_permits();
        let whole = Body::from(vec![b' '; 1 << 20]);
        let held = bodies.read(whole, &HeaderMap::new()).await.1.expect("room");
        let taken = bodies.room.available_permits();
        let piece = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 100 << 10]));
        let pieces = futures_util::stream::iter([piece(), piece()]);
        let endless = Body::from_stream(pieces.chain(futures_util::stream::pending()));
        let headers = HeaderMap::new();
        let mut reading = std::pin::pin!(bodies.read(endless, &headers));
        assert!(futures_util::poll!(&mut reading).is_pending(), "it lingers");
        assert_eq!(bodies.room.available_permits(), taken);
        drop(held);
        assert_eq!(bodies.room.available_permits(), all);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_body_that_is_refused_the_head_alone_stays() {
        let bodies = Bodies::new(BodyLimits::default(), Tasks::default());
        let kept: Arc<[u8]> = vec![b' '; 1 << 20].into();
        let whole = || Bytes::from_owner(kept.clone());
        let broken = futures_util::stream::iter([Ok(whole()), Err(std::io::Error::other("gone"))]);
        let slow = futures_util::stream::iter([Ok::<_, std::io::Error>(whole())]);
        let slow = Body::from_stream(slow.chain(futures_util::stream::pending()));
        let mut heads = Vec::new();
        for body in [Body::from_stream(broken), slow] {
            let (head, read) = bodies.read(body, &HeaderMap::new()).await;
            assert!(read.is_err());
            assert_eq!(head.len(), HEAD);
            heads.push(head);
        }
        assert_eq!(Arc::strong_count(&kept), 1, "no head keeps it");

        let (head, read) = bodies.read(Body::from(whole()), &HeaderMap::new()).await;
        drop(read.expect("room"));
        let answer = Refusal::Stopping.answer("unknown", &head);
        drop(head);
        assert_eq!(Arc::strong_count(&kept), 1, "no answer keeps it");
        drop(answer);
    }

    #[test]
    fn json_is_recognised_with_parameters_and_suffixes_and_nothing_else_is() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in ["", "text/plain", "application/jsonp", "text/json", "application/x-json"] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }
}
