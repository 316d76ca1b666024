//! A strict stand-in for Telegram: the Bot API with its limits, errors and lengths, a page that
//! shows the chats, and troubles on demand. `nabat demo` and the tests speak to it as they would
//! to Telegram.
//!
//! Formatting is read from HTML only. Behaviour and texts follow tdlib/telegram-bot-api; what
//! Telegram's servers decide out of sight (the exact pace, buttons in a row) is read strictly.

mod api;
mod chat;
mod control;
mod faults;
mod in_process;
mod keyboard;
mod limits;
mod methods;
mod page;
mod params;
mod picture;
mod refusal;
mod remote;
mod rich;
mod server;
mod state;
mod still;
mod text;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub use chat::{Access, ChatKind, Shown};
pub use faults::{Fault, Trouble};
pub use in_process::Changes;
pub use keyboard::{Button, ButtonAction};
pub use limits::Limits;
pub use picture::Picture;
pub use remote::Act;
pub use rich::{Block, Cell, read_rich};
pub use state::Seen;

use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::telegram::markup::{self, FormattedText};
use state::Shared;

/// The token of the sandbox's bot. It opens nothing but the sandbox.
pub const TOKEN: &str = "700000001:SANDBOX-SANDBOX-SANDBOX-SANDBOX-000";

/// Reads a message's HTML as Telegram would: the place for its own parser where there is one.
pub trait TextParser: Send + Sync {
    /// The text and its formatting as the markup has them, neither cleaned nor trimmed; the
    /// sandbox puts them in order.
    ///
    /// # Errors
    /// What is wrong with the markup, with or without `can't parse entities: ` before it.
    fn parse_html(&self, html: &str) -> Result<FormattedText, String>;
}

/// nabat's own reading of Telegram's HTML.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnParser;

impl TextParser for OwnParser {
    fn parse_html(&self, html: &str) -> Result<FormattedText, String> {
        markup::read_tags(html).map_err(|error| error.to_string())
    }
}

/// How the sandbox behaves.
#[derive(Clone)]
pub struct SandboxOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    pub limits: Limits,
    pub parser: Arc<dyn TextParser>,
    /// For the dates of messages.
    pub clock: Arc<Clock>,
    /// The bot's token.
    pub token: String,
    /// The bot's name.
    pub bot_name: String,
    /// Whether a message to an unknown chat opens that chat. Otherwise chats must be declared.
    pub open_to_all: bool,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            limits: Limits::default(),
            parser: Arc::new(OwnParser),
            clock: Arc::new(Clock::system()),
            token: TOKEN.to_owned(),
            bot_name: "Nabat".to_owned(),
            open_to_all: false,
        }
    }
}

impl fmt::Debug for SandboxOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxOptions")
            .field("listen", &self.listen)
            .field("limits", &self.limits)
            .field("open_to_all", &self.open_to_all)
            .finish_non_exhaustive()
    }
}

/// A running sandbox. Clones are handles to the same one; it ends with the tasks that it was
/// started under.
#[derive(Debug, Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    token: Arc<str>,
}

impl Sandbox {
    /// Starts to listen and to serve. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn start(options: SandboxOptions, tasks: &Tasks) -> io::Result<Self> {
        let listener = server::listen(options.listen)?;
        let address = listener.local_addr()?;
        let token = Arc::from(options.token.as_str());
        let shared = Arc::new(Shared::new(options));
        let sandbox = Self { shared, address, token };
        tasks.spawn("sandbox", server::serve(listener, sandbox.clone(), tasks.clone()));
        Ok(sandbox)
    }

    /// A sandbox that listens nowhere: it is called as a [`Carrier`](crate::telegram::Carrier), and
    /// its time is tokio's alone. Must be called inside a tokio runtime.
    pub fn in_process(options: SandboxOptions) -> Self {
        let (address, token) = (options.listen, Arc::from(options.token.as_str()));
        Self { shared: Arc::new(Shared::new(options)), address, token }
    }

    /// The address in place of `https://api.telegram.org`, without a slash at the end. The chat
    /// page is there too.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that it was started with.
    pub fn token(&self) -> &str {
        &self.token
    }
}
