//! Troubles that a test asks for: broken answers, delays, cut connections.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::telegram::ChatId;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// The request has no effect and gets this answer.
    Answer { status: u16, body: String },
    /// The request takes effect, and gets this answer all the same.
    AnswerAfter { status: u16, body: String },
    /// The request waits before it takes effect.
    DelayBefore { ms: u64 },
    /// The request takes effect at once, its answer is late.
    DelayAfter { ms: u64 },
    /// The connection is closed without an answer; the request has no effect.
    DropBefore,
    /// The request takes effect, then the connection is closed without an answer.
    DropAfter,
    /// No effect, no answer, the connection stays open.
    Hang,
}

impl Trouble {
    /// Telegram's 429. Without `retry_after` it lacks its parameters, as some proxies leave it.
    pub fn too_many_requests(retry_after: Option<u64>) -> Self {
        let body = match retry_after {
            Some(seconds) => json!({
                "ok": false, "error_code": 429,
                "description": format!("Too Many Requests: retry after {seconds}"),
                "parameters": {"retry_after": seconds},
            }),
            None => json!({
                "ok": false, "error_code": 429, "description": "Too Many Requests",
            }),
        };
        Self::Answer { status: 429, body: body.to_string() }
    }

    /// Telegram's own 500.
    pub fn internal_server_error() -> Self {
        let body = json!({
            "ok": false, "error_code": 500,
            "description": "Internal Server Error: sent to the sandbox by a test",
        });
        Self::Answer { status: 500, body: body.to_string() }
    }

    /// The HTML page that Telegram's front answers while what is behind it is away.
    pub fn bad_gateway() -> Self {
        let body = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.18.0\
                    </center>\r\n</body>\r\n</html>\r\n";
        Self::Answer { status: 502, body: body.to_owned() }
    }

    /// An error in Telegram's shape, such as `(400, "Bad Request: CHAT_RESTRICTED")`.
    pub fn refusal(status: u16, description: &str) -> Self {
        let body = json!({"ok": false, "error_code": status, "description": description});
        Self::Answer { status, body: body.to_string() }
    }
}

/// Which requests meet which trouble.
///
/// ```
/// # use nabat::sandbox::{Fault, Trouble};
/// // The second and third sendMessage are cut after Telegram took the message.
/// let fault = Fault::new(Trouble::DropAfter).method("sendMessage").skip(1).times(2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub trouble: Trouble,
    /// Only this method; any when absent.
    #[serde(default)]
    pub method: Option<String>,
    /// Only this chat; any when absent.
    #[serde(default)]
    pub chat: Option<ChatId>,
    /// How many matching requests pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many requests meet the trouble.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Meets the next request, whatever it is, once.
    pub fn new(trouble: Trouble) -> Self {
        Self { trouble, method: None, chat: None, skip: 0, times: 1 }
    }

    /// Meets only requests of this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Meets only requests about this chat.
    #[must_use]
    pub fn chat(mut self, chat: ChatId) -> Self {
        self.chat = Some(chat);
        self
    }

    /// Lets `count` matching requests pass first.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Meets `count` requests instead of one.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = count;
        self
    }

    /// Meets every matching request until the faults are cleared.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    fn matches(&self, method: &str, chat: Option<ChatId>) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.chat.is_none_or(|wanted| Some(wanted) == chat)
    }
}

/// The faults that wait for their requests.
#[derive(Debug, Default)]
pub(super) struct Faults {
    armed: Vec<Fault>,
}

impl Faults {
    pub(super) fn arm(&mut self, fault: Fault) {
        self.armed.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(super) fn armed(&self) -> &[Fault] {
        &self.armed
    }

    /// The trouble that this request meets: the oldest fault that matches and skips no more.
    pub(super) fn meet(&mut self, method: &str, chat: Option<ChatId>) -> Option<Trouble> {
        let mut met = None;
        for fault in &mut self.armed {
            if !fault.matches(method, chat) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if met.is_none() && fault.times > 0 {
                if fault.times != u32::MAX {
                    fault.times -= 1;
                }
                met = Some(fault.trouble.clone());
            }
        }
        self.armed.retain(|fault| fault.times > 0);
        met
    }
}

impl Trouble {
    pub(super) fn delay_before(&self) -> Option<Duration> {
        match self {
            Self::DelayBefore { ms } => Some(Duration::from_millis(*ms)),
            _ => None,
        }
    }

    pub(super) fn delay_after(&self) -> Option<Duration> {
        match self {
            Self::DelayAfter { ms } => Some(Duration::from_millis(*ms)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: ChatId = ChatId(-5);

    #[test]
    fn a_fault_meets_the_nth_request_of_its_method_and_chat_as_often_as_asked() {
        let mut faults = Faults::default();
        faults.arm(Fault::new(Trouble::Hang).method("sendMessage").chat(CHAT).skip(1).times(2));
        assert_eq!(faults.meet("getMe", None), None);
        assert_eq!(faults.meet("sendMessage", Some(ChatId(7))), None);
        assert_eq!(faults.meet("sendMessage", Some(CHAT)), None, "the first passes");
        assert_eq!(faults.meet("SENDMESSAGE", Some(CHAT)), Some(Trouble::Hang));
        assert_eq!(faults.meet("sendMessage", Some(CHAT)), Some(Trouble::Hang));
        assert_eq!(faults.meet("sendMessage", Some(CHAT)), None);
        assert_eq!(faults.armed(), []);
    }

    #[test]
    fn faults_for_the_same_request_wait_their_turn() {
        let mut faults = Faults::default();
        faults.arm(Fault::new(Trouble::DropBefore));
        faults.arm(Fault::new(Trouble::DropAfter));
        assert_eq!(faults.meet("getMe", None), Some(Trouble::DropBefore));
        assert_eq!(faults.meet("getMe", None), Some(Trouble::DropAfter));
        assert_eq!(faults.meet("getMe", None), None);
    }

    #[test]
    fn a_fault_reads_from_json() {
        let fault: Fault = serde_json::from_str(
            r#"{"method": "sendMessage", "trouble": {"kind": "delay_after", "ms": 50}}"#,
        )
        .unwrap();
        assert_eq!(fault, Fault::new(Trouble::DelayAfter { ms: 50 }).method("sendMessage"));
    }
}
