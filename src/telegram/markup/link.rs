//! Which link targets Telegram takes, and what it makes of them.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;

/// The user whom `tg://user?id=…` names.
pub(super) fn user_id(url: &str) -> Option<i64> {
    let rest = strip_prefix_ignoring_case(url, "tg:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let rest = strip_prefix_ignoring_case(rest, "user")?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let query = rest.strip_prefix('?')?.split('#').next()?;
    let id = query.split('&').find_map(|pair| pair.strip_prefix("id="))?;
    let id: i64 = id.parse().ok()?;
    (id > 0 && id < 1 << 40).then_some(id)
}

/// The link as Telegram keeps it, or `None` when it drops the link and shows the text alone.
///
/// A host without a dot (`http://prometheus:9090`) is dropped too.
pub fn checked(url: &str) -> Option<String> {
    for scheme in ["tg", "ton", "tonsite"] {
        let Some(rest) = strip_prefix_ignoring_case(url, scheme) else { continue };
        let Some(rest) = rest.strip_prefix(':') else { continue };
        return internal(scheme, rest.strip_prefix("//").unwrap_or(rest));
    }
    let url = HttpUrl::parse(url)?;
    (url.host.contains('.') || url.ipv6).then(|| url.to_string())
}

/// A link into Telegram itself.
fn internal(scheme: &str, rest: &str) -> Option<String> {
    let url = HttpUrl::parse(rest)?;
    if strip_prefix_ignoring_case(rest, "http://").is_some()
        || url.scheme != "http"
        || !url.userinfo.is_empty()
        || url.port != 0
        || url.ipv6
    {
        return None;
    }
    let allowed = |c: char| {
        c.is_ascii_alphanumeric() || c == '-' || c == '_' || (scheme == "tonsite" && c == '.')
    };
    let query = url.query.strip_prefix('/').filter(|rest| rest.starts_with('?'));
    url.host
        .chars()
        .all(allowed)
        .then(|| format!("{scheme}://{}{}", url.host, query.unwrap_or(&url.query)))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

struct HttpUrl {
    scheme: &'static str,
    userinfo: String,
    host: String,
    ipv6: bool,
    /// 0 when the URL names none.
    port: u16,
    /// Path, query and fragment; starts with `/`.
    query: String,
}

impl HttpUrl {
    fn parse(url: &str) -> Option<Self> {
        let head = url.find([':', '/', '?', '#', '@', '[', ']']).unwrap_or(url.len());
        let (scheme, rest) = match url[head..].strip_prefix("://") {
            Some(rest) if url[..head].eq_ignore_ascii_case("http") => ("http", rest),
            Some(rest) if url[..head].eq_ignore_ascii_case("https") => ("https", rest),
            Some(_) => return None,
            None => ("http", url),
        };
        let (authority, query) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (authority, port) = Self::split_port(authority)?;
        let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let ipv6 = host.len() > 1 && host.starts_with('[') && host.ends_with(']');
        let host = host.to_ascii_lowercase();
        if ipv6 {
            host[1..host.len() - 1].parse::<Ipv6Addr>().ok()?;
        } else if host.is_empty()
            || host == "."
            || !is_host(host.as_bytes())
            || !userinfo.split(':').all(|part| is_host(part.as_bytes()))
        {
            return None;
        }
        Some(Self {
            scheme,
            userinfo: userinfo.to_owned(),
            host,
            ipv6,
            port,
            query: escape_query(query),
        })
    }

    /// Cuts `:port` off; a port must be a number from 1 to 65535.
    fn split_port(authority: &str) -> Option<(&str, u16)> {
        match authority.rfind([':', ']', '@']) {
            Some(colon) if colon > 0 && authority.as_bytes()[colon] == b':' => {
                let port = authority[colon + 1..].trim_start_matches('0').parse().ok()?;
                Some((&authority[..colon], port))
            }
            _ => Some((authority, 0)),
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if !self.userinfo.is_empty() {
            write!(f, "{}@", self.userinfo)?;
        }
        f.write_str(&self.host)?;
        if self.port != 0 {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.query)
    }
}

/// The characters of RFC 3986's host names, percent escapes, and any UTF-8.
fn is_host(host: &[u8]) -> bool {
    let mut at = 0;
    while at < host.len() {
        match host[at] {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | 0x80.. => {}
            byte if b".-_!$,~*'();&+=".contains(&byte) => {}
            b'%' => {
                let escape = host.get(at + 1..at + 3);
                if !escape.is_some_and(|escape| escape.iter().all(u8::is_ascii_hexdigit)) {
                    return false;
                }
                at += 2;
            }
            _ => return false,
        }
        at += 1;
    }
    true
}

fn escape_query(query: &str) -> String {
    let query = query.trim_end_matches([' ', '\t', '\r', '\n', '\0', '\u{b}']);
    let mut escaped = String::with_capacity(query.len() + 1);
    if !query.starts_with('/') {
        escaped.push('/');
    }
    for character in query.chars() {
        if character <= ' ' {
            let _ = write!(escaped, "%{:02X}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}
