//! Encryptors: shared by threads, ready again after each call, and believed only when they finish.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::common;

use common::*;
use holdfast_sandbox::CallError;
use holdfast_sandbox::capability::streams::BlobBytes;
use holdfast_sandbox::grant::Effective;
use holdfast_sandbox::plugin::encryptor::Encryptor;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};

const READ: &str = r#"(import "holdfast:plugin/streams@0.1.0" "[method]reader.read"
    (func $read (param i32 i32 i32)))"#;
const DROP_READER: &str = r#"(import "holdfast:plugin/streams@0.1.0" "[resource-drop]reader"
    (func $drop_reader (param i32)))"#;

/// Moves everything from local 2 into local 3 through the guest's own memory.
const COPY: &str = "(block $end (loop $more
    (global.set $next (i32.const 65536))
    (call $read (local.get 2) (i32.const 262144) (i32.const 1024))
    (call $must (i32.const 1024))
    (br_if $end (i32.eqz (i32.load8_u (i32.const 1028))))
    (call $write (local.get 3) (i32.load (i32.const 1032)) (i32.load (i32.const 1036)) (i32.const 1024))
    (call $must (i32.const 1024))
    (br $more)))";
const FINISH_BOTH: &str = "(call $finish (local.get 3) (i32.const 1024))
    (call $must (i32.const 1024)) (call $drop_reader (local.get 2))";

fn encryptor(seal: &str) -> Encryptor {
    let imports = [READ, DROP_READER, WRITE, FINISH, DROP].join("\n");
    let text = format!(
        r#"(module {imports} {BASE}
  (func (export "holdfast:plugin/encryptor@0.1.0#check") (param i32 i32) (result i32) (i32.const 0))
  (func (export "holdfast:plugin/encryptor@0.1.0#generate") (result i32) (i32.const 0))
  (func $seal (export "holdfast:plugin/encryptor@0.1.0#seal") (param i32 i32 i32 i32) (result i32)
    {seal} (i32.const 0))
  (func (export "holdfast:plugin/encryptor@0.1.0#open") (param i32 i32 i32 i32) (result i32)
    (call $seal (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func (export "holdfast:plugin/encryptor@0.1.0#open-range")
    (param i32 i32 i32 i64 i64 i32) (result i32) unreachable))"#
    );
    let plugin = load(&plugin_file("encryptor", &text));
    Encryptor::new(plugin, context(Effective::default())).unwrap()
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn seal(encryptor: &Encryptor, plain: &[u8]) -> Result<Vec<u8>, CallError> {
    let memory = Memory::default();
    encryptor.seal(
        &[],
        Box::new(Cursor::new(plain.to_vec())),
        Box::new(memory.clone()),
    )?;
    let bytes = memory.0.lock().unwrap().clone();
    Ok(bytes)
}

#[test]
fn threads_share_an_encryptor() {
    let encryptor = encryptor(&[COPY, FINISH_BOTH].concat());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let encryptor = &encryptor;
            scope.spawn(move || {
                for round in 0..20_usize {
                    let plain = vec![thread; round * 100_003];
                    assert!(seal(encryptor, &plain).unwrap() == plain);
                }
            });
        }
    });
}

#[test]
fn an_encryptor_that_does_not_finish_is_not_believed() {
    for unfinished in [
        COPY.to_owned(),
        [COPY, "(call $drop (local.get 3))"].concat(),
    ] {
        let result = seal(&encryptor(&unfinished), b"secret");
        assert!(
            matches!(result, Err(CallError::FalseSuccess { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn an_instance_that_broke_is_not_used_again() {
    // It breaks on the first byte it sees, if that is 1.
    let guest = "(call $read (local.get 2) (i32.const 1) (i32.const 1024))
        (if (i32.eq (i32.load8_u (i32.load (i32.const 1032))) (i32.const 1)) (then unreachable))";
    let encryptor = encryptor(&[guest, COPY, FINISH_BOTH].concat());
    assert_eq!(seal(&encryptor, &[0, 7]).unwrap(), [7]);
    assert!(matches!(
        seal(&encryptor, &[1, 7]),
        Err(CallError::Crashed { .. })
    ));
    assert_eq!(seal(&encryptor, &[0, 7]).unwrap(), [7]);
}

struct Failing;

impl io::Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the pack is damaged",
        ))
    }
}

#[test]
fn a_source_that_fails_is_no_end() {
    let encryptor = encryptor(&[COPY, FINISH_BOTH].concat());
    let memory = Memory::default();
    let result = encryptor.open(&[], Box::new(Failing), Box::new(memory));
    assert!(result.is_err());
}

struct Bytes(Vec<u8>);

impl BlobBytes for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        Ok(self
            .0
            .iter()
            .skip(offset as usize)
            .take(length)
            .copied()
            .collect())
    }
}

#[test]
fn a_broken_range_leaves_the_encryptor_usable() {
    let encryptor = encryptor(&[COPY, FINISH_BOTH].concat());
    let memory = Memory::default();
    let sealed = Arc::new(Bytes(vec![1, 2, 3]));
    let result = encryptor.open_range(&[], sealed, (0, 1), Box::new(memory));
    assert!(matches!(result, Err(CallError::Crashed { .. })));
    assert_eq!(seal(&encryptor, b"x").unwrap(), b"x");
}
