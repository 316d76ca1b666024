//! Fetching the pictures that alerts name, from allowed places only.
//!
//! An address in an alert is data: whoever can fire an alert could make nabat ask any server
//! that it can reach. So only hosts that the operator listed are asked, by their exact name and
//! port, and a redirect is followed only to another of them.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use url::Url;

/// Hops that are followed from an allowed address to another.
const MOST_REDIRECTS: usize = 3;

/// A place that may be asked: a host, and its port if that is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    port: Option<u16>,
}

impl AllowedHost {
    /// Reads `grafana.example.org` or `grafana:3000`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(&format!("http://{text}")).ok()?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && !text.contains(['/', '?', '#', '@', '*', '%'])
            && !text.ends_with(':');
        let host = url.host_str().filter(|host| !host.is_empty())?;
        bare.then(|| Self { host: host.to_owned(), port: url.port() })
    }

    fn takes(&self, url: &Url) -> bool {
        let port = match self.port {
            None => url.port().is_none(),
            port => url.port_or_known_default() == port,
        };
        port && url.host_str() == Some(&self.host)
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// Where pictures may come from, and how large and slow they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOptions {
    pub allow: Vec<AllowedHost>,
    pub max_bytes: u64,
    /// For a whole fetch, redirects included.
    pub timeout: Duration,
}

impl ImageOptions {
    /// Telegram takes photos of up to 10 MB; a panel has some 100 KB.
    pub const MAX_BYTES: u64 = 5 << 20;
    pub const TIMEOUT: Duration = Duration::from_secs(5);
}

/// A picture that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub content: Bytes,
    pub kind: ImageKind,
}

/// A kind of picture that Telegram shows as a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    Png,
    Jpeg,
    Webp,
}

impl ImageKind {
    /// By the first bytes; what a server calls the file proves nothing.
    fn of(content: &[u8]) -> Option<Self> {
        match content {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    pub fn file_name(self) -> &'static str {
        match self {
            Self::Png => "image.png",
            Self::Jpeg => "image.jpg",
            Self::Webp => "image.webp",
        }
    }
}

/// Why there is no picture. None of the texts holds the address: it may have a token in it.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("its address is not on the list of allowed hosts")]
    NotAllowed,
    #[error("it could not be fetched: {0}")]
    Unreachable(#[source] reqwest::Error),
    #[error("the server answered {0}")]
    Status(u16),
    #[error("it is redirected more than {MOST_REDIRECTS} times")]
    Redirects,
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    #[error("it is no PNG, JPEG or WebP picture")]
    NoImage,
    #[error("it took longer than {0:?}")]
    TooSlow(Duration),
}

impl ImageError {
    /// The word in `images_total{outcome}`.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Unreachable(_) | Self::Status(_) | Self::Redirects | Self::TooSlow(_) => {
                "unreachable"
            }
            Self::TooLarge(_) | Self::NoImage => "unfit",
        }
    }
}

/// Fetches pictures.
#[derive(Debug, Clone)]
pub struct Images {
    http: reqwest::Client,
    options: ImageOptions,
}

impl Images {
    /// No proxy of the environment is used: the allowed hosts are the operator's own.
    ///
    /// # Errors
    /// When the system's certificates can't be read.
    pub fn new(options: ImageOptions) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("nabat/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(options.timeout)
            .build()?;
        Ok(Self { http, options })
    }

    /// Fetches one picture. Nothing is asked of a host that is not allowed, and no more than
    /// `max_bytes` are read. Dropping the future ends the fetch.
    ///
    /// # Errors
    /// [`ImageError`]; a picture is never worth more than a line in the log.
    pub async fn fetch(&self, address: &str) -> Result<Image, ImageError> {
        let timeout = self.options.timeout;
        tokio::time::timeout(timeout, self.follow(address))
            .await
            .unwrap_or(Err(ImageError::TooSlow(timeout)))
    }

    async fn follow(&self, address: &str) -> Result<Image, ImageError> {
        let mut url = Url::parse(address.trim()).map_err(|_| ImageError::NotAllowed)?;
        for _ in 0..=MOST_REDIRECTS {
            if !self.allows(&url) {
                return Err(ImageError::NotAllowed);
            }
            let response = self.http.get(url.clone()).send().await.map_err(unreachable)?;
            let status = response.status();
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            match location.filter(|_| status.is_redirection()) {
                Some(to) => url = url.join(to).map_err(|_| ImageError::NotAllowed)?,
                None if status == StatusCode::OK => return self.read(response).await,
                None => return Err(ImageError::Status(status.as_u16())),
            }
        }
        Err(ImageError::Redirects)
    }

    fn allows(&self, url: &Url) -> bool {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && self.options.allow.iter().any(|host| host.takes(url))
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Image, ImageError> {
        let most = self.options.max_bytes;
        let said = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if said.is_some_and(|said| !said.trim_start().to_ascii_lowercase().starts_with("image/")) {
            return Err(ImageError::NoImage);
        }
        let mut content = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if (content.len() + chunk.len()) as u64 > most {
                return Err(ImageError::TooLarge(most));
            }
            content.extend_from_slice(&chunk);
        }
        let kind = ImageKind::of(&content).ok_or(ImageError::NoImage)?;
        Ok(Image { content: content.freeze(), kind })
    }
}

fn unreachable(error: reqwest::Error) -> ImageError {
    ImageError::Unreachable(error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_by_its_exact_name_and_port() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let allow = ["grafana.example.org", "10.0.0.7:3000", "[::1]:3000"]
            .map(|host| AllowedHost::parse(host).unwrap())
            .to_vec();
        let images = Images::new(ImageOptions {
            allow,
            max_bytes: ImageOptions::MAX_BYTES,
            timeout: ImageOptions::TIMEOUT,
        })
        .unwrap();
        for (address, allowed) in [
            ("https://grafana.example.org/render/1.png", true),
            ("http://GRAFANA.example.org:80/x", true),
            ("http://10.0.0.7:3000/x", true),
            ("http://[::1]:3000/x", true),
            // Another way to write the same number is the same host.
            ("http://167772167:3000/x", true),
            ("https://grafana.example.org:3000/x", false),
            ("https://grafana.example.org.evil.example/x", false),
            ("https://evil.example/grafana.example.org", false),
            ("https://grafana.example.org@evil.example/x", false),
            ("https://user:secret@grafana.example.org/x", false),
            ("http://10.0.0.7/x", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("http://127.0.0.1:3000/x", false),
            ("ftp://grafana.example.org/x", false),
            ("file:///etc/passwd", false),
        ] {
            let url = Url::parse(address).unwrap();
            assert_eq!(images.allows(&url), allowed, "{address}");
        }
    }

    #[test]
    fn an_entry_of_the_list_is_a_host_and_nothing_else() {
        for good in ["grafana", "grafana.example.org", "grafana:3000", "10.0.0.7", "[::1]:3000"] {
            assert_eq!(AllowedHost::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "*.example.org", "https://x.org", "x.org/render", "a@x.org", "x.org:", " "]
        {
            assert_eq!(AllowedHost::parse(bad), None, "{bad}");
        }
    }
}
