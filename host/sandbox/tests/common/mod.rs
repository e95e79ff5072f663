//! Guests written as text, and ports made of memory.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "for tests, each of which uses a part of it"
)]

use holdfast_base::added_tree::{AddedTree, LeftToAdd};
use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{Entry, EntryPath, FileContent, Warning};
use holdfast_sandbox::cache::Compiler;
use holdfast_sandbox::grant::{Effective, Grant, effective};
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::plugin::CallContext;
use holdfast_sandbox::ports::{DraftPort, Listener, SecretPort, StatePort, StreamSink, Totals};
use holdfast_sandbox::{CallError, Plugin, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// Makes a component of a core module for one of the worlds of the contract.
pub fn component(world: &str, text: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir("../../wit").unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

/// Appends a custom section.
pub fn with_section(mut component: Vec<u8>, name: &str, content: &[u8]) -> Vec<u8> {
    let leb = |mut value: usize| {
        let mut bytes = Vec::new();
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            bytes.push(if value == 0 { low } else { low | 0x80 });
            if value == 0 {
                return bytes;
            }
        }
    };
    let body = [leb(name.len()), name.as_bytes().to_vec(), content.to_vec()].concat();
    component.push(0);
    component.extend(leb(body.len()));
    component.extend(body);
    component
}

pub fn manifest(kind: &str) -> Value {
    json!({
        "manifest": 1, "name": "guest", "version": "1.0.0", "contract": "0.1.0", "kinds": [kind],
        "licence": "Apache-2.0", "description": "a test",
        "settings": [
            {"name": "command", "type": "command", "help": ""},
            {"name": "paths", "type": "paths", "help": ""},
        ],
        "capabilities": [
            {"capability": "process", "from-setting": "command", "reason": ""},
            {"capability": "trees", "access": "write", "from-setting": "paths", "reason": ""},
        ],
    })
}

pub fn plugin_file(kind: &str, text: &str) -> Vec<u8> {
    let bytes = component(&format!("{kind}-plugin"), text);
    with_section(
        bytes,
        "holdfast:manifest",
        manifest(kind).to_string().as_bytes(),
    )
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig {
        cache: None,
        compiler: Compiler::Here,
        spell: |advice| format!("{advice:?}"),
    })
    .unwrap()
}

pub fn load(bytes: &[u8]) -> Plugin {
    sandbox()
        .load("guest", bytes, &holdfast_sandbox::component::digest(bytes))
        .unwrap()
}

/// What every guest of these tests has: memory, an allocator that starts at 64 KiB, zeros at 0, and
/// exports that answer "done".
pub const BASE: &str = r#"
  (memory (export "memory") 64)
  (global $next (mut i32) (i32.const 65536))
  (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  ;; Breaks unless the answer at this place is "ok".
  (func $must (param i32)
    (if (i32.load8_u (local.get 0)) (then unreachable)))
"#;

/// A source whose `backup` is this; the draft is local 0, and 0 to 63 are zeros.
pub fn source(imports: &str, backup: &str) -> Vec<u8> {
    plugin_file("source", &source_text(imports, backup, ""))
}

/// The text of such a source, with further data.
pub fn source_text(imports: &str, backup: &str, data: &str) -> String {
    format!(
        r#"(module
  {imports}
  (import "holdfast:plugin/entries@0.1.0" "[resource-drop]draft" (func $drop_draft (param i32)))
  {BASE}
  {data}
  (data (i32.const 256) "dump.sql")
  (data (i32.const 512) "hello, world")
  (func (export "holdfast:plugin/source@0.1.0#check") (result i32) (i32.const 0))
  (func (export "holdfast:plugin/source@0.1.0#committed") (param i32 i32) (result i32) (i32.const 0))
  (func (export "holdfast:plugin/source@0.1.0#restore")
    (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "holdfast:plugin/source@0.1.0#backup")
    (param i32 i32 i32 i32 i32 i32) (result i32) (local $a i32) (local $b i32) (local $c i32)
    {backup}
    (call $drop_draft (local.get 0))
    (i32.const 0)))"#
    )
}

pub const CREATE: &str = r#"(import "holdfast:plugin/entries@0.1.0" "[method]draft.create"
    (func $create (param i32 i32 i32 i32 i32 i32)))"#;
pub const WRITE: &str = r#"(import "holdfast:plugin/streams@0.1.0" "[method]writer.write"
    (func $write (param i32 i32 i32 i32)))"#;
pub const FINISH: &str = r#"(import "holdfast:plugin/streams@0.1.0" "[static]writer.finish"
    (func $finish (param i32 i32)))"#;
pub const DROP: &str = r#"(import "holdfast:plugin/streams@0.1.0" "[resource-drop]writer"
    (func $drop (param i32)))"#;
pub const ABORT: &str = r#"(import "holdfast:plugin/streams@0.1.0" "[static]writer.abort"
    (func $abort (param i32 i32 i32)))"#;
pub const SPLICE: &str = r#"(import "holdfast:plugin/streams@0.1.0" "splice"
    (func $splice (param i32 i32 i32)))"#;
pub const TRANSFER: &str = r#"(import "holdfast:plugin/streams@0.1.0" "[static]transfer.start"
    (func $transfer (param i32 i32) (result i32)))
  (import "holdfast:plugin/streams@0.1.0" "[static]transfer.wait"
    (func $wait_transfer (param i32 i32)))"#;
pub const SPAWN: &str = r#"(import "holdfast:plugin/process@0.1.0" "spawn"
    (func $spawn (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "holdfast:plugin/process@0.1.0" "[method]child.take-stdout"
    (func $stdout (param i32 i32)))
  (import "holdfast:plugin/process@0.1.0" "[method]child.take-stdin"
    (func $stdin (param i32 i32)))
  (import "holdfast:plugin/process@0.1.0" "[static]child.wait"
    (func $wait (param i32 i32)))"#;

/// Creates entry `dump.sql`; its writer is then in $a.
pub const START: &str = r#"
  (call $create (local.get 0) (i32.const 256) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 1024))
  (call $must (i32.const 1024))
  (local.set $a (i32.load (i32.const 1028)))"#;

/// Writes 12 bytes into $a.
pub const WRITE_HELLO: &str = r#"
  (call $write (local.get $a) (i32.const 512) (i32.const 12) (i32.const 1024))
  (call $must (i32.const 1024))"#;

/// Finishes $a.
pub const FINISH_IT: &str = r#"
  (call $finish (local.get $a) (i32.const 1024))
  (call $must (i32.const 1024))"#;

/// Everything that happens to a draft.
#[derive(Default)]
pub struct MemoryDraft {
    pub entries: Mutex<BTreeMap<String, Vec<u8>>>,
    pub discarded: Mutex<Vec<String>>,
    pub warnings: Mutex<Vec<Warning>>,
    /// Bytes after which a write fails.
    pub full_after: Option<usize>,
}

struct MemorySink {
    draft: Arc<MemoryDraft>,
    name: String,
    bytes: Vec<u8>,
    is_finished: bool,
}

/// Lets a sink hold the draft that made it.
pub struct SharedDraft(pub Arc<MemoryDraft>);

impl DraftPort for SharedDraft {
    fn create_stream(
        &self,
        path: EntryPath,
        _: Vec<(String, String)>,
    ) -> io::Result<Box<dyn StreamSink>> {
        let name = path.to_string();
        Ok(Box::new(MemorySink {
            draft: Arc::clone(&self.0),
            name,
            bytes: Vec::new(),
            is_finished: false,
        }))
    }

    fn add(&self, entry: Entry, content: Option<Box<dyn FileContent>>) -> io::Result<()> {
        let mut bytes = Vec::new();
        if let Some(content) = content {
            io::Read::read_to_end(&mut content.open()?, &mut bytes)?;
        }
        self.0
            .entries
            .lock()
            .unwrap()
            .insert(entry.path.to_string(), bytes);
        Ok(())
    }

    fn take_tree(&self, _: AddedTree) -> io::Result<LeftToAdd> {
        Ok(LeftToAdd::Everything)
    }

    fn settle(&self) -> io::Result<Totals> {
        let entries = self.0.entries.lock().unwrap();
        let bytes = entries.values().map(Vec::len).sum::<usize>() as u64;
        let warnings = self.0.warnings.lock().unwrap().len() as u64;
        Ok(Totals {
            entries: entries.len() as u64,
            bytes,
            warnings,
        })
    }

    fn record_fact(&self, _: String, _: String) -> io::Result<()> {
        Ok(())
    }

    fn warn(&self, warning: Warning) {
        self.0.warnings.lock().unwrap().push(warning);
    }

    fn leave_out(&self, warning: Warning, _: io::Error) -> io::Result<()> {
        self.warn(warning);
        Ok(())
    }

    fn count_left_out(&self, _: u64, _: u64) {}
}

impl StreamSink for MemorySink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self
            .draft
            .full_after
            .is_some_and(|most| self.bytes.len() + bytes.len() > most)
        {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<u64> {
        self.is_finished = true;
        let bytes = std::mem::take(&mut self.bytes);
        let length = bytes.len() as u64;
        self.draft
            .entries
            .lock()
            .unwrap()
            .insert(self.name.clone(), bytes);
        Ok(length)
    }
}

impl Drop for MemorySink {
    fn drop(&mut self) {
        if !self.is_finished {
            self.draft.discarded.lock().unwrap().push(self.name.clone());
        }
    }
}

pub struct Nothing;

impl SecretPort for Nothing {
    fn resolve(&self, _: &str) -> io::Result<Vec<u8>> {
        Ok(b"hunter2".to_vec())
    }
}

impl StatePort for Nothing {
    fn get(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn set(&self, _: &str, _: Option<Vec<u8>>) -> io::Result<()> {
        Ok(())
    }

    fn keys(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl Listener for Nothing {
    fn progress(&self, _: u64, _: Option<u64>, _: &str) {}
}

pub fn context(effective: Effective) -> CallContext {
    CallContext {
        job: "orders".into(),
        settings: json!({}),
        effective,
        secrets: Arc::new(Nothing),
        state: Arc::new(Nothing),
        listener: Arc::new(Nothing),
        cancel: Cancel::new(),
        limits: CallLimits {
            guest_time: Duration::from_secs(5),
            deadline: Some(Duration::from_secs(10)),
            ..CallLimits::default()
        },
    }
}

/// What the test manifest asks for, all granted, with this command.
pub fn allowed(plugin: &Plugin, command: &[&str]) -> Effective {
    let manifest = &plugin.inspection().manifest;
    let grant = Grant {
        capabilities: manifest.capabilities.clone(),
        ..Grant::default()
    };
    effective(
        manifest,
        &grant,
        json!({ "command": command }).as_object().unwrap(),
    )
}

/// Runs a backup; returns what it came to and what became of the draft.
pub fn backup_in(
    bytes: &[u8],
    draft: MemoryDraft,
    prepare: impl FnOnce(&Plugin) -> CallContext,
) -> (Result<(), CallError>, Arc<MemoryDraft>) {
    let plugin = load(bytes);
    let context = Arc::new(prepare(&plugin));
    let draft = Arc::new(draft);
    let port: Arc<dyn DraftPort> = Arc::new(SharedDraft(Arc::clone(&draft)));
    let result = plugin.source().unwrap().backup(&context, &port, None);
    (result, draft)
}

pub fn backup(bytes: &[u8]) -> (Result<(), CallError>, Arc<MemoryDraft>) {
    backup_in(bytes, MemoryDraft::default(), |plugin| {
        context(allowed(plugin, &[]))
    })
}

/// Runs a backup that may run one command.
pub fn backup_with(bytes: &[u8], command: &[&str]) -> (Result<(), CallError>, Arc<MemoryDraft>) {
    backup_in(bytes, MemoryDraft::default(), |plugin| {
        context(allowed(plugin, command))
    })
}
