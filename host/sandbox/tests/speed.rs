//! How fast bytes go through a plugin, and how soon one is ready. `tests/bench/run.sh` runs it; alone:
//! `HOLDFAST_PLUGINS=… cargo test --release -p holdfast-sandbox --test sandbox -- speed:: --ignored --nocapture --test-threads 1`

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that is read by people"
)]

use crate::common;

use common::*;
use holdfast_sandbox::cache::Compiler;
use holdfast_sandbox::grant::Effective;
use holdfast_sandbox::plugin::encryptor::{Encryptor, Recipient};
use holdfast_sandbox::{Sandbox, SandboxConfig};
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

/// Runs a sealing guest over so many bytes; returns gigabytes in a second.
fn measure(what: &str, seal: &str, bytes: u64, fills: bool) -> f64 {
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
    let speed = bytes as f64 / seconds / 1e9;
    println!("{what:32} {speed:6.2} GB/s");
    speed
}

/// Writes a line that `tests/bench/report.py` reads.
fn report(what: &str, value: f64, relation: &str, bound: f64, unit: &str) {
    println!("{what}\t{value:.3}\t{relation}\t{bound}\t{unit}");
}

/// Copies bytes as a host would without plugins; returns gigabytes in a second.
fn native_copy(bytes: u64) -> f64 {
    let mut from = Endless {
        left: bytes,
        fills: true,
    };
    let mut buffer = vec![0; 1 << 20];
    let begun = Instant::now();
    loop {
        let count = from.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        Nowhere
            .write_all(std::hint::black_box(&buffer[..count]))
            .unwrap();
    }
    bytes as f64 / begun.elapsed().as_secs_f64() / 1e9
}

#[test]
#[ignore = "a measurement, not a check"]
fn the_way_through_a_plugin() {
    for piece in [64 << 10, 1 << 20] {
        let what = format!("guest reads and writes {} KiB", piece >> 10);
        measure(&what, &copy(piece), BYTES, false);
    }
    let speed = measure(
        "guest reads and writes 256 KiB",
        &copy(256 << 10),
        BYTES,
        false,
    );
    report("guest reads and writes 256 KiB", speed, ">=", 4.0, "GB/s");
    let splice =
        "(call $splice (local.get 2) (local.get 3) (i32.const 1024)) (call $must (i32.const 1024))";
    let native = native_copy(BYTES);
    println!("{:32} {native:6.2} GB/s", "a native loop, with a memset");
    let spliced = measure("splice, with a memset", splice, BYTES, true);
    report(
        "splice, of a native loop",
        spliced / native,
        ">=",
        0.8,
        "times",
    );
    for (what, cipher) in [("ChaCha20-Poly1305", 0), ("AES-256-GCM", 1)] {
        let what = format!("seal-stream {what}");
        measure(&what, &seal_stream(cipher), BYTES / 2, false);
    }
    let encryptor = encryptor(splice);
    let begun = Instant::now();
    for _ in 0..1000 {
        seal_nothing(&encryptor);
    }
    let empty = begun.elapsed().as_secs_f64() * 1e3;
    println!("{:32} {empty:6.1} us", "an empty call");
}

fn seal_nothing(encryptor: &Encryptor) {
    let nothing = Endless {
        left: 0,
        fills: false,
    };
    encryptor
        .seal(&[], Box::new(nothing), Box::new(Nowhere))
        .unwrap();
}

/// The `age` plugin as it is installed.
fn age_plugin() -> Vec<u8> {
    let plugins =
        std::env::var_os("HOLDFAST_PLUGINS").expect("HOLDFAST_PLUGINS names no directory");
    std::fs::read(std::path::Path::new(&plugins).join("age.wasm")).unwrap()
}

fn unlimited() -> holdfast_sandbox::plugin::CallContext {
    let mut context = context(Effective::default());
    context.limits.deadline = None;
    context.limits.guest_time = std::time::Duration::from_secs(600);
    context
}

#[test]
#[ignore = "a measurement, not a check"]
fn sealing_by_the_age_plugin_and_by_the_age_crate() {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let native = || {
        let begun = Instant::now();
        let encryptor =
            age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient));
        let mut to = encryptor.unwrap().wrap_output(Nowhere).unwrap();
        let mut from = Endless {
            left: BYTES / 4,
            fills: false,
        };
        let mut buffer = vec![7; 1 << 20];
        loop {
            let count = from.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            to.write_all(&buffer[..count]).unwrap();
        }
        to.finish().unwrap();
        (BYTES / 4) as f64 / begun.elapsed().as_secs_f64() / 1e9
    };
    let plugin = Encryptor::new(load(&age_plugin()), unlimited()).unwrap();
    let to = [Recipient::PublicKey(recipient.to_string())];
    let sandboxed = || {
        let begun = Instant::now();
        let from = Endless {
            left: BYTES / 4,
            fills: false,
        };
        plugin.seal(&to, Box::new(from), Box::new(Nowhere)).unwrap();
        (BYTES / 4) as f64 / begun.elapsed().as_secs_f64() / 1e9
    };
    let mut ratios: Vec<f64> = (0..5).map(|_| sandboxed() / native()).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "sealing: plugin {:.2} GB/s, crate {:.2} GB/s",
        sandboxed(),
        native()
    );
    report(
        "sealing by the age plugin, of the age crate",
        ratios[2],
        ">=",
        0.7,
        "times",
    );
}

#[test]
#[ignore = "a measurement, not a check"]
fn a_plugin_is_ready_soon() {
    let cache = tempfile::tempdir().unwrap();
    let bytes = age_plugin();
    let digest = holdfast_sandbox::component::digest(&bytes);
    let ready = || {
        let begun = Instant::now();
        let sandbox = Sandbox::new(SandboxConfig {
            cache: Some(cache.path().to_owned()),
            compiler: Compiler::Here,
            spell: |advice| format!("{advice:?}"),
        });
        let plugin = sandbox.unwrap().load("age", &bytes, &digest).unwrap();
        Encryptor::new(plugin, unlimited())
            .unwrap()
            .check(&[])
            .unwrap();
        begun.elapsed().as_secs_f64() * 1e3
    };
    println!("{:32} {:6.1} ms", "a plugin is compiled in", ready());
    let mut times: Vec<f64> = (0..9).map(|_| ready()).collect();
    times.sort_by(f64::total_cmp);
    report(
        "a plugin is ready, from the cache",
        times[4],
        "<=",
        20.0,
        "ms",
    );
}
