//! The server's side of TLS.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::SecurityError;
use super::file::{ClientAuth, MinVersion, TlsSection};

/// The TLS settings in force; clones share them.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ArcSwap<rustls::ServerConfig>>);

impl Tls {
    pub(super) fn new(config: rustls::ServerConfig) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    pub(super) fn replace(&self, config: rustls::ServerConfig) {
        self.0.store(Arc::new(config));
    }

    /// For the next handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

pub(super) fn configure(
    section: &TlsSection,
    http2: bool,
    fetch: &mut impl FnMut(&Path) -> Result<Vec<u8>, SecurityError>,
) -> Result<rustls::ServerConfig, SecurityError> {
    let chain = certificates(&section.cert_file, &fetch(&section.cert_file)?)?;
    let key = PrivateKeyDer::from_pem_slice(&fetch(&section.key_file)?).map_err(|_| {
        SecurityError::Pem {
            path: section.key_file.clone(),
            fault: "holds no private key in PEM (PKCS #8, PKCS #1 or SEC 1, unencrypted)",
        }
    })?;
    let clients = match &section.client_ca_file {
        Some(path) => Some(certificates(path, &fetch(path)?)?),
        None => None,
    };
    let fault = |error: &dyn std::fmt::Display| SecurityError::Tls { fault: error.to_string() };
    let versions: &[_] = match section.min_version {
        MinVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| fault(&error))?;
    let builder = match (clients, section.client_auth_type) {
        (None, None | Some(ClientAuth::NoClientCert)) => builder.with_no_client_auth(),
        (None, Some(_)) => return Err(fault(&"client_auth_type needs a client_ca_file")),
        (Some(_), Some(ClientAuth::NoClientCert)) => {
            return Err(fault(&"client_ca_file has no effect with NoClientCert"));
        }
        (Some(authorities), kind) => {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority).map_err(|error| fault(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match kind {
                Some(ClientAuth::VerifyClientCertIfGiven) => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| fault(&error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| fault(&error))?;
    let offered: &[&str] = if http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
    let fault = |fault| SecurityError::Pem { path: path.to_owned(), fault };
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| fault("holds a certificate that is not valid PEM"))?;
    if chain.is_empty() { Err(fault("holds no certificate in PEM")) } else { Ok(chain) }
}
