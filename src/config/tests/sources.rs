//! What a good configuration becomes, and where it can come from.

use std::time::Duration;

use super::*;
use crate::rendering::Language;
use crate::routing::Updates;
use crate::secrets::{KvVersion, VaultField};
use crate::telegram::ChatId;

#[test]
fn every_setting_is_read() {
    let config = parse(
        r#"
telegram:
  bot_token: {vault: {mount: /zakupai/, path: monitoring/bot, field: TELEGRAM_BOT_TOKEN}}
  api_url: http://botapi:8081/prefix
  proxy_url: socks5h://proxy:1080
vault:
  address: https://vault:8200
  ca_file: vault-ca.pem
  namespace: team-a
  auth: {approle: {mount: nabat/, role_id: {file: role}, secret_id: {env: TOKEN}}}
  refresh_interval: 5m
  timeout: 3s
chats:
  ops: {id: -1001234567890, topic: 7, language: ru, timezone: Asia/Almaty}
  boss: {id: {vault: {mount: zakupai, path: m, field: CHAT, kv_version: 1}}}
  night: {id: {env: CHAT}}
route:
  chats: [ops]
  updates: edit
  routes:
    - matchers: ['severity="critical",env!=test', 'team=~"db|infra"']
      chats: [ops, boss]
      continue: true
      routes:
        - matchers: [team=db]
          updates: new
    - matchers: [team=web]
      topic: 9
fallback_chat: boss
delivery:
  severities: [page, ticket]
  dedup_window: 0
  dead_after: 1d12h
  new_card_after: 30m
  max_entries: 1000
  max_bytes: 64MiB
  keep_cards: 7d
  storm: {threshold: 1m}
alertmanagers:
  main: {url: http://alertmanager:9093}
"#,
    )
    .unwrap();

    let field = |path: &str, field: &str, engine| {
        let (mount, path, field) = ("zakupai".to_owned(), path.to_owned(), field.to_owned());
        SecretRef::Vault(VaultField { mount, path, field, engine })
    };
    let token = field("monitoring/bot", "TELEGRAM_BOT_TOKEN", KvVersion::V2);
    assert_eq!(config.telegram.bot_token, token);
    assert_eq!(config.telegram.api_url.as_str(), "http://botapi:8081/prefix");
    assert_eq!(config.telegram.proxy_url.unwrap().expose().as_str(), "socks5h://proxy:1080");

    let vault = config.vault.unwrap();
    assert_eq!(vault.ca_file.unwrap(), Path::new("/etc/nabat/vault-ca.pem"));
    assert_eq!(vault.namespace.as_deref(), Some("team-a"));
    assert_eq!((vault.refresh_interval.as_secs(), vault.timeout.as_secs()), (300, 3));
    let role_id = SecretRef::File(PathBuf::from("/etc/nabat/role"));
    let secret_id = SecretRef::Env("TOKEN".to_owned());
    assert_eq!(vault.auth, VaultAuth::AppRole { mount: "nabat".into(), role_id, secret_id });

    let chat = |alias: &str| &config.chats[&ChatAlias(alias.to_owned())];
    assert_eq!(chat("ops").id, ChatIdSource::Known(ChatId(-1_001_234_567_890)));
    assert_eq!(chat("ops").topic, Some(TopicRule::Fixed(TopicId(7))));
    assert_eq!(chat("ops").language, Language::from_code("ru").unwrap());
    assert_eq!(chat("ops").timezone.iana_name(), Some("Asia/Almaty"));
    assert_eq!(chat("boss").id, ChatIdSource::Secret(field("m", "CHAT", KvVersion::V1)));
    assert_eq!(chat("night").id, ChatIdSource::Known(ChatId(-1_001_234_567_890)));

    let [critical, web] = config.route.routes.as_slice() else { panic!("two routes") };
    assert_eq!(critical.matchers.len(), 3);
    assert!(critical.continues && !web.continues);
    assert_eq!(critical.chats.len(), 2);
    assert_eq!((critical.updates, critical.routes[0].updates), (Updates::Edit, Updates::New));
    assert_eq!(critical.routes[0].chats, critical.chats);
    let topic = TopicRule::Fixed(TopicId(9));
    assert_eq!((web.topic.as_ref(), web.chats[0].as_str()), (Some(&topic), "ops"));

    assert_eq!(config.fallback_chat, Some(ChatAlias("boss".into())));
    assert_eq!(config.delivery.severities.names(), ["page", "ticket"]);
    assert_eq!(config.delivery.dedup_window, Duration::ZERO);
    assert_eq!(config.delivery.dead_after, Duration::from_hours(36));
    assert_eq!(config.delivery.new_card_after, Duration::from_mins(30));
    assert_eq!((config.delivery.max_entries, config.delivery.max_bytes), (1000, 64 << 20));
    assert_eq!(config.delivery.keep_cards, Duration::from_hours(7 * 24));
    assert_eq!(config.delivery.storm_threshold, Duration::from_mins(1));
    let url = "http://alertmanager:9093/".parse().unwrap();
    assert_eq!(config.alertmanagers["main"].url, UrlSource::Known(url));
}

#[test]
fn a_bot_and_a_chat_are_a_whole_configuration() {
    let config =
        parse("telegram: {bot_token: {env: TOKEN}}\nchats: {ops: {id: -1001234567890}}\n").unwrap();
    assert_eq!(config.route, Route::to(vec![ChatAlias("ops".into())]));
    assert_eq!(config.telegram.api_url.as_str(), "https://api.telegram.org/");
    assert_eq!(config.delivery, Delivery::default());
    assert!(config.vault.is_none() && config.fallback_chat.is_none());
    let chat = config.chats.values().next().unwrap();
    assert_eq!((chat.language, chat.timezone.clone()), (Language::EN, jiff::tz::TimeZone::UTC));
    assert_eq!(config.warnings, []);
}

#[test]
fn templates_are_read_and_can_be_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("card.hbs", "any"), ("card.ru.hbs", "по-русски"), ("my.card.hbs", "x")]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let text = with("templates: ['*.hbs', card.hbs, 'none/*.hbs']\n")
        .replace("{chats: [ops]}", "{chats: [ops], template: card}");
    let config = parse_in(dir.path(), &text).unwrap();
    let shown: Vec<_> =
        config.templates.iter().map(|t| (t.name.as_str(), t.language, t.text.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("card", None, "any"),
            ("card", Some(Language::from_code("ru").unwrap()), "по-русски"),
            ("my.card", None, "x")
        ]
    );
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].problem.ends_with("none/*.hbs\" finds no file"));

    let unknown = parse_in(dir.path(), &text.replace("template: card", "template: cart"));
    let fault = &unknown.unwrap_err().0[0];
    assert_eq!(fault.remedy, "did you mean \"card\"?");
}

#[test]
fn two_files_of_one_template_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for sub in ["a", "b"] {
        std::fs::create_dir(dir.path().join(sub)).unwrap();
        std::fs::write(dir.path().join(sub).join("card.hbs"), "x").unwrap();
    }
    let faults = parse_in(dir.path(), &with("templates: ['*/card.hbs']\n")).unwrap_err();
    assert_eq!(faults.0.len(), 1);
    assert!(faults.0[0].problem.ends_with("b/card.hbs are the same template"), "{faults}");
}

#[test]
fn two_variables_are_enough_without_a_file() {
    let both = |name: &str| match name {
        TOKEN_VARIABLE => Some(TOKEN.to_owned()),
        CHAT_ID_VARIABLE => Some("-1001234567890".to_owned()),
        _ => None,
    };
    let config = Config::load(None, &both).unwrap();
    assert_eq!(config.telegram.bot_token, SecretRef::Env(TOKEN_VARIABLE.to_owned()));
    assert_eq!(config.telegram.api_url.as_str(), "https://api.telegram.org/");
    let alias = ChatAlias("default".into());
    assert_eq!(config.chats[&alias].id, ChatIdSource::Known(ChatId(-1_001_234_567_890)));
    assert_eq!(config.route, Route::to(vec![alias]));

    let elsewhere = |name: &str| match name {
        API_URL_VARIABLE => Some("http://127.0.0.1:8081".to_owned()),
        name => both(name),
    };
    let config = Config::load(None, &elsewhere).unwrap();
    assert_eq!(config.telegram.api_url.as_str(), "http://127.0.0.1:8081/");
}

#[test]
fn neither_file_nor_variables_teaches_both_ways() {
    let faults = Config::load(None, &|_| None).unwrap_err().to_string();
    assert_eq!(
        faults,
        "environment: TELEGRAM_BOT_TOKEN: is not set, and there is no configuration file; \
         set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, or name a file with --config.file\n\
         environment: TELEGRAM_CHAT_ID: is not set, and there is no configuration file; \
         set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, or name a file with --config.file"
    );
    let swapped = |_: &str| Some(TOKEN.to_owned());
    let faults = Config::load(None, &swapped).unwrap_err().to_string();
    assert!(faults.contains("TELEGRAM_CHAT_ID holds no chat id"), "{faults}");
    assert!(!faults.contains("AAHdq"), "{faults}");
}

#[test]
fn a_missing_file_is_named() {
    let faults = Config::load(Some(Path::new("/no/such.yml")), &environment).unwrap_err();
    let text = faults.to_string();
    assert!(text.starts_with("/no/such.yml: cannot be read: No such file"), "{text}");
    assert!(text.contains("--config.file") && text.contains(CHAT_ID_VARIABLE), "{text}");
}

#[test]
fn a_file_that_is_no_utf8_text_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nabat.yml");
    std::fs::write(&path, b"# ok\nchats: {\xef\xf0\xe0: {id: 5555555}}\n").unwrap();
    let faults = Config::load(Some(&path), &environment).unwrap_err().to_string();
    let expected = ":2: is no UTF-8 text at byte 14; save the file as UTF-8";
    assert!(faults.ends_with(expected), "{faults}");
}

#[test]
fn a_chat_says_what_it_wants_to_hear() {
    use crate::delivery::{QuietHours, Sound};
    use crate::rendering::Kind;
    use jiff::civil::{Time, Weekday};

    let sound = |settings: &str| {
        let text = with("").replace("{id: 123456789}", &format!("{{id: 123456789{settings}}}"));
        parse(&text).unwrap().chats[&ChatAlias("boss".into())].sound.clone()
    };
    assert_eq!(sound(""), Sound::default());
    let silent = sound(", silent: {severities: [info], kinds: []}");
    assert_eq!((silent.silent_severities, silent.silent_kinds), (vec!["info".to_owned()], vec![]));
    let night = sound(", quiet_hours: {from: \"22:00\", to: \"07:30\", days: [fri]}");
    assert_eq!(night.silent_kinds, [Kind::Ended]);
    let (from, to) = (Time::new(22, 0, 0, 0).unwrap(), Time::new(7, 30, 0, 0).unwrap());
    assert_eq!(night.quiet_hours, [QuietHours { from, to, days: vec![Weekday::Friday] }]);
    let several = sound(
        ", quiet_hours: [{from: \"22:00\", to: \"08:00\"}, {from: \"00:00\", to: \"24:00\", days: [sat]}]",
    );
    assert_eq!(several.quiet_hours.len(), 2);
    assert_eq!(
        (several.quiet_hours[0].days.len(), several.quiet_hours[1].to),
        (7, Time::midnight())
    );
}

#[test]
fn a_topic_is_a_number_or_a_choice_by_a_label() {
    let rule = |topic: &str| {
        let text =
            with("").replace("-1001234567890}", &format!("-1001234567890, topic: {topic}}}"));
        parse(&text).unwrap().chats[&ChatAlias("ops".into())].topic.clone()
    };
    assert_eq!(rule("7"), Some(TopicRule::Fixed(TopicId(7))));
    let map = [("db".to_owned(), TopicId(12)), ("web site".to_owned(), TopicId(14))].into();
    let (label, default) = ("team".to_owned(), Some(TopicId(3)));
    assert_eq!(
        rule("{by: team, map: {db: 12, web site: 14}, default: 3}"),
        Some(TopicRule::ByLabel { label: label.clone(), map, default, create: false })
    );
    assert_eq!(
        rule("{by: team, create: true}"),
        Some(TopicRule::ByLabel { label, map: BTreeMap::new(), default: None, create: true })
    );
}
