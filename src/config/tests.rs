mod faults;
mod keys;
mod secrets;
mod sources;

use super::*;
use crate::telegram::TopicId;

const TOKEN: &str = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0";

fn environment(name: &str) -> Option<String> {
    match name {
        "TOKEN" | TOKEN_VARIABLE => Some(TOKEN.to_owned()),
        "CHAT" => Some(" -1001234567890\n".to_owned()),
        "PROXY" => Some("socks5h://user:pa55word@proxy:1080".to_owned()),
        "BLANK" => Some(" ".to_owned()),
        _ => None,
    }
}

fn parse_in(base: &Path, text: &str) -> Result<Config, Faults> {
    Config::walked(text, Walk::over("nabat.yml", base, &environment))
}

fn parse(text: &str) -> Result<Config, Faults> {
    parse_in(Path::new("/etc/nabat"), text)
}

/// A small valid file with `more` behind it.
fn with(more: &str) -> String {
    format!(
        "telegram: {{bot_token: {{env: TOKEN}}}}\n\
         chats: {{ops: {{id: -1001234567890}}, boss: {{id: 123456789}}}}\n\
         route: {{chats: [ops]}}\n{more}"
    )
}

/// The faults, one a line; panics when there are none.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).expect_err("the configuration is accepted");
    faults.to_string().lines().map(str::to_owned).collect()
}

fn warnings(text: &str) -> Vec<String> {
    parse(text).unwrap().warnings.iter().map(Fault::to_string).collect()
}
