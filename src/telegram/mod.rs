//! The Bot API: identifiers, text markup, the client and its answers. No policy lives here.

pub mod markup;

mod about;
mod answer;
mod client;
mod ids;
mod keyboard;
mod method;
mod token;

pub use about::{ChatInfo, Me, NewTopic};
pub use answer::{Answer, Complaint, Failure, Hurdle, Refusal, Response};
pub use client::{Carrier, Client, ClientError, ClientOptions};
pub use ids::{ChatId, MessageId, TopicId};
pub use keyboard::{Button, ButtonAction, MAX_BUTTON_URL_BYTES, MAX_COPIED, MAX_LABEL};
pub use method::{Method, Photo};
pub use token::token_trouble;
