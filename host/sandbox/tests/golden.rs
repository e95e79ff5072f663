//! Components that were built against a released contract still load, run and give the same answers.
//!
//! They are files of the repository, one for each world, and each calls every function that its
//! world imports. They are never rebuilt for a host that no longer takes them: that host is wrong.
//! With HOLDFAST_RECORD set, the answers are written down instead of compared (tests/golden/make.sh).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::common;

use common::*;
use holdfast_base::entry::{Entry, EntryKind, EntryPath, RestoreTarget};
use holdfast_base::time::Instant;
use holdfast_sandbox::capability::streams::BlobBytes;
use holdfast_sandbox::grant::{Grant, effective};
use holdfast_sandbox::plugin::encryptor::{Encryptor, Identity, Recipient};
use holdfast_sandbox::plugin::notifier::Event;
use holdfast_sandbox::plugin::source::{Previous, RestoreRequest};
use holdfast_sandbox::plugin::{CallContext, Finding, Severity};
use holdfast_sandbox::ports::{ContentPort, DraftPort, EntryIter, StatePort, Totals};
use holdfast_sandbox::{CallError, Plugin};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/components")
        .join(path)
}

fn component(kind: &str) -> Plugin {
    load(&std::fs::read(golden(&format!("built/golden-{kind}.wasm"))).unwrap())
}

/// Compares with what was written down.
#[track_caller]
fn compare(kind: &str, answers: &str) {
    let path = golden(&format!("answers/{kind}.txt"));
    if std::env::var_os("HOLDFAST_RECORD").is_some() {
        std::fs::write(path, answers).unwrap();
        return;
    }
    let recorded = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        answers, recorded,
        "the {kind} that was built against the contract 0.1.0 is answered otherwise than it was"
    );
}

#[derive(Default)]
struct Values(Mutex<BTreeMap<String, Vec<u8>>>);

impl StatePort for Values {
    fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn set(&self, key: &str, value: Option<Vec<u8>>) -> io::Result<()> {
        let mut values = self.0.lock().unwrap();
        match value {
            Some(value) => values.insert(key.into(), value),
            None => values.remove(key),
        };
        Ok(())
    }

    fn keys(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
}

/// A tree with a file, and all that a golden guest asks for.
fn granted(plugin: &Plugin) -> (tempfile::TempDir, CallContext) {
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("in.txt"), "hello").unwrap();
    std::fs::write(tree.path().join("kept"), "kept").unwrap();
    let script = "cat; printf %s \"$TOKEN\"; echo aside >&2";
    let settings = json!({
        "paths": [tree.path()], "command": ["/bin/sh", "-c", script], "token": "token",
    });
    let manifest = &plugin.inspection().manifest;
    let grant = Grant {
        capabilities: manifest.capabilities.clone(),
        ..Grant::default()
    };
    let allowed = effective(manifest, &grant, settings.as_object().unwrap());
    let context = CallContext {
        settings,
        state: Arc::new(Values::default()),
        ..context(allowed)
    };
    (tree, context)
}

fn lines(findings: &[Finding]) -> String {
    let line = |f: &Finding| {
        format!(
            "{:?} {} {} {:?}\n",
            f.severity, f.subject, f.message, f.hint
        )
    };
    findings.iter().map(line).collect()
}

#[test]
fn a_source_of_the_contract_0_1_0_gets_the_answers_it_got_then() {
    let plugin = component("source");
    let (_tree, context) = granted(&plugin);
    let context = Arc::new(context);
    let source = plugin.source().unwrap();
    let mut answers = lines(&source.check(&context).unwrap());
    let draft = Arc::new(MemoryDraft::default());
    let port: Arc<dyn DraftPort> = Arc::new(SharedDraft(Arc::clone(&draft)));
    let previous = Previous {
        snapshot: "0123abcd".into(),
        facts: vec![("fact".into(), "before".into())],
    };
    source.backup(&context, &port, Some(&previous)).unwrap();
    source.committed(&context, "0123abcd").unwrap();
    for (name, content) in draft.entries.lock().unwrap().iter() {
        answers += &format!("-- {name}\n{}\n", String::from_utf8_lossy(content));
    }
    for warning in draft.warnings.lock().unwrap().iter() {
        answers += &format!("-- warning {warning:?}\n");
    }
    let content: Arc<dyn ContentPort> = Arc::new(Kept);
    let request = RestoreRequest {
        paths: vec![b"answers".to_vec()],
        overwrite: false,
        options: vec![("time".into(), "now".into())],
    };
    let Err(CallError::Failed { failure, .. }) = source.restore(&context, &content, &request)
    else {
        panic!("a restore of the golden source ends in a failure of its own");
    };
    answers += &format!("-- restore {} {:?}\n", failure.message, failure.hint);
    compare("source", &answers);
}

/// A committed snapshot with a dump and a tree of one file.
struct Kept;

const DUMP: &str = "-- a dump\n";

impl ContentPort for Kept {
    fn list(&self, _: Option<&EntryPath>) -> io::Result<EntryIter> {
        let entries = [("dump.sql", 10), ("restored/file", 4)];
        let entries = entries.map(|(name, size)| Ok((entry(name), size)));
        Ok(Box::new(entries.into_iter()))
    }

    fn open(&self, path: &EntryPath) -> io::Result<Box<dyn Read + Send>> {
        match path.as_bytes() {
            b"dump.sql" | b"answers" => Ok(Box::new(Cursor::new(DUMP))),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn extract(&self, _: Option<&EntryPath>, target: &dyn RestoreTarget) -> io::Result<Totals> {
        target.finish()?;
        Ok(Totals {
            entries: 1,
            bytes: 4,
            warnings: 0,
        })
    }

    fn facts(&self) -> Vec<(String, String)> {
        vec![("fact".into(), "kept".into())]
    }
}

fn entry(path: &str) -> Entry {
    Entry {
        path: EntryPath::new(path).unwrap(),
        kind: EntryKind::Stream,
        modified: Instant::from_parts(1_700_000_000, 5),
        ownership: None,
        attributes: vec![("key".into(), "value".into())],
    }
}

#[test]
fn a_verifier_of_the_contract_0_1_0_gets_the_answers_it_got_then() {
    let plugin = component("verifier");
    let (_tree, context) = granted(&plugin);
    let context = Arc::new(context);
    let mut answers = lines(&plugin.check_verifier(&context).unwrap());
    let content: Arc<dyn ContentPort> = Arc::new(Kept);
    answers += &lines(&plugin.verify(&context, &content).unwrap());
    compare("verifier", &answers);
}

#[test]
fn a_notifier_of_the_contract_0_1_0_gets_the_answers_it_got_then() {
    let plugin = component("notifier");
    let (_tree, context) = granted(&plugin);
    let context = Arc::new(context);
    let mut answers = lines(&plugin.check_notifier(&context).unwrap());
    let event = Event {
        name: "backup.failed".into(),
        severity: Severity::Error,
        title: "title".into(),
        body: "body".into(),
        attributes: vec![("job".into(), "orders".into())],
    };
    let Err(CallError::Failed { failure, .. }) = plugin.notify(&context, &event) else {
        panic!("the golden notifier ends in a failure of its own");
    };
    answers += &format!(
        "{:?}\n{}{:?}\n",
        failure.kind, failure.message, failure.hint
    );
    compare("notifier", &answers);
}

#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<u8>>>);

impl Write for Taken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Bytes(Vec<u8>);

impl BlobBytes for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        Ok(rest[..rest.len().min(length)].to_vec())
    }
}

#[test]
fn an_encryptor_of_the_contract_0_1_0_gets_the_answers_it_got_then() {
    let plugin = component("encryptor");
    let (_tree, context) = granted(&plugin);
    let encryptor = Encryptor::new(plugin, context).unwrap();
    let pair = encryptor.generate().unwrap();
    let recipients = [
        Recipient::PublicKey(pair.public_key),
        Recipient::Passphrase("passphrase".into()),
    ];
    let mut answers = lines(&encryptor.check(&recipients).unwrap());
    let identities = [Identity::Key(pair.identity)];
    let plain: Vec<u8> = (0..70_000_u32).map(|n| (n % 251) as u8).collect();
    let sealed = Taken::default();
    let from = Box::new(Cursor::new(plain.clone()));
    encryptor
        .seal(&recipients, from, Box::new(sealed.clone()))
        .unwrap();
    let sealed = sealed.0.lock().unwrap().clone();
    answers += &format!("sealed {}\n", holdfast_sandbox::component::digest(&sealed));
    let opened = Taken::default();
    let from = Box::new(Cursor::new(sealed.clone()));
    encryptor
        .open(&identities, from, Box::new(opened.clone()))
        .unwrap();
    assert_eq!(*opened.0.lock().unwrap(), plain);
    let range = Taken::default();
    encryptor
        .open_range(
            &identities,
            Arc::new(Bytes(sealed)),
            (65_530, 12),
            Box::new(range.clone()),
        )
        .unwrap();
    assert_eq!(*range.0.lock().unwrap(), plain[65_530..65_542]);
    compare("encryptor", &answers);
}
