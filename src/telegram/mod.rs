//! The Bot API: identifiers, text markup, the client and its answers. No policy lives here.

pub mod markup;

mod about;
mod answer;
mod client;
mod ids;

pub use about::{ChatInfo, Me};
pub use answer::{Answer, Complaint, Failure, Refusal};
pub use client::{Client, ClientError, ClientOptions, Method};
pub use ids::{ChatId, MessageId, TopicId};
