//! Secrets from a real Vault server.

mod login;
mod reading;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nabat::clock::Clock;
use nabat::config::{self, VaultAuth};
use nabat::lifecycle::Tasks;
use nabat::secrets::{
    Checker, KvVersion, Pace, SecretRef, SecretWatch, Secrets, SecretsOptions, Sources, VaultField,
    Wanted,
};
use nabat::telemetry::{Metrics, Scrubber};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tempfile::TempDir;

use crate::support::DEADLINE;
use crate::support::openbao::OpenBao;

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const ROTATED: &str = "110201543:BBHrotatedCH1vGWJxfSeofSAs0K5PALDsb";
const BROKEN: &str = "110201543:broken-CH1vGWJxfSeofSAs0K5PALDsa";

/// A program that keeps secrets, and stops with this value.
struct Program {
    directory: TempDir,
    vault: config::Vault,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    scrubber: Scrubber,
    started: Option<Secrets>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Program {
    fn with_auth(bao: &OpenBao, auth: impl FnOnce(&Program) -> VaultAuth) -> Self {
        let mut program = Self {
            directory: tempfile::tempdir().unwrap(),
            vault: config::Vault {
                address: bao.address().clone(),
                ca_file: None,
                namespace: None,
                auth: VaultAuth::Token(SecretRef::Env(String::new())),
                refresh_interval: Duration::from_millis(100),
                timeout: Duration::from_secs(5),
            },
            metrics: Arc::new(Metrics::new("test")),
            tasks: Tasks::default(),
            scrubber: Scrubber::new(),
            started: None,
        };
        program.vault.auth = auth(&program);
        program
    }

    /// Logs in with a token, kept in a file as `echo` writes it.
    fn with_token(bao: &OpenBao, token: &str) -> Self {
        Self::with_auth(bao, |program| VaultAuth::Token(program.file("vault-token", token)))
    }

    fn with_approle(bao: &OpenBao, (role_id, secret_id): &(String, String)) -> Self {
        Self::with_auth(bao, |program| VaultAuth::AppRole {
            mount: "approle".to_owned(),
            role_id: program.file("role-id", role_id),
            secret_id: program.file("secret-id", secret_id),
        })
    }

    fn file(&self, name: &str, content: &str) -> SecretRef {
        let path: PathBuf = self.directory.path().join(name);
        std::fs::write(&path, format!("{content}\n")).unwrap();
        SecretRef::File(path)
    }

    fn options(&self) -> SecretsOptions {
        let mut options = SecretsOptions::new(Some(self.vault.clone()), self.scrubber.clone());
        options.retry = Pace { first: Duration::from_millis(20), cap: Duration::from_millis(100) };
        options
    }

    /// Starts keeping the bot token.
    fn keep(&mut self, checker: Option<Arc<dyn Checker>>) -> SecretWatch {
        let clock = Arc::new(Clock::system());
        let secrets = Secrets::start(self.options(), self.metrics.clone(), &clock, &self.tasks);
        let watch = secrets.keep(Wanted {
            name: "telegram.bot_token".to_owned(),
            at: bot_token(),
            checker,
        });
        self.started = Some(secrets);
        watch
    }

    /// Reads once, as `nabat check --live` does.
    async fn read_once(&self, at: &SecretRef) -> Result<String, String> {
        let clock = Arc::new(Clock::system());
        let sources = Sources::new(&self.options(), &self.metrics, &clock);
        let read = sources.read(at).await;
        sources.close().await;
        read.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    fn failures(&self) -> u64 {
        self.metrics.secret_refresh_failures.with_label_values(&["telegram.bot_token"]).get()
    }

    async fn stop(&mut self) {
        self.tasks.stop();
        tokio::time::timeout(DEADLINE, self.tasks.finished()).await.expect("all tasks end");
    }
}

fn field(mount: &str, field: &str, engine: KvVersion) -> SecretRef {
    SecretRef::Vault(VaultField {
        mount: mount.to_owned(),
        path: "monitoring".to_owned(),
        field: field.to_owned(),
        engine,
    })
}

fn bot_token() -> SecretRef {
    field("zakupai", "TELEGRAM_BOT_TOKEN", KvVersion::V2)
}

/// A server that holds the bot token, and lets AppRole logins of the policy read it.
async fn server() -> OpenBao {
    filled(OpenBao::start().await).await
}

async fn filled(bao: OpenBao) -> OpenBao {
    bao.mount_kv("zakupai", 2).await;
    rotate(&bao, TOKEN).await;
    bao.allow_reading("nabat", "zakupai").await;
    bao.enable_approle().await;
    bao
}

async fn rotate(bao: &OpenBao, token: &str) {
    let data = json!({"TELEGRAM_BOT_TOKEN": token, "TELEGRAM_CHAT_ID": -1_001_234_567_890_i64});
    bao.put("zakupai", "monitoring", data).await;
}

async fn arrives(watch: &mut SecretWatch, expected: &str) {
    let is_it = |value: &Option<Arc<SecretString>>| {
        value.as_ref().is_some_and(|secret| secret.expose_secret() == expected)
    };
    let arrived = tokio::time::timeout(DEADLINE, watch.wait_for(is_it)).await;
    arrived.expect("the secret arrives in time").expect("it is still kept");
}
