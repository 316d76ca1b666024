//! A message as a picture of the chat page, taken by a headless Chromium.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use tokio::process::Command;

use crate::cli::scratch::Scratch;
use crate::lifecycle::Tasks;
use crate::sandbox::{ChatKind, Limits, Sandbox, SandboxOptions};
use crate::telegram::{Answer, ChatId, Client, ClientOptions, Method};

/// The names under which Chromium and its kin are installed.
const BROWSERS: [&str; 7] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "brave-browser",
];

/// The width of a phone's screen, in CSS pixels.
const WIDTH: u32 = 420;

/// The tallest picture, in CSS pixels; a message of 4096 characters is below 3000.
const TALLEST: u32 = 16_000;

/// Device pixels to a CSS pixel: 1.5, as on the pictures in the documentation.
const SCALE: &str = "1.5";

/// A browser that has not answered in this time hangs; starting one takes a few seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// The chat on the picture.
pub(super) const CHAT: ChatId = ChatId(-1_001_000_000_001);

/// What takes the picture.
pub(super) struct Camera {
    browser: PathBuf,
}

impl Camera {
    /// The browser that was named, or the first that is installed.
    ///
    /// # Errors
    /// There is none.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(browser) = named {
            return Ok(Self { browser: browser.to_owned() });
        }
        let folders: Vec<PathBuf> =
            std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
        let mut found =
            BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        match found.find(|file| file.is_file()) {
            Some(browser) => Ok(Self { browser }),
            None => bail!(
                "a picture needs Chromium, and there is none in PATH (looked for {}); install it, \
                 or name one with --browser",
                BROWSERS.join(", ")
            ),
        }
    }

    /// Plays the message in a sandbox and takes a picture of its page.
    ///
    /// # Errors
    /// The sandbox refuses the message, or the browser fails.
    pub async fn shoot(&self, calls: &[Method], title: &str) -> anyhow::Result<Vec<u8>> {
        let tasks = Tasks::default();
        let options = SandboxOptions { limits: Limits::None, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options, &tasks).context("can't listen on a free port")?;
        sandbox.add_chat(CHAT, ChatKind::Supergroup { forum: false }, title);
        let picture = async {
            play(&sandbox, calls).await?;
            self.picture(&format!("{}/sandbox/still?chat={CHAT}", sandbox.url())).await
        };
        let picture = picture.await;
        tasks.stop();
        picture
    }

    async fn picture(&self, page: &str) -> anyhow::Result<Vec<u8>> {
        let profile = Scratch::new("render")?;
        let measured = self.run(&profile, &["--dump-dom".to_owned()], page).await?;
        let height = height(&String::from_utf8_lossy(&measured))
            .context("the chat page did not say how high it is")?;
        let file = profile.path().join("picture.png");
        let flags =
            [format!("--window-size={WIDTH},{height}"), format!("--screenshot={}", file.display())];
        self.run(&profile, &flags, page).await?;
        std::fs::read(&file).with_context(|| format!("{} made no picture", self.browser.display()))
    }

    /// Runs the browser to its end; what it printed.
    async fn run(
        &self,
        profile: &Scratch,
        flags: &[String],
        page: &str,
    ) -> anyhow::Result<Vec<u8>> {
        let browser = Command::new(&self.browser)
            .args([
                "--headless",
                // Containers give it no namespaces of its own; it shows our own page only.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                &format!("--force-device-scale-factor={SCALE}"),
                &format!("--user-data-dir={}", profile.path().join("profile").display()),
            ])
            .args(flags)
            .arg(page)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, browser)
            .await
            .with_context(|| {
                format!("{} did not end in {} s", self.browser.display(), PATIENCE.as_secs())
            })?
            .with_context(|| format!("can't start {}", self.browser.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().next_back().unwrap_or("it said nothing").to_owned();
            bail!("{} failed ({}): {last}", self.browser.display(), output.status);
        }
        Ok(output.stdout)
    }
}

/// Sends the messages to the sandbox, as to Telegram.
async fn play(sandbox: &Sandbox, calls: &[Method]) -> anyhow::Result<()> {
    let client = Client::new(&ClientOptions::new(sandbox.url().parse()?, None))?;
    let token = SecretString::from(sandbox.token().to_owned());
    for call in calls {
        match client.call(&token, call).await {
            Answer::Failed(failure) => bail!("the sandbox did not answer: {failure:?}"),
            Answer::Refused(refusal) => {
                bail!("Telegram would refuse the message: {}", refusal.description)
            }
            Answer::Done(_) => {}
        }
    }
    Ok(())
}

/// What the page says of its height: `data-height="731"`.
fn height(page: &str) -> Option<u32> {
    let (_, said) = page.split_once("data-height=\"")?;
    let height: u32 = said.split_once('"')?.0.parse().ok()?;
    (1..=TALLEST).contains(&height).then_some(height)
}
