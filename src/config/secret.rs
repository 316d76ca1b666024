//! Where a secret is kept: `{env: …}`, `{file: …}` or `{vault: …}`; never the secret itself.

use crate::secrets::{KvVersion, SecretRef, VaultField, trimmed};

use super::fault::may_be_secret;
use super::walk::{At, Purpose, Walk};
use super::yaml::Value;

/// The ways to refer to a secret.
pub(super) const KEYS: &[&str] = &["env", "file", "vault"];
/// A field of a secret in Vault.
pub(super) const VAULT_KEYS: &[&str] = &["mount", "path", "field", "kv_version"];

pub(super) const REMEDY: &str =
    "use {env: NAME}, {file: PATH} or {vault: {mount: …, path: …, field: …}}";

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Option<SecretRef> {
    if !matches!(at.value, Value::Map(_)) {
        walk.fault(&at.place, "a secret does not belong in this file", REMEDY);
        return None;
    }
    let section = walk.secret_section(at, KEYS)?;
    match (section.get("env"), section.get("file"), section.get("vault")) {
        (Some(name), None, None) => variable(&name, walk).map(|(name, _)| SecretRef::Env(name)),
        (None, Some(path), None) => walk.file_path(&path).map(SecretRef::File),
        (None, None, Some(field)) => vault_field(&field, walk).map(SecretRef::Vault),
        (None, None, None) => {
            walk.fault(&at.place, "says nowhere where the secret is", REMEDY);
            None
        }
        _ => {
            walk.fault(&at.place, "names more than one place", "keep one of env, file and vault");
            None
        }
    }
}

/// The name of an environment variable, and its value. `None` only after a fault was reported;
/// one that is not set has no value where the configuration is only looked at.
pub(super) fn variable(at: &At<'_>, walk: &mut Walk<'_>) -> Option<(String, Option<String>)> {
    let name = walk.text(at)?;
    let usual = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !may_be_secret(name);
    if !usual {
        let problem = "is no name of an environment variable (not shown, it may be a secret)";
        walk.fault(&at.place, problem, "write the variable's name, not its value");
        return None;
    }
    let value = (walk.environment)(name).filter(|value| !trimmed(value).is_empty());
    if value.is_none() {
        let problem = format!("the environment variable {name} is not set");
        walk.absent(&at.place, problem, "set it, or refer to a file or to Vault");
    }
    (value.is_some() || walk.purpose == Purpose::Lint).then(|| (name.to_owned(), value))
}

fn vault_field(at: &At<'_>, walk: &mut Walk<'_>) -> Option<VaultField> {
    walk.vault_references.push(at.place.clone());
    let section = walk.secret_section(at, VAULT_KEYS)?;
    let mut word = |key, remedy| {
        let at = walk.required(&section, key, remedy)?;
        walk.text(&at).map(|text| text.trim_matches('/').to_owned())
    };
    let mount = word("mount", "name the key-value store's mount, such as secret");
    let path = word("path", "name the secret's path below the mount, such as monitoring/telegram");
    let field = word("field", "name the field of the secret, such as token");
    let engine = match section.get("kv_version") {
        None => KvVersion::default(),
        Some(at) => match at.value {
            Value::Integer(1) => KvVersion::V1,
            Value::Integer(2) => KvVersion::V2,
            _ => {
                walk.fault(&at.place, "is no version of the key-value store", "write 1 or 2");
                return None;
            }
        },
    };
    Some(VaultField { mount: mount?, path: path?, field: field?, engine })
}
