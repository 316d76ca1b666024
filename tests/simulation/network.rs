//! The way to Telegram, and what goes wrong on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use nabat::sandbox::{Fault, Sandbox, Trouble};
use nabat::telegram::{Carrier, ChatId, Failure, Hurdle, Method, Response};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use secrecy::SecretString;
use serde_json::json;
use tokio::time::sleep;

/// What a whole call may take.
pub const TIMEOUT: Duration = Duration::from_secs(20);
/// In the text of a 429 that the network planted: any other is nabat's own doing.
pub const PLANTED: &str = "planted by the simulation";

/// What calls meet for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// No connection.
    Refused,
    /// The front's page for a backend that is away.
    Html,
    /// Telegram's own 500.
    Internal,
    /// Nobody answers.
    Silent,
    /// Connections break before the request took effect.
    Cut,
    /// Everything now and then.
    Flaky,
    /// 429s now and then, with and without a time.
    Crowded,
    /// Telegram's own 500 for texts that hold this and nothing else; not drawn.
    Not(&'static str),
}

impl Weather {
    pub const ALL: [Self; 7] = [
        Self::Refused,
        Self::Html,
        Self::Internal,
        Self::Silent,
        Self::Cut,
        Self::Flaky,
        Self::Crowded,
    ];
}

#[derive(Debug)]
pub struct Network {
    sandbox: Sandbox,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: StdRng,
    everywhere: Option<Weather>,
    chats: BTreeMap<ChatId, Weather>,
    /// Of a call one way, at most, in milliseconds.
    latency: u64,
    /// Calls that took effect and whose answer was lost.
    unanswered: u64,
    calls: u64,
}

/// What one call meets.
enum Fate {
    Fair,
    NoConnection,
    Trouble(Trouble),
    SlowBefore(Duration),
    SlowAfter(Duration),
}

impl Network {
    pub fn new(sandbox: Sandbox, seed: u64, latency: u64) -> Self {
        let state = State {
            random: StdRng::seed_from_u64(seed),
            everywhere: None,
            chats: BTreeMap::new(),
            latency,
            unanswered: 0,
            calls: 0,
        };
        Self { sandbox, state: Mutex::new(state) }
    }

    /// Changes what calls meet, about one chat or all.
    pub fn set(&self, chat: Option<ChatId>, weather: Option<Weather>) {
        let mut state = self.state();
        match (chat, weather) {
            (None, weather) => state.everywhere = weather,
            (Some(chat), Some(weather)) => drop(state.chats.insert(chat, weather)),
            (Some(chat), None) => drop(state.chats.remove(&chat)),
        }
    }

    pub fn clear(&self) {
        let mut state = self.state();
        state.everywhere = None;
        state.chats.clear();
    }

    /// Calls that took effect without nabat knowing: each may be made again.
    pub fn unanswered(&self) -> u64 {
        self.state().unanswered
    }

    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn meet(&mut self, chat: Option<ChatId>, method: &str, text: &str) -> Fate {
        let weather = chat.and_then(|chat| self.chats.get(&chat).copied()).or(self.everywhere);
        match weather {
            Some(Weather::Refused) => Fate::NoConnection,
            Some(Weather::Html) => Fate::Trouble(Trouble::bad_gateway()),
            Some(Weather::Internal) => Fate::Trouble(Trouble::internal_server_error()),
            Some(Weather::Silent) => Fate::Trouble(Trouble::Hang),
            Some(Weather::Cut) => Fate::Trouble(Trouble::DropBefore),
            Some(Weather::Crowded) if self.random.random_bool(0.2) => {
                Fate::Trouble(self.too_many())
            }
            Some(Weather::Flaky) if self.random.random_bool(0.4) => self.anything(method),
            Some(Weather::Not(words)) if text.contains(words) => {
                Fate::Trouble(Trouble::internal_server_error())
            }
            None | Some(Weather::Crowded | Weather::Flaky | Weather::Not(_)) => Fate::Fair,
        }
    }

    fn anything(&mut self, method: &str) -> Fate {
        let writes = matches!(method, "sendMessage" | "editMessageText");
        Fate::Trouble(match self.random.random_range(0..10) {
            0 => return Fate::NoConnection,
            1 => Trouble::internal_server_error(),
            2 => Trouble::bad_gateway(),
            3 => Trouble::DropBefore,
            4 | 5 => Trouble::DropAfter,
            6 => self.too_many(),
            7 if writes => {
                Trouble::refusal(400, "Bad Request: can't parse entities: planted in a simulation")
            }
            8 => {
                return Fate::SlowBefore(Duration::from_millis(
                    self.random.random_range(0..25_000),
                ));
            }
            _ => {
                return Fate::SlowAfter(Duration::from_millis(self.random.random_range(0..25_000)));
            }
        })
    }

    fn too_many(&mut self) -> Trouble {
        let mut body = json!({
            "ok": false, "error_code": 429, "description": format!("Too Many Requests: {PLANTED}"),
        });
        if self.random.random_bool(0.7) {
            body["parameters"] = json!({"retry_after": self.random.random_range(1..60)});
        }
        Trouble::Answer { status: 429, body: body.to_string() }
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.random_range(0..=self.latency))
    }
}

/// A call that nobody waits for any more took effect: it may be made again.
struct Unanswered<'a>(&'a Network, bool);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.state().unanswered += 1;
        }
    }
}

#[async_trait]
impl Carrier for Network {
    async fn carry(&self, token: &SecretString, method: &Method) -> Result<Response, Failure> {
        let payload = method.payload();
        let chat = payload.get("chat_id").and_then(serde_json::Value::as_i64).map(ChatId);
        let text = payload.get("text").and_then(serde_json::Value::as_str).unwrap_or_default();
        let (fate, there, back) = {
            let mut state = self.state();
            state.calls += 1;
            (state.meet(chat, method.name(), text), state.pause(), state.pause())
        };
        sleep(there).await;
        let mut late = Duration::ZERO;
        match fate {
            Fate::Fair => {}
            Fate::NoConnection => {
                return Err(Failure::NotSent(Hurdle::Connection, "simulated".into()));
            }
            Fate::SlowBefore(pause) => sleep(pause).await,
            Fate::SlowAfter(pause) => late = pause,
            Fate::Trouble(trouble) => {
                if trouble == Trouble::DropAfter {
                    self.state().unanswered += 1;
                }
                self.sandbox.inject(Fault::new(trouble));
            }
        }
        let response = self.sandbox.carry(token, method).await;
        let done = response.as_ref().is_ok_and(|response| response.status == 200);
        let mut unanswered = Unanswered(self, done);
        sleep(back + late).await;
        unanswered.1 = false;
        response
    }
}
