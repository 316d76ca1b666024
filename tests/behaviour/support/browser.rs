//! A headless Chromium, driven over the `WebDriver` protocol.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::Process;
use super::{DEADLINE, install_crypto};

/// One browser window.
#[derive(Debug)]
pub struct Browser {
    session: String,
    http: reqwest::Client,
    // Ends with its browser, which hangs on its pipe.
    _driver: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium with a window of this size and shows `url`.
    pub async fn open(url: &str, width: u32, height: u32) -> Self {
        install_crypto();
        let mut driver = Process::start(Command::new("chromedriver").arg("--port=0"));
        let port: u16 = driver
            .wait_for(|output| {
                let (_, said) = output.split_once("started successfully on port ")?;
                said.split_once('.')?.0.parse().ok()
            })
            .await;
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        arguments.push(format!("--window-size={width},{height}"));
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let http = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let address = format!("http://127.0.0.1:{port}/session");
        let started = command(&http, &address, &capabilities).await;
        let id = started["sessionId"].as_str().expect("a session");
        let session = format!("{address}/{id}");
        let browser = Self { session, http, _driver: driver, _profile: profile };
        browser.go(url).await;
        browser
    }

    /// Shows another page.
    pub async fn go(&self, url: &str) {
        self.command("url", &json!({"url": url})).await;
    }

    /// The value of a script's `return`.
    pub async fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []})).await
    }

    /// Waits until the expression is true in the page.
    ///
    /// # Panics
    /// When it does not become so within [`DEADLINE`].
    pub async fn until(&self, expression: &str) {
        let script = format!("return !!({expression})");
        let looking = async {
            while self.run(&script).await != true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(DEADLINE, looking).await.is_err() {
            let page = self.run("return document.body.innerText").await;
            panic!("never true: {expression}; the page shows:\n{page}");
        }
    }

    /// What the page wrote to the console, refusals by its security policy included.
    pub async fn console(&self) -> Value {
        self.command("se/log", &json!({"type": "browser"})).await
    }

    async fn command(&self, name: &str, body: &Value) -> Value {
        command(&self.http, &format!("{}/{name}", self.session), body).await
    }
}

async fn command(http: &reqwest::Client, address: &str, body: &Value) -> Value {
    let answer = http.post(address).json(body).send().await.expect("chromedriver answers");
    let status = answer.status();
    let mut answer: Value = answer.json().await.expect("chromedriver answers in JSON");
    assert!(status.is_success(), "{address} {body}: {answer}");
    answer["value"].take()
}
