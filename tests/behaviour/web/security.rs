use std::fs;
use std::path::Path;

use tokio::io::AsyncReadExt;

use crate::support::house::{BODY, House, Setup};

struct Protected {
    house: House,
    http: reqwest::Client,
}

/// Puts a new certificate for `localhost` in place.
fn certificate(home: &Path) -> reqwest::Certificate {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(home.join("web.pem"), pair.cert.pem()).unwrap();
    fs::write(home.join("web.key"), pair.signing_key.serialize_pem()).unwrap();
    reqwest::Certificate::from_pem(pair.cert.pem().as_bytes()).unwrap()
}

fn client(house: &House, trusted: reqwest::Certificate) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]);
    client.resolve("localhost", house.address).build().unwrap()
}

/// A server with a certificate of its own and one user, ann, whose password is `right`.
async fn protected(extra: &str) -> (Protected, tempfile::TempDir) {
    crate::support::install_crypto();
    let home = tempfile::tempdir().unwrap();
    let root = certificate(home.path());
    let hash = bcrypt::hash("right", 4).unwrap();
    let web = format!(
        "tls_server_config:\n  cert_file: web.pem\n  key_file: web.key\n{extra}\
         basic_auth_users:\n  ann: {hash}\n"
    );
    let path = home.path().join("web.yml");
    fs::write(&path, web).unwrap();
    let house = House::open(Setup { web_config: Some(&path), ..Setup::default() }).await;
    let http = client(&house, root);
    (Protected { house, http }, home)
}

impl Protected {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.house.address.port())
    }
}

#[tokio::test]
async fn behind_tls_only_those_with_the_password_get_in() {
    let (server, home) = protected("").await;
    let webhook = || {
        let request = server.http.post(server.url("/alertmanager")).body(BODY);
        request.header("content-type", "application/json")
    };
    let stranger = webhook().send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    assert!(stranger.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    let wrong = webhook().basic_auth("ann", Some("wrong")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let nobody = webhook().basic_auth("bob", Some("right")).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    let ann = webhook().basic_auth("ann", Some("right")).send().await.unwrap();
    assert_eq!(ann.status(), 200);
    assert_eq!(ann.version(), reqwest::Version::HTTP_2, "ALPN offers HTTP/2");
    let unknown = server.http.get(server.url("/nowhere")).send().await.unwrap();
    assert_eq!(unknown.status(), 401, "not even what is absent is told to strangers");
    let refused = server.house.metrics.webhooks_received.with_label_values(&["unknown", "401"]);
    assert_eq!(refused.get(), 3, "webhooks without the password are counted");

    let url = server.url("");
    let root = home.path().join("web.pem");
    for (ready, code) in [(&[][..], 0), (&["--ready"], 1)] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_nabat"));
        command.args(["healthcheck", "--url", &url, "--ca-file"]).arg(&root).args(ready);
        let checked = command.kill_on_drop(true).output();
        let checked = tokio::time::timeout(crate::support::DEADLINE, checked).await.unwrap();
        assert_eq!(checked.unwrap().status.code(), Some(code), "who asks for a password lives");
    }
}

#[tokio::test]
async fn plain_http_is_not_spoken_on_the_tls_port() {
    let (server, _home) = protected("").await;
    let mut stream = server.house.dial().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost: n\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(crate::support::DEADLINE, read).await.expect("still open");
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_where_an_authority_is_named() {
    // The server's own certificate serves as the authority: no client holds one of it.
    let (server, _home) = protected("  client_ca_file: web.pem\n").await;
    let request = server.http.get(server.url("/-/healthy")).basic_auth("ann", Some("right"));
    assert!(request.send().await.is_err());
}

#[tokio::test]
async fn a_certificate_that_was_replaced_is_shown_at_the_next_handshake() {
    let (server, home) = protected("").await;
    let fresh = certificate(home.path());
    server.house.security.as_ref().unwrap().refresh().unwrap();
    let ask = |http: reqwest::Client| {
        http.get(server.url("/-/healthy")).basic_auth("ann", Some("right")).send()
    };
    assert_eq!(ask(client(&server.house, fresh)).await.unwrap().status(), 200);
    assert!(ask(server.http.clone()).await.is_err(), "the old one is not shown any more");
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_leaves_the_old_one_in_force() {
    let (server, home) = protected("").await;
    let other = rcgen::KeyPair::generate().unwrap();
    fs::write(home.path().join("web.key"), other.serialize_pem()).unwrap();
    let fault = server.house.security.as_ref().unwrap().refresh().unwrap_err().to_string();
    assert!(fault.starts_with("tls_server_config: "), "{fault}");
    let request = server.http.get(server.url("/-/healthy")).basic_auth("ann", Some("right"));
    assert_eq!(request.send().await.unwrap().status(), 200);
}
