//! The Bot API: identifiers, text markup, the client and its answers. No policy lives here.

pub mod markup;

mod ids;

pub use ids::{ChatId, MessageId, TopicId};
