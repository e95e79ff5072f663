//! Real services for tests: started when the first test needs one, ended with the process.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failure here is a failed test"
)]

use holdfast_store::s3::{Credentials, S3Options};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A service that runs as long as this process.
pub struct Server {
    /// Its address.
    pub endpoint: String,
    /// Whose credentials they are.
    pub key: String,
    /// The credentials' secret.
    pub secret: String,
    /// Its directory.
    pub place: PathBuf,
    _child: Child,
    _stdin: ChildStdin,
}

/// Whatever keeps to everything: Ceph RGW.
pub fn ceph() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start_server("ceph"))
}

/// A service that compares checksums and has cold classes: moto.
pub fn moto() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start_server("moto"))
}

/// A moto of one's own, for a test that changes how it behaves.
pub fn own_moto() -> Server {
    Server::start_server("moto")
}

/// A service whose conditional create is none in a race: s3s-fs.
pub fn s3s() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start_server("s3s"))
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers")
}

impl Server {
    /// Starts a service and waits until it answers.
    fn start_server(kind: &str) -> Self {
        let mut child = Command::new("bash")
            .arg(scripts().join("serve.sh"))
            .arg(kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [endpoint, key, secret, place] = words[..] else {
            panic!("{kind} did not start: `bash tests/prepare.sh servers` installs what it needs");
        };
        Self {
            endpoint: endpoint.to_owned(),
            key: key.to_owned(),
            secret: secret.to_owned(),
            place: place.into(),
            _stdin: child.stdin.take().unwrap(),
            _child: child,
        }
    }

    /// Returns what a store needs to work here: at the service's address, or at that of a gate in front.
    pub fn options(&self, endpoint: &str) -> S3Options {
        S3Options {
            endpoint: Some(endpoint.to_owned()),
            credentials: Some(Credentials {
                access_key_id: self.key.clone(),
                secret_access_key: self.secret.clone(),
                session_token: None,
            }),
            attempts: 4,
            ..S3Options::new(std::env::temp_dir())
        }
    }

    /// Sends a signed request of somebody; returns the status and the body.
    pub fn ask_as(&self, key: &str, arguments: &[&str]) -> (u16, String) {
        let output = Command::new("python3")
            .arg(scripts().join("ask.py"))
            .args([&self.endpoint, key, &self.secret])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, body) = text.split_once('\n').unwrap_or((&text, ""));
        let words = String::from_utf8_lossy(&output.stderr);
        let status = status.trim().parse().unwrap_or_else(|_| panic!("{words}"));
        (status, body.to_owned())
    }

    /// Sends a signed request of the owner, which must go well; returns the body.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let (status, body) = self.ask_as(&self.key, arguments);
        assert!(
            (200..300).contains(&status),
            "{arguments:?}: {status} {body}"
        );
        body
    }

    /// Lets a moto thaw in steps: the first look at an object that was asked for finds it going, the second one ready.
    pub fn thaw_in_steps(&self) {
        let steps = r#"{"model_name": "s3::keyrestore", "transition": {"progression": "manual", "times": 1}}"#;
        self.ask(&[
            "POST",
            "/moto-api/state-manager/set-transition",
            "-b",
            steps,
        ]);
    }

    /// Makes a new bucket and returns its name.
    pub fn bucket(&self) -> String {
        self.bucket_with(&[])
    }

    /// Makes a new bucket with headers such as `-h`, `x-amz-bucket-object-lock-enabled:true`.
    pub fn bucket_with(&self, more: &[&str]) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("bucket-{}-{number}", std::process::id());
        let path = format!("/{name}");
        let mut arguments = vec!["PUT", &path];
        arguments.extend(more);
        self.ask(&arguments);
        name
    }
}
