//! What a configuration means, as people read it.

use std::fmt::{self, Write as _};

use super::Paint;
use crate::config::{Chat, ChatIdSource, Config, UrlSource, VaultAuth, updates_name};
use crate::rendering::Language;
use crate::routing::{ChatAlias, Route, TopicRule};
use crate::secrets::SecretRef;
use crate::telegram::ChatId;

/// What was understood, to be read by a person.
pub(super) fn summary(config: &Config, source: &str, paint: Paint) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_summary(&mut text, config, source, paint);
    text
}

fn write_summary(out: &mut String, config: &Config, source: &str, paint: Paint) -> fmt::Result {
    writeln!(out, "{} {source} is fine", paint.good("ok:"))?;

    writeln!(out, "\n{}", paint.title("telegram"))?;
    writeln!(out, "  bot token  {}", place(&config.telegram.bot_token))?;
    writeln!(out, "  api        {}", config.telegram.api_url)?;
    if let Some(proxy) = &config.telegram.proxy_url {
        writeln!(out, "  proxy      {proxy}")?;
    }
    if let Some(vault) = &config.vault {
        writeln!(out, "\n{}", paint.title("vault"))?;
        writeln!(out, "  address    {}", vault.address)?;
        let login = match &vault.auth {
            VaultAuth::Token(secret) => format!("token from {}", place(secret)),
            VaultAuth::AppRole { mount, .. } => format!("approle at {mount}"),
        };
        writeln!(out, "  login      {login}")?;
    }

    writeln!(out, "\n{}", paint.title("chats"))?;
    let width = config.chats.keys().map(|alias| alias.as_str().len()).max().unwrap_or_default();
    for (alias, chat) in &config.chats {
        let fallback = config.fallback_chat.as_ref() == Some(alias);
        let note = if fallback { "  (hears of unreachable chats)" } else { "" };
        writeln!(out, "  {:width$}  {}{}", alias.as_str(), describe(chat), paint.faint(note))?;
    }

    writeln!(out, "\n{}", paint.title("routes"))?;
    write_route(out, &config.route, "  ", "  ", paint)?;

    if !config.templates.is_empty() {
        writeln!(out, "\n{}", paint.title("templates"))?;
        for template in &config.templates {
            let language = template.language.map_or("every language", Language::code);
            let path = template.path.display();
            writeln!(out, "  {} ({language})  {}", template.name, paint.faint(path))?;
        }
    }
    if !config.alertmanagers.is_empty() {
        writeln!(out, "\n{}", paint.title("alertmanagers"))?;
        for (name, alertmanager) in &config.alertmanagers {
            match &alertmanager.url {
                // A path or a query may hold a key.
                UrlSource::Known(url) => {
                    writeln!(out, "  {name}  {}", &url[..url::Position::BeforePath])?;
                }
                UrlSource::Secret(secret) => writeln!(out, "  {name}  URL from {}", place(secret))?,
            }
        }
    }
    Ok(())
}

/// Where a secret is, in words.
pub(super) fn place(secret: &SecretRef) -> String {
    match secret {
        SecretRef::Env(name) => format!("environment variable {name}"),
        SecretRef::File(path) => format!("file {}", path.display()),
        SecretRef::Vault(field) => {
            format!("Vault, {}/{} field {}", field.mount, field.path, field.field)
        }
    }
}

fn describe(chat: &Chat) -> String {
    let mut text = match &chat.id {
        ChatIdSource::Known(id) => format!("{id} ({})", kind(*id)),
        ChatIdSource::Secret(secret) => format!("id from {}", place(secret)),
    };
    if let Some(topic) = &chat.topic {
        let _ = write!(text, ", topic {topic}");
    }
    let timezone = chat.timezone.iana_name().unwrap_or("UTC");
    let _ = write!(text, ", {}, {timezone}", chat.language.code());
    if let Some(template) = &chat.template {
        let _ = write!(text, ", template {template}");
    }
    text
}

/// What kind of chat has such an id.
fn kind(id: ChatId) -> &'static str {
    match id.0 {
        1.. => "private chat",
        -999_999_999_999..=0 => "small group",
        _ => "supergroup or channel",
    }
}

/// One node and what is below it; `first` goes before its own line, `rest` before the others.
fn write_route(
    out: &mut String,
    route: &Route,
    first: &str,
    rest: &str,
    paint: Paint,
) -> fmt::Result {
    let matchers: Vec<String> = route.matchers.iter().map(ToString::to_string).collect();
    let matchers = if matchers.is_empty() { "everything".to_owned() } else { matchers.join(", ") };
    let chats: Vec<&str> = route.chats.iter().map(ChatAlias::as_str).collect();
    let topic = match &route.topic {
        None => String::new(),
        Some(TopicRule::Fixed(topic)) => format!("/{topic}"),
        Some(rule) => format!(" (topic {rule})"),
    };
    let manner = format!("  template {}, updates {}", route.template, updates_name(route.updates));
    let onward = if route.continues { ", continues" } else { "" };
    let manner = paint.faint(manner + onward);
    writeln!(out, "{first}{matchers} → {}{topic}{manner}", paint.title(chats.join(", ")))?;
    for (index, child) in route.routes.iter().enumerate() {
        let (branch, trunk) =
            if index + 1 == route.routes.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        write_route(out, child, &format!("{rest}{branch}"), &format!("{rest}{trunk}"), paint)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = r#"
telegram: {bot_token: {env: BOT_TOKEN}, proxy_url: {env: PROXY}}
vault: {address: https://vault:8200, auth: {approle: {role_id: {env: ROLE}, secret_id: {env: ROLE}}}}
chats:
  ops: {id: -1001234567890, topic: 7, language: ru, timezone: Asia/Almaty}
  boss: {id: {vault: {mount: kv, path: monitoring, field: CHAT}}}
  me: {id: 123456789}
route:
  chats: [ops]
  routes:
    - matchers: ['severity="critical"', 'team=~"db|infra"']
      chats: [ops, boss]
      continue: true
      routes: [{matchers: [team=db], updates: new}]
    - {matchers: ['"my label"!=x'], chats: [me], updates: edit}
fallback_chat: boss
alertmanagers: {main: {url: http://alertmanager:9093}}
"#;

    fn shown(paint: Paint) -> String {
        let environment = |name: &str| match name {
            "PROXY" => Some("socks5://user:pa55word@proxy:1080".to_owned()),
            name => Some(format!("the-value-of-{name}")),
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nabat.yml");
        std::fs::write(&path, FILE).unwrap();
        let config = Config::load(Some(Path::new(&path)), &environment).unwrap();
        summary(&config, "nabat.yml", paint)
    }

    #[test]
    fn the_summary_shows_chats_and_the_tree() {
        let expected = r#"ok: nabat.yml is fine

telegram
  bot token  environment variable BOT_TOKEN
  api        https://api.telegram.org/
  proxy      socks5://proxy:1080

vault
  address    https://vault:8200/
  login      approle at approle

chats
  boss  id from Vault, kv/monitoring field CHAT, en, UTC  (hears of unreachable chats)
  me    123456789 (private chat), en, UTC
  ops   -1001234567890 (supergroup or channel), topic 7, ru, Asia/Almaty

routes
  everything → ops  template default, updates thread
  ├─ severity="critical", team=~"db|infra" → ops, boss  template default, updates thread, continues
  │  └─ team="db" → ops, boss  template default, updates new
  └─ "my label"!="x" → me  template default, updates edit

alertmanagers
  main  http://alertmanager:9093
"#;
        assert_eq!(shown(Paint { colours: false }), expected);
    }

    #[test]
    fn the_summary_shows_no_secret() {
        let shown = shown(Paint { colours: true });
        assert!(shown.contains("\x1b["));
        assert!(!shown.contains("the-value-of") && !shown.contains("pa55word"), "{shown}");
    }
}
