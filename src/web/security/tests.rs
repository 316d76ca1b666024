use std::fs;

use super::*;

fn load(text: &str) -> Result<Security, SecurityError> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("web.yml");
    fs::write(&path, text).unwrap();
    Security::load(&path)
}

#[test]
fn an_empty_file_protects_nothing() {
    let security = load("").unwrap();
    assert!(security.tls().is_none());
    assert!(security.users.load().is_empty());
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let error = load("tls_server_confg: {}\n").unwrap_err().to_string();
    assert!(error.contains("tls_server_confg"), "{error}");
}

#[tokio::test]
async fn the_configured_headers_come_with_every_answer() {
    use tower::ServiceExt as _;

    let security = load(
        "http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n\
         basic_auth_users: {ann: '$2b$04$ooIYLYiYWmmtE0Z9AwZgO.ntrZQKdVINJzuCg6QCTKQvtwVzrLSFq'}\n",
    );
    let app = Arc::new(security.unwrap()).protect(axum::Router::new());
    let answer = app.oneshot(Request::<axum::body::Body>::default()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()[header::X_FRAME_OPTIONS], "deny");
}

#[test]
fn a_header_that_can_not_be_set_is_refused_with_those_that_can() {
    let told = |headers: &str| {
        let text = format!("http_server_config: {{headers: {{{headers}}}}}\n");
        load(&text).unwrap_err().to_string()
    };
    assert_eq!(
        told("Server: x"),
        "http_server_config.headers.Server: can't be set; the headers are Content-Security-Policy, \
         Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection"
    );
    assert_eq!(
        told("X-Frame-Options: no"),
        "http_server_config.headers.X-Frame-Options: can't be \"no\"; write deny or sameorigin"
    );
}

#[test]
fn without_http2_only_the_older_version_is_offered() {
    let home = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(home.path().join("web.pem"), pair.cert.pem()).unwrap();
    fs::write(home.path().join("web.key"), pair.signing_key.serialize_pem()).unwrap();
    let path = home.path().join("web.yml");
    let offered = |more: &str| {
        let text = format!("tls_server_config: {{cert_file: web.pem, key_file: web.key}}\n{more}");
        fs::write(&path, text).unwrap();
        read(&path).1.unwrap().parts.tls.unwrap().alpn_protocols
    };
    assert_eq!(offered(""), [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(offered("http_server_config: {http2: false}\n"), [b"http/1.1".to_vec()]);
}

#[test]
fn a_password_that_is_no_bcrypt_hash_is_refused_without_being_shown() {
    let error = load("basic_auth_users: {ann: hunter2}\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "basic_auth_users.ann: not a bcrypt hash; make one with: htpasswd -nBC 10 ann"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn a_missing_certificate_is_named_with_its_path() {
    let error = load("tls_server_config: {cert_file: no.pem, key_file: no.key}\n").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no.pem"), "{error}");
}

#[test]
fn a_client_ca_is_needed_to_ask_for_client_certificates() {
    let home = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(home.path().join("web.pem"), pair.cert.pem()).unwrap();
    fs::write(home.path().join("web.key"), pair.signing_key.serialize_pem()).unwrap();
    let path = home.path().join("web.yml");
    let section = "tls_server_config:\n  cert_file: web.pem\n  key_file: web.key\n";
    fs::write(&path, section).unwrap();
    assert!(Security::load(&path).unwrap().tls().is_some(), "paths are relative to the file");
    fs::write(&path, format!("{section}  client_auth_type: RequireAndVerifyClientCert\n")).unwrap();
    let error = Security::load(&path).unwrap_err().to_string();
    assert!(error.contains("client_ca_file"), "{error}");
}

#[tokio::test]
async fn a_right_password_is_remembered_and_a_wrong_one_never_is() {
    let hash = bcrypt::hash("right", 4).unwrap();
    let users = Users::new([("ann".to_owned(), file::PasswordHash(hash))].into()).unwrap();
    assert!(!users.allow("ann".into(), "wrong".into()).await);
    assert!(users.allow("ann".into(), "right".into()).await);
    assert!(users.allow("ann".into(), "right".into()).await);
    assert!(!users.allow("ann".into(), "wrong".into()).await);
    assert!(!users.allow("bob".into(), "right".into()).await);
}

#[test]
fn a_change_that_can_not_be_used_is_told_once_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("web.yml");
    let hash = bcrypt::hash("right", 4).unwrap();
    fs::write(&path, format!("basic_auth_users: {{ann: '{hash}'}}\n")).unwrap();
    let security = Security::load(&path).unwrap();
    fs::write(&path, "basic_auth_users: {ann: broken}\n").unwrap();
    security.refresh().unwrap_err();
    assert!(security.refresh().is_ok(), "the same fault is not told again");
    assert!(!security.users.load().is_empty());
    fs::write(&path, "").unwrap();
    security.refresh().unwrap();
    assert!(security.users.load().is_empty());
}
