//! Where other things are: paths of files, and addresses.

use std::path::PathBuf;

use url::Url;

use super::{At, Place, Walk};
use crate::config::fault::{may_be_secret, shown};
use crate::secrets::trimmed;

impl Walk<'_> {
    /// The path of a file, relative to the configuration's directory.
    pub fn file_path(&mut self, at: &At<'_>) -> Option<PathBuf> {
        let name = self.text(at)?;
        // A long name in a directory's path is nothing unusual, a token is seldom a path.
        if may_be_secret(name) && !name.contains('/') {
            let problem = "is no path of a file (not shown, it may be a secret)";
            self.fault(&at.place, problem, "write the file's path, not its content");
            return None;
        }
        let path = self.base.join(name);
        if !path.exists() {
            let problem = format!("{} does not exist (yet)", shown(&path.to_string_lossy()));
            self.warn(&at.place, problem, "check the path, or provide the file");
        }
        Some(path)
    }

    /// An address to talk to. It is never shown: people put passwords and tokens into URLs.
    pub fn url(&mut self, at: &At<'_>, schemes: &[&str], example: &str) -> Option<Url> {
        let text = self.text(at)?;
        let url = self.parse_url(&at.place, text, schemes, example)?;
        if !url.username().is_empty() || url.password().is_some() {
            let remedy = "take user and password out of the URL";
            self.fault(&at.place, "a secret does not belong in this file", remedy);
            return None;
        }
        Some(url)
    }

    /// As [`Self::url`], for text from anywhere; user and password may be in it.
    pub fn parse_url(
        &mut self,
        place: &Place,
        text: &str,
        schemes: &[&str],
        example: &str,
    ) -> Option<Url> {
        let url = Url::parse(trimmed(text))
            .ok()
            .filter(|url| schemes.contains(&url.scheme()) && url.has_host());
        if url.is_none() {
            let problem = format!("is no URL with {} and a host", schemes.join("://, ") + "://");
            self.fault(place, problem, format!("write it like {example}"));
        }
        url
    }
}
