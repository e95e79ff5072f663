//! Calls of the interfaces that several worlds import. Each writes down what came of it, in lines
//! that are the same every time.

use holdfast_sdk::host::crypto::{self, Aead, Digest, Hasher, Key, Segments};
use holdfast_sdk::host::process::Command;
use holdfast_sdk::host::streams::splice;
use holdfast_sdk::host::{clock, config, http, log, net, progress, random, secrets, state, trees};
use holdfast_sdk::{Blob, Failure, Reader, Transfer, Writer};
use std::fmt::Debug;

/// What was called and what came of it.
#[derive(Default)]
pub struct Answers(pub Vec<String>);

impl Answers {
    /// Writes down an answer.
    pub fn note(&mut self, what: &str, answer: impl Debug) {
        self.0.push(format!("{what} = {answer:?}"));
    }

    /// Writes down an answer that may be a failure: then its kind, since its words may change.
    pub fn tried<T: Debug>(&mut self, what: &str, answer: Result<T, Failure>) {
        match answer {
            Ok(answer) => self.note(what, answer),
            Err(failure) => self.note(what, failure.kind),
        }
    }

    /// Returns all answers, a line each.
    pub fn text(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls what needs no grant and every world has.
pub fn plain(answers: &mut Answers) -> Result<(), Failure> {
    answers.note("config.job", config::job());
    answers.note("config.settings", config::settings().starts_with('{'));
    log::write(
        log::Level::Info,
        "hello from the past",
        &[("key".into(), "value".into())],
    );
    progress::report(1, Some(2), "half");
    answers.note("clock.now-ns", clock::now_ns() > 1_700_000_000_000_000_000);
    let before = clock::monotonic_ns();
    answers.note("clock.monotonic-ns", clock::monotonic_ns() >= before);
    answers.note("random.bytes", random::bytes(16).len());
    ciphers(answers)
}

fn ciphers(answers: &mut Answers) -> Result<(), Failure> {
    for digest in [Digest::Blake3, Digest::Sha256] {
        let hasher = Hasher::new(digest);
        hasher.update(b"abc");
        answers.note("crypto.hasher", hex(&hasher.digest()));
    }
    for aead in [Aead::Chacha20Poly1305, Aead::Aes256Gcm] {
        let key = Key::load(aead, &[7; 32])?;
        let sealed = key.seal(&[1; 12], b"associated", b"plain")?;
        answers.note("crypto.key.seal", hex(&sealed));
        answers.note(
            "crypto.key.open",
            key.open(&[1; 12], b"associated", &sealed)?,
        );
        answers.tried("crypto.key.open, other", key.open(&[2; 12], b"", &sealed));
    }
    Ok(())
}

/// How this guest cuts streams.
pub fn segments() -> Segments {
    Segments {
        segment_bytes: 65_536,
        nonce_prefix: vec![],
        first: 0,
        to_end: true,
        skip: 0,
        take: None,
    }
}

/// Calls what asks for a grant and every world has.
pub fn granted(answers: &mut Answers, command: &[String]) -> Result<(), Failure> {
    let child = Command::from_line(command)?
        .secret("TOKEN", "token")
        .with_stdin()
        .spawn()?;
    let (input, output) = (child.stdin()?, child.stdout()?);
    input.write(b"to the child\n")?;
    answers.note("streams.writer.finish", Writer::finish(input)?);
    answers.note("streams.reader.size-hint", output.size_hint());
    answers.note("streams.reader.read", read_all(&output)?);
    let ended = child.wait_for_exit()?;
    answers.note(
        "process.child.wait",
        (ended.code, ended.signal, ended.stderr_tail),
    );
    answers.tried(
        "process.spawn",
        Command::new("/bin/not-granted").spawn().map(drop),
    );
    answers.note("secrets.names", secrets::names());
    answers.note("secrets.reveal", secrets::reveal("token")?);
    answers.tried("secrets.reveal, other", secrets::reveal("other"));
    state::set("a", b"1")?;
    state::set("b", b"2")?;
    state::remove("a")?;
    answers.note("state.keys", state::keys()?);
    answers.note("state.get", (state::get("a")?, state::get("b")?));
    Ok(())
}

fn read_all(reader: &Reader) -> Result<String, Failure> {
    let mut all = Vec::new();
    while let Some(bytes) = reader.read(5)? {
        all.extend(bytes);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// Calls the network, which is not granted to this guest.
pub fn network(answers: &mut Answers) {
    let connected = net::connect("127.0.0.1:1", net::Protection::Plain).and_then(|connection| {
        let _ = (connection.take_reader(), connection.take_writer());
        connection.start_tls("localhost")?;
        connection.write_secret("token")
    });
    answers.note("net.connect", connected.is_ok());
    let request = http::Request {
        method: "GET".into(),
        url: "http://127.0.0.1:1/".into(),
        headers: vec![("x".into(), http::HeaderValue::Plain("y".into()))],
        body: None,
    };
    answers.note("http.send", http::send(&request).is_ok());
}

/// Reads at any place of bytes at rest.
pub fn blob(answers: &mut Answers, blob: &Blob) -> Result<(), Failure> {
    answers.note("streams.blob.size", blob.size());
    answers.note("streams.blob.read-at", blob.read_at(1, 3)?);
    answers.note(
        "streams.blob.open-range",
        read_all(&blob.open_range(2, 2)?)?,
    );
    Ok(())
}

/// Works in a granted tree, which holds a file `in.txt`.
pub fn tree(answers: &mut Answers, name: &str) -> Result<(), Failure> {
    let granted = trees::granted();
    answers.note(
        "trees.granted",
        granted.iter().filter(|(tree, _)| tree == name).count(),
    );
    answers.tried(
        "trees.open, other",
        trees::open("/nowhere", trees::Access::Read).map(drop),
    );
    let tree = trees::open(name, trees::Access::Write)?;
    answers.note(
        "trees.tree.read-file",
        read_all(&tree.read_file(b"in.txt")?)?,
    );
    blob(answers, &tree.open_file(b"in.txt")?)?;
    tree.create_directory(b"made/here")?;
    let (from, to) = (
        tree.read_file(b"in.txt")?,
        tree.create_file(b"made/out.txt", 0o640)?,
    );
    answers.note("streams.splice", splice(&from, &to)?);
    answers.note("streams.writer.finish", Writer::finish(to)?);
    let (from, to) = (
        tree.read_file(b"in.txt")?,
        tree.create_file(b"made/copy.txt", 0o600)?,
    );
    let transfer = Transfer::start(from, to);
    let _ = transfer.moved();
    answers.note("streams.transfer.wait", Transfer::wait(transfer)?);
    Writer::abort(
        tree.create_file(b"made/aborted.txt", 0o600)?,
        "it is not wanted",
    );
    tree.remove(b"made/copy.txt")?;
    for node in tree.list_directory(b"made")? {
        let path = String::from_utf8_lossy(&node.path).into_owned();
        answers.note(
            "trees.tree.list-directory",
            (path, node.kind, node.size, node.mode & 0o777),
        );
    }
    let hash = crypto::hash_stream(Digest::Sha256, &tree.read_file(b"in.txt")?)?;
    answers.note("crypto.hash-stream", hex(&hash));
    Ok(())
}
