//! What a bot token looks like.

/// Why `token` can't be one, in words that follow "it"; `None` when only Telegram can tell. The
/// token is no part of it.
pub fn token_trouble(token: &str) -> Option<&'static str> {
    let stranger = |c: char| !c.is_ascii_graphic();
    token.contains(stranger).then_some("has a space or another character inside that no token has")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_typed_without_a_space_is_a_token() {
        assert_eq!(token_trouble("123456789:AAHdq-TcvCH1_vGWJxf"), None);
        for token in ["123456789: AAHdq", "123456789:\nAAHdq", "123456789:AA\u{200b}Hdq", "1:\u{7}"]
        {
            assert!(token_trouble(token).is_some(), "{token:?}");
        }
    }
}
