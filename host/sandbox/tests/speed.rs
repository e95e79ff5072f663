//! How fast bytes go through a plugin. Run with: cargo test --release -p holdfast-sandbox --test speed -- --ignored --nocapture

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that is read by people"
)]

mod common;

use common::*;
use holdfast_sandbox::grant::Effective;
use holdfast_sandbox::plugin::encryptor::Encryptor;
use std::io::{self, Read, Write};
use std::time::Instant;

const BYTES: u64 = 4 << 30;

/// Gives bytes, by default without touching the buffer: what is measured is the way through the plugin.
struct Endless {
    left: u64,
    fills: bool,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= count as u64;
        if self.fills {
            buffer[..count].fill(7);
        }
        Ok(count)
    }
}

struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn encryptor(seal: &str) -> Encryptor {
    let text = format!(
        r#"(module
  (import "holdfast:plugin/streams@0.1.0" "[method]reader.read" (func $read (param i32 i32 i32)))
  (import "holdfast:plugin/streams@0.1.0" "[resource-drop]reader" (func $drop_reader (param i32)))
  (import "holdfast:plugin/crypto@0.1.0" "[static]key.load" (func $load (param i32 i32 i32 i32)))
  (import "holdfast:plugin/crypto@0.1.0" "[resource-drop]key" (func $drop_key (param i32)))
  (import "holdfast:plugin/crypto@0.1.0" "[method]key.seal-stream"
    (func $seal_stream (param i32 i32 i32 i32 i64 i32 i64 i32 i64 i32 i32 i32)))
  {WRITE} {FINISH} {SPLICE} {BASE}
  (func (export "holdfast:plugin/encryptor@0.1.0#check") (param i32 i32) (result i32) (i32.const 0))
  (func (export "holdfast:plugin/encryptor@0.1.0#generate") (result i32) (i32.const 0))
  (func (export "holdfast:plugin/encryptor@0.1.0#seal") (param i32 i32 i32 i32) (result i32) (local i32)
    {seal}
    (call $finish (local.get 3) (i32.const 1024))
    (call $must (i32.const 1024))
    (call $drop_reader (local.get 2))
    (i32.const 0))
  (func (export "holdfast:plugin/encryptor@0.1.0#open") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "holdfast:plugin/encryptor@0.1.0#open-range")
    (param i32 i32 i32 i64 i64 i32) (result i32) unreachable))"#
    );
    let plugin = load(&plugin_file("encryptor", &text));
    let mut context = context(Effective::default());
    context.limits.deadline = None;
    context.limits.guest_time = std::time::Duration::from_secs(600);
    Encryptor::new(plugin, context).unwrap()
}

fn copy(piece: u32) -> String {
    format!(
        "(block $end (loop $more
          (global.set $next (i32.const 65536))
          (call $read (local.get 2) (i32.const {piece}) (i32.const 1024))
          (call $must (i32.const 1024))
          (br_if $end (i32.eqz (i32.load8_u (i32.const 1028))))
          (call $write (local.get 3) (i32.load (i32.const 1032)) (i32.load (i32.const 1036)) (i32.const 1024))
          (call $must (i32.const 1024))
          (br $more)))"
    )
}

fn seal_stream(cipher: u32) -> String {
    format!(
        "(call $load (i32.const {cipher}) (i32.const 4096) (i32.const 32) (i32.const 1024))
         (call $must (i32.const 1024))
         (local.set 4 (i32.load (i32.const 1028)))
         (call $seal_stream (local.get 4) (i32.const 65536) (i32.const 0) (i32.const 0) (i64.const 0)
           (i32.const 1) (i64.const 0) (i32.const 0) (i64.const 0) (local.get 2) (local.get 3) (i32.const 1024))
         (call $must (i32.const 1024))
         (call $drop_key (local.get 4))"
    )
}

fn measure(what: &str, seal: &str, bytes: u64, fills: bool) {
    let encryptor = encryptor(seal);
    let run = |bytes| {
        encryptor
            .seal(
                &[],
                Box::new(Endless { left: bytes, fills }),
                Box::new(Nowhere),
            )
            .unwrap()
    };
    run(1 << 20);
    let begun = Instant::now();
    run(bytes);
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what:32} {:6.2} GB/s", bytes as f64 / seconds / 1e9);
}

#[test]
#[ignore = "a measurement, not a check"]
fn speed() {
    for piece in [64 << 10, 256 << 10, 1 << 20] {
        measure(
            &format!("guest reads and writes {} KiB", piece >> 10),
            &copy(piece),
            BYTES,
            false,
        );
    }
    let splice =
        "(call $splice (local.get 2) (local.get 3) (i32.const 1024)) (call $must (i32.const 1024))";
    measure("splice, with a memset", splice, BYTES, true);
    measure(
        "seal-stream ChaCha20-Poly1305",
        &seal_stream(0),
        BYTES / 2,
        false,
    );
    measure("seal-stream AES-256-GCM", &seal_stream(1), BYTES / 2, false);
    let encryptor = encryptor(splice);
    let begun = Instant::now();
    for _ in 0..1000 {
        encryptor
            .seal(
                &[],
                Box::new(Endless {
                    left: 0,
                    fills: false,
                }),
                Box::new(Nowhere),
            )
            .unwrap();
    }
    println!(
        "{:32} {:6.1} us",
        "an empty call",
        begun.elapsed().as_secs_f64() * 1e3
    );
}
