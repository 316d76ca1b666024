//! The example file and the reference know every key, and the example loads.

use std::path::Path;

use super::walk::Walk;
use super::{
    Config, KEYS, alertmanagers, chats, delivery, environment, heartbeats, images, route, secret,
    sound, telegram, topic, vault,
};

const EXAMPLE: &str = include_str!("../../config/nabat.yml");
const REFERENCE: &str = include_str!("../../docs/configuration.md");

/// Every section's place in the file and its keys.
const SECTIONS: [(&str, &[&str]); 19] = [
    ("", KEYS),
    ("telegram.", telegram::KEYS),
    ("telegram.proxy_url.", telegram::PROXY_KEYS),
    ("vault.", vault::KEYS),
    ("vault.auth.", vault::AUTH_KEYS),
    ("vault.auth.approle.", vault::APPROLE_KEYS),
    ("chats.<alias>.", chats::KEYS),
    ("chats.<alias>.silent.", sound::SILENT_KEYS),
    ("chats.<alias>.quiet_hours.", sound::QUIET_KEYS),
    ("chats.<alias>.topic.", topic::KEYS),
    ("chats.<alias>.storm.", delivery::STORM_KEYS),
    ("route.", route::KEYS),
    ("delivery.", delivery::KEYS),
    ("delivery.storm.", delivery::STORM_KEYS),
    ("heartbeats.<name>.", heartbeats::KEYS),
    ("images.", images::KEYS),
    ("alertmanagers.<name>.", alertmanagers::KEYS),
    ("<secret>.", secret::KEYS),
    ("<secret>.vault.", secret::VAULT_KEYS),
];

fn environment(name: &str) -> Option<String> {
    (name == environment::TOKEN_VARIABLE).then(|| "123456:a-token".to_owned())
}

/// The example with every setting that is commented out switched on. A comment's text starts
/// with a space, a setting right behind the `#`.
pub(super) fn with_everything_on() -> String {
    let switch_on = |line: &str| {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        match rest.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{indent}{setting}\n"),
            _ => format!("{line}\n"),
        }
    };
    EXAMPLE.lines().map(switch_on).collect()
}

#[test]
fn every_key_is_in_the_reference_and_in_the_example() {
    for (section, keys) in SECTIONS {
        for key in keys {
            assert!(
                REFERENCE.contains(&format!("`{section}{key}`")),
                "{section}{key} has no entry"
            );
            assert!(EXAMPLE.contains(&format!("{key}:")), "{section}{key} is not in the example");
        }
    }
}

#[test]
fn the_example_loads_as_it_is() {
    let base = Path::new("/etc/nabat");
    let config = Config::walked(EXAMPLE, Walk::over("nabat.yml", base, &environment))
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.warnings, []);
    assert_eq!(config.chats.len(), 2);
    assert_eq!(config.route.routes.len(), 2);
}

#[test]
fn the_example_loads_with_everything_switched_on_and_shows_the_defaults() {
    let base = Path::new("/etc/nabat");
    let config = Config::walked(&with_everything_on(), Walk::over("nabat.yml", base, &environment))
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.delivery, super::Delivery::default());
    let vault = config.vault.expect("the vault is switched on");
    assert_eq!(vault.refresh_interval, super::Vault::REFRESH_INTERVAL);
    assert_eq!(vault.timeout, super::Vault::TIMEOUT);
    assert_eq!(config.telegram.api_url, telegram::default_api_url());
    assert_eq!(config.alertmanagers.len(), 1);
    let images = config.images.expect("pictures are switched on");
    assert_eq!(images.max_bytes, crate::images::ImageOptions::MAX_BYTES);
    assert_eq!(images.timeout, crate::images::ImageOptions::TIMEOUT);
    assert_eq!(config.heartbeats["watchdog"].interval, super::Heartbeat::INTERVAL);
    assert!(config.telegram.proxy_url.is_some());
    assert_eq!(config.route.template, super::BUILT_IN);
}

#[test]
fn the_reference_states_the_defaults() {
    let seconds = |key: &str| {
        let row = REFERENCE.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let default = row.and_then(|row| row.split('`').nth(3)).expect("the key has a default");
        super::values::duration(default).expect("it is a duration")
    };
    let delivery = super::Delivery::default();
    assert_eq!(seconds("delivery.dedup_window"), delivery.dedup_window);
    assert_eq!(seconds("delivery.dead_after"), delivery.dead_after);
    assert_eq!(seconds("delivery.new_card_after"), delivery.new_card_after);
    assert_eq!(seconds("delivery.keep_cards"), delivery.keep_cards);
    assert_eq!(seconds("delivery.storm.threshold"), delivery.storm_threshold);
    assert_eq!(seconds("heartbeats.<name>.interval"), super::Heartbeat::INTERVAL);
    assert_eq!(seconds("vault.refresh_interval"), super::Vault::REFRESH_INTERVAL);
    assert_eq!(seconds("vault.timeout"), super::Vault::TIMEOUT);
}
