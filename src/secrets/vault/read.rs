//! Reading one field of a secret in a key-value store, version 1 or 2.

use secrecy::SecretString;
use serde_json::Value;
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::client::VaultClient;
use vaultrs::{api, kv1};

use super::VaultError;
use crate::secrets::local::secret_in;
use crate::secrets::{KvVersion, VaultField};

/// Reads the field.
///
/// # Errors
/// When Vault does not give it, or it is neither text nor a number.
pub(super) async fn field(
    client: &VaultClient,
    at: &VaultField,
) -> Result<SecretString, VaultError> {
    let mount = at.mount.trim_matches('/');
    let path = at.path.trim_matches('/');
    let data = match at.engine {
        KvVersion::V1 => kv1::get_raw(client, mount, path).await.map(|secret| secret.data),
        KvVersion::V2 => {
            let request =
                ReadSecretRequest { mount: mount.to_owned(), path: path.to_owned(), version: None };
            api::exec_with_result(client, request).await.map(|secret| {
                tracing::debug!(
                    secret = %at,
                    version = secret.metadata.version,
                    "read a secret from vault"
                );
                secret.data
            })
        }
    };
    let data = data.map_err(|error| match VaultError::of(&error) {
        VaultError::NoSecret(_) => VaultError::NoSecret(format!("{mount}/{path}")),
        error => error,
    })?;
    chosen(&data, at)
}

/// The field's value in a secret's data.
fn chosen(data: &Value, at: &VaultField) -> Result<SecretString, VaultError> {
    let path = format!("{}/{}", at.mount, at.path);
    let fields = data.as_object().ok_or(VaultError::Answer("its data is no object"))?;
    let Some(value) = fields.get(&at.field) else {
        let present = match fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            names => names,
        };
        return Err(VaultError::NoField { path, field: at.field.clone(), present });
    };
    let not_text = |kind| VaultError::NotText { path, field: at.field.clone(), kind };
    match value {
        Value::String(text) => secret_in(text).ok_or_else(|| not_text("empty")),
        Value::Number(number) => Ok(SecretString::from(number.to_string())),
        Value::Null => Err(not_text("null")),
        Value::Bool(_) => Err(not_text("a boolean")),
        Value::Array(_) => Err(not_text("a list")),
        Value::Object(_) => Err(not_text("an object")),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    fn read(data: &Value) -> Result<SecretString, VaultError> {
        let at = VaultField {
            mount: "kv".to_owned(),
            path: "monitoring".to_owned(),
            field: "TOKEN".to_owned(),
            engine: KvVersion::V2,
        };
        chosen(data, &at)
    }

    #[test]
    fn text_and_numbers_are_secrets() {
        assert_eq!(read(&json!({"TOKEN": "1:a\n"})).unwrap().expose_secret(), "1:a");
        let id = read(&json!({"TOKEN": -1_001_234_567_890_i64})).unwrap();
        assert_eq!(id.expose_secret(), "-1001234567890");
    }

    #[test]
    fn other_types_are_refused_without_their_value() {
        for value in [json!(["canary"]), json!({"a": "canary"}), json!(true), json!(null)] {
            let error = read(&json!({ "TOKEN": value })).unwrap_err();
            assert!(error.to_string().contains("not text or a number"), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_missing_field_names_those_that_are_there() {
        let error = read(&json!({"TOKEN_OLD": "x", "CHAT": "y"})).unwrap_err().to_string();
        assert!(error.contains("no field \"TOKEN\"; its fields are: CHAT, TOKEN_OLD"), "{error}");
    }
}
