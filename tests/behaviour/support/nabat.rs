//! nabat itself, as the process people run.

use std::path::Path;
use std::process::Command;

use nabat::sandbox::Sandbox;
use serde_json::Value;

use super::process::Process;

/// A running `nabat serve`.
#[derive(Debug)]
pub struct Nabat {
    pub process: Process,
    pub url: String,
}

/// A configuration with one group chat, `ops`, in the sandbox.
pub fn configuration(sandbox: &Sandbox, chat: i64) -> String {
    format!(
        "telegram:\n  bot_token: {{env: TEST_BOT_TOKEN}}\n  api_url: {}\n\
         chats:\n  ops: {{id: {chat}}}\nroute:\n  chats: [ops]\n",
        sandbox.url()
    )
}

impl Nabat {
    /// Starts nabat with a configuration in a directory that outlives the process, so that it
    /// can be started again on the same store.
    pub async fn start(directory: &Path, configuration: &str, sandbox: &Sandbox) -> Self {
        Self::start_at("127.0.0.1:0", directory, configuration, sandbox).await
    }

    /// The same on an address that a sender already knows.
    pub async fn start_at(
        address: &str,
        directory: &Path,
        configuration: &str,
        sandbox: &Sandbox,
    ) -> Self {
        std::fs::write(directory.join("nabat.yml"), configuration)
            .expect("the configuration is written");
        Self::run(&mut Self::serving(address, directory, sandbox)).await
    }

    /// `nabat serve` with the configuration and the store in `directory`.
    pub fn serving(address: &str, directory: &Path, sandbox: &Sandbox) -> Command {
        let mut command = Self::command(&["serve"]);
        command
            .arg(format!("--config.file={}", directory.join("nabat.yml").display()))
            .arg(format!("--storage.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .env("TEST_BOT_TOKEN", sandbox.token());
        command
    }

    /// Runs a prepared `nabat serve` and waits until it is ready.
    pub async fn run(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let address = process.wait_for(ready_at).await;
        Self { process, url: format!("http://{address}") }
    }

    /// The program with arguments, and nothing of the caller's nabat settings around it.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nabat"));
        command.args(arguments).env_remove("RUST_LOG").env("NO_COLOR", "1");
        for name in ["NABAT_CONFIG_FILE", "TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID"] {
            command.env_remove(name);
        }
        command
    }

    /// Posts a webhook body; returns the status.
    pub async fn post(&self, body: &Value) -> u16 {
        let sent = client().post(format!("{}/alertmanager", self.url)).json(body).send().await;
        sent.map_or(0, |response| response.status().as_u16())
    }

    /// Gets a page as text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = client().get(format!("{}{path}", self.url)).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a text"))
    }
}

/// The address in `nabat is ready address=…`.
fn ready_at(output: &str) -> Option<String> {
    let line = output.lines().find(|line| line.contains("nabat is ready"))?;
    let (_, rest) = line.split_once("address=").or_else(|| line.split_once("\"address\":\""))?;
    Some(rest.split([' ', '"', ',']).next().unwrap_or(rest).to_owned())
}

/// An HTTP client for the tests.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::new()
}
