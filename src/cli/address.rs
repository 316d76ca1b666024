//! Addresses to listen on, as people write them.

use std::net::{Ipv4Addr, SocketAddr};

/// `0.0.0.0:9087`, `[::]:9087`, `localhost:9087`, or `:9087` for all IPv4 addresses.
///
/// # Errors
/// A sentence for the person who wrote it.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let address = match text.rsplit_once(':') {
        Some(("", port)) => port.parse().ok().map(|port| (Ipv4Addr::UNSPECIFIED, port).into()),
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            port.parse().ok().map(|port| (Ipv4Addr::LOCALHOST, port).into())
        }
        _ => text.parse().ok(),
    };
    address.ok_or_else(|| "expected an address and a port, such as 127.0.0.1:9087 or :9087".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_lack_its_host_or_name_this_machine() {
        for (text, address) in [
            (":9087", "0.0.0.0:9087"),
            ("localhost:9087", "127.0.0.1:9087"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::]:9087", "[::]:9087"),
        ] {
            assert_eq!(listen_address(text), Ok(address.parse().unwrap()), "{text}");
        }
        for wrong in ["", ":", "9087", "localhost", "localhost:x", ":99999", "::1:9087x"] {
            let fault = listen_address(wrong).unwrap_err();
            assert!(fault.contains(":9087"), "{wrong}: {fault}");
        }
    }
}
