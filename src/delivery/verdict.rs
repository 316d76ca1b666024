//! What an answer of Telegram means for what was tried. One pure function, one table.

use std::time::Duration;

use crate::telegram::{Answer, ChatId, Complaint, Failure, MessageId};

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attempt {
    Send {
        form: Form,
        /// It was a reply to a message.
        reply: bool,
        /// It was sent into a forum topic.
        topic: bool,
        /// It had buttons.
        buttons: bool,
    },
    Edit {
        form: Form,
        buttons: bool,
    },
    Delete,
    /// The card is to be pinned or unpinned.
    Pin,
    /// A forum topic is to be created.
    MakeTopic,
}

/// How rich a text is; each form is tried when Telegram refuses the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A rich message with a table; only where it is wanted.
    Table,
    Rich,
    Plain,
    Minimal,
}

impl Form {
    /// The next plainer form.
    pub fn plainer(self) -> Option<Self> {
        match self {
            Self::Table => Some(Self::Rich),
            Self::Rich => Some(Self::Plain),
            Self::Plain => Some(Self::Minimal),
            Self::Minimal => None,
        }
    }
}

/// What to do now.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is shown. Edits and deletions need no number.
    Delivered(Option<MessageId>),
    /// This chat waits: for as long, or for how long the pace thinks right.
    Wait(Option<Duration>),
    /// Try the same again later.
    Retry {
        why: String,
        /// It may have been shown: the repetition may be a second message.
        ambiguous: bool,
        /// Telegram itself said that it failed, so the message may be at fault.
        answered: bool,
    },
    /// The chat has another id from now on.
    Moved(ChatId),
    /// The same content in this form, at once.
    Plainer(Form),
    /// The server knows no tables: the same as text, at once.
    WithoutTables,
    /// Split again, smaller.
    Shorter,
    /// It can't be deleted any more: it is to say that it counts no longer.
    Overwrite,
    /// The card can't be edited: send a new one.
    NewCard,
    WithoutReply,
    /// The same with its links in the text.
    WithoutButtons,
    /// To the main chat, with a note.
    WithoutTopic {
        /// Telegram knows no such topic; otherwise it is only closed, or can't be made.
        gone: bool,
    },
    /// It is not worth another try: nobody misses a message for it.
    LetBe {
        why: String,
        /// A right is missing: the next one would end like this, too.
        forbidden: bool,
    },
    /// The chat can't be written to until a person changes something.
    Park(String),
    /// The bot's token is refused: nothing can be sent to anyone.
    PauseBot,
    /// Telegram takes no form of it.
    Refused(String),
}

/// Decides; the table in design and tests is its specification.
pub fn judge(attempt: Attempt, answer: &Answer) -> Verdict {
    let refusal = match answer {
        Answer::Done(message) => return Verdict::Delivered(*message),
        Answer::Failed(failure) => return judge_failure(failure),
        Answer::Refused(refusal) => refusal,
    };
    let said = || format!("{} {}", refusal.code, refusal.description);
    match (refusal.complaint(), attempt) {
        (Complaint::TooManyRequests, _) => Verdict::Wait(refusal.retry_after),
        (Complaint::Server, _) => Verdict::Retry { why: said(), ambiguous: false, answered: true },
        // An older Bot API server answers 404 to a method that it does not know. Should it be
        // the token after all, the next form is told so.
        (
            Complaint::Unauthorized | Complaint::NoSuchMethod,
            Attempt::Send { form: Form::Table, .. } | Attempt::Edit { form: Form::Table, .. },
        ) if refusal.code == 404 => Verdict::WithoutTables,
        // What an older server does not know, or a proxy does not let through, stops no alert.
        (Complaint::Unauthorized | Complaint::NoSuchMethod, Attempt::Pin)
            if refusal.code == 404 =>
        {
            Verdict::LetBe { why: said(), forbidden: true }
        }
        (Complaint::Unauthorized | Complaint::NoSuchMethod, Attempt::MakeTopic)
            if refusal.code == 404 =>
        {
            Verdict::WithoutTopic { gone: false }
        }
        (Complaint::Unauthorized | Complaint::NoSuchMethod, _) => Verdict::PauseBot,
        (Complaint::Migrated, _) => match refusal.migrate_to {
            Some(chat) => Verdict::Moved(chat),
            None => Verdict::Park(said()),
        },
        (complaint, Attempt::Pin) if complaint != Complaint::ChatGone || refusal.code == 400 => {
            Verdict::LetBe { why: said(), forbidden: complaint == Complaint::ChatGone }
        }
        // 400 means that a right is missing, or that the chat has no topics.
        (complaint, Attempt::MakeTopic)
            if complaint != Complaint::ChatGone || refusal.code == 400 =>
        {
            Verdict::WithoutTopic { gone: false }
        }
        (Complaint::ChatGone, _) => Verdict::Park(said()),
        (Complaint::CantDelete, Attempt::Delete) => Verdict::Overwrite,
        // A message that is not there any more needs no deletion.
        (_, Attempt::Delete) | (Complaint::NotModified, _) => Verdict::Delivered(None),
        (
            Complaint::EditGone | Complaint::TopicGone | Complaint::TopicClosed,
            Attempt::Edit { .. },
        ) => Verdict::NewCard,
        (Complaint::ReplyGone, Attempt::Send { reply: true, .. }) => Verdict::WithoutReply,
        (
            complaint @ (Complaint::TopicGone | Complaint::TopicClosed),
            Attempt::Send { topic: true, .. },
        ) => Verdict::WithoutTopic { gone: complaint == Complaint::TopicGone },
        // The main topic is closed: nothing reaches this chat until a person opens it.
        (Complaint::TopicGone | Complaint::TopicClosed, Attempt::Send { .. }) => {
            Verdict::Park(said())
        }
        (
            Complaint::Buttons,
            Attempt::Send { buttons: true, .. } | Attempt::Edit { buttons: true, .. },
        ) => Verdict::WithoutButtons,
        (Complaint::TooLong, Attempt::Send { form, .. } | Attempt::Edit { form, .. })
            if !matches!(form, Form::Table | Form::Minimal) =>
        {
            Verdict::Shorter
        }
        (_, Attempt::MakeTopic) => Verdict::WithoutTopic { gone: false },
        (_, Attempt::Pin) => Verdict::LetBe { why: said(), forbidden: false },
        // Whatever else is wrong with it, a plainer text may pass: no alert dies of its text.
        (_, Attempt::Send { form, .. } | Attempt::Edit { form, .. }) => {
            match (form.plainer(), attempt) {
                (Some(plainer), _) => Verdict::Plainer(plainer),
                // It may be the message that is at fault, not the text.
                (None, Attempt::Edit { .. }) => Verdict::NewCard,
                (None, _) => Verdict::Refused(said()),
            }
        }
    }
}

fn judge_failure(failure: &Failure) -> Verdict {
    match failure {
        Failure::NotSent(_, why) => retry(why, false),
        Failure::Lost { why, .. } => retry(why, true),
        // A success that does not read may have been shown; a front's error page was not.
        Failure::Unreadable { status, why } => retry(why, *status < 300),
    }
}

fn retry(why: &str, ambiguous: bool) -> Verdict {
    Verdict::Retry { why: why.to_owned(), ambiguous, answered: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::{Hurdle, Refusal};

    const SEND: Attempt =
        Attempt::Send { form: Form::Rich, reply: false, topic: false, buttons: false };
    const REPLY: Attempt =
        Attempt::Send { form: Form::Rich, reply: true, topic: true, buttons: true };
    const LAST: Attempt =
        Attempt::Send { form: Form::Minimal, reply: false, topic: false, buttons: false };
    const TABLE: Attempt =
        Attempt::Send { form: Form::Table, reply: false, topic: false, buttons: false };
    const EDIT: Attempt = Attempt::Edit { form: Form::Rich, buttons: true };
    const LAST_EDIT: Attempt = Attempt::Edit { form: Form::Minimal, buttons: false };

    fn refused(code: u16, description: &str) -> Answer {
        Answer::Refused(Refusal {
            code,
            description: description.into(),
            retry_after: (code == 429).then_some(Duration::from_secs(7)),
            migrate_to: description.contains("upgraded").then_some(ChatId(-1_001)),
        })
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn every_answer_has_the_verdict_of_the_design() {
        let failed =
            |why: &str| Verdict::Retry { why: why.into(), ambiguous: false, answered: true };
        let park = |why: &str| Verdict::Park(why.into());
        let message = Some(MessageId(5));
        let table = [
            (SEND, Answer::Done(message), Verdict::Delivered(message)),
            (
                SEND,
                refused(429, "Too Many Requests: retry after 7"),
                Verdict::Wait(Some(Duration::from_secs(7))),
            ),
            (SEND, refused(500, "Internal Server Error"), failed("500 Internal Server Error")),
            (
                SEND,
                Answer::Failed(Failure::NotSent(Hurdle::Connection, "refused".into())),
                retry("refused", false),
            ),
            (
                SEND,
                Answer::Failed(Failure::Lost { timed_out: true, why: "t".into() }),
                retry("t", true),
            ),
            (
                SEND,
                Answer::Failed(Failure::Unreadable { status: 502, why: "html".into() }),
                retry("html", false),
            ),
            (
                SEND,
                Answer::Failed(Failure::Unreadable { status: 200, why: "torn".into() }),
                retry("torn", true),
            ),
            (
                SEND,
                refused(400, "Bad Request: group chat was upgraded to a supergroup chat"),
                Verdict::Moved(ChatId(-1_001)),
            ),
            (
                SEND,
                refused(400, "Bad Request: can't parse entities: x"),
                Verdict::Plainer(Form::Plain),
            ),
            (
                EDIT,
                refused(400, "Bad Request: can't parse entities: x"),
                Verdict::Plainer(Form::Plain),
            ),
            (
                LAST,
                refused(400, "Bad Request: can't parse entities: x"),
                Verdict::Refused("400 Bad Request: can't parse entities: x".into()),
            ),
            (
                SEND,
                refused(400, "Bad Request: a wording of tomorrow"),
                Verdict::Plainer(Form::Plain),
            ),
            (LAST_EDIT, refused(400, "Bad Request: a wording of tomorrow"), Verdict::NewCard),
            (SEND, refused(400, "Bad Request: message is too long"), Verdict::Shorter),
            (EDIT, refused(400, "Bad Request: MESSAGE_TOO_LONG"), Verdict::Shorter),
            (
                EDIT,
                refused(400, "Bad Request: message is not modified: x"),
                Verdict::Delivered(None),
            ),
            (EDIT, refused(400, "Bad Request: message to edit not found"), Verdict::NewCard),
            (EDIT, refused(400, "Bad Request: message can't be edited"), Verdict::NewCard),
            (
                REPLY,
                refused(400, "Bad Request: message to be replied not found"),
                Verdict::WithoutReply,
            ),
            (REPLY, refused(400, "Bad Request: BUTTON_URL_INVALID"), Verdict::WithoutButtons),
            (EDIT, refused(400, "Bad Request: BUTTON_URL_INVALID"), Verdict::WithoutButtons),
            (SEND, refused(400, "Bad Request: BUTTON_URL_INVALID"), Verdict::Plainer(Form::Plain)),
            (
                REPLY,
                refused(400, "Bad Request: message thread not found"),
                Verdict::WithoutTopic { gone: true },
            ),
            (
                REPLY,
                refused(400, "Bad Request: TOPIC_CLOSED"),
                Verdict::WithoutTopic { gone: false },
            ),
            (
                Attempt::MakeTopic,
                refused(400, "Bad Request: not enough rights to create a topic"),
                Verdict::WithoutTopic { gone: false },
            ),
            (
                Attempt::Pin,
                refused(
                    400,
                    "Bad Request: not enough rights to manage pinned messages in the chat",
                ),
                Verdict::LetBe {
                    why: "400 Bad Request: not enough rights to manage pinned messages in the chat"
                        .into(),
                    forbidden: true,
                },
            ),
            (
                Attempt::Pin,
                refused(400, "Bad Request: message to pin not found"),
                Verdict::LetBe {
                    why: "400 Bad Request: message to pin not found".into(),
                    forbidden: false,
                },
            ),
            (
                Attempt::Pin,
                refused(403, "Forbidden: bot was kicked from the group chat"),
                park("403 Forbidden: bot was kicked from the group chat"),
            ),
            (
                Attempt::MakeTopic,
                refused(400, "Bad Request: the chat is not a forum"),
                Verdict::WithoutTopic { gone: false },
            ),
            (
                Attempt::MakeTopic,
                refused(403, "Forbidden: bot was kicked from the supergroup chat"),
                park("403 Forbidden: bot was kicked from the supergroup chat"),
            ),
            (
                SEND,
                refused(403, "Forbidden: bot was kicked from the group chat"),
                park("403 Forbidden: bot was kicked from the group chat"),
            ),
            (
                SEND,
                refused(400, "Bad Request: chat not found"),
                park("400 Bad Request: chat not found"),
            ),
            (
                SEND,
                refused(400, "Bad Request: TOPIC_CLOSED"),
                park("400 Bad Request: TOPIC_CLOSED"),
            ),
            (SEND, refused(401, "Unauthorized"), Verdict::PauseBot),
            (TABLE, refused(401, "Unauthorized"), Verdict::PauseBot),
            (TABLE, refused(404, "Not Found"), Verdict::WithoutTables),
            (TABLE, refused(404, "Not Found: method not found"), Verdict::WithoutTables),
            (
                TABLE,
                refused(400, "Bad Request: RICH_MESSAGE_CONTENT_REQUIRED"),
                Verdict::Plainer(Form::Rich),
            ),
            (TABLE, refused(400, "Bad Request: MESSAGE_TOO_LONG"), Verdict::Plainer(Form::Rich)),
            (EDIT, refused(404, "Not Found"), Verdict::PauseBot),
            (
                Attempt::Pin,
                refused(404, "Not Found: method not found"),
                Verdict::LetBe { why: "404 Not Found: method not found".into(), forbidden: true },
            ),
            (Attempt::MakeTopic, refused(404, "Not Found"), Verdict::WithoutTopic { gone: false }),
            (Attempt::Pin, refused(401, "Unauthorized"), Verdict::PauseBot),
            (Attempt::MakeTopic, refused(401, "Unauthorized"), Verdict::PauseBot),
            (
                Attempt::Delete,
                refused(400, "Bad Request: message can't be deleted for everyone"),
                Verdict::Overwrite,
            ),
            (
                Attempt::Delete,
                refused(400, "Bad Request: message to delete not found"),
                Verdict::Delivered(None),
            ),
        ];
        for (attempt, answer, verdict) in table {
            assert_eq!(judge(attempt, &answer), verdict, "{attempt:?} {answer:?}");
        }
    }

    #[test]
    fn a_message_that_is_refused_again_and_again_ends_after_its_last_form() {
        let mut form = Form::Rich;
        let mut tried = 1;
        loop {
            let attempt = Attempt::Send { form, reply: false, topic: false, buttons: false };
            match judge(attempt, &refused(400, "Bad Request: whatever")) {
                Verdict::Plainer(next) => form = next,
                Verdict::Refused(_) => break,
                other => panic!("{other:?}"),
            }
            tried += 1;
        }
        assert_eq!(tried, 3);
    }
}
