//! Whatever is in a file that is called a plugin, looking at it gives an answer or an error: no panic.
//! Bytes are made from sound ones by a few changes, so that they come past the first checks.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_sandbox::component::inspect;
use holdfast_sandbox::manifest::Manifest;
use std::path::Path;

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Changes a few bytes of the first `reach`, or cuts or lengthens what is there.
fn changed(sound: &[u8], reach: usize, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(reach.min(bytes.len()));
        match numbers.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, numbers.below(256) as u8),
            2 => drop(bytes.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            _ if bytes.is_empty() => {}
            _ => bytes[at] = numbers.below(256) as u8,
        }
    }
    bytes
}

/// Returns the manifest of a component: its custom section.
fn manifest_of(component: &[u8]) -> &[u8] {
    let name = b"holdfast:manifest";
    let at = component
        .windows(name.len())
        .rposition(|window| window == name)
        .unwrap();
    let text = &component[at + name.len()..];
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>();
    values.next().unwrap().unwrap();
    &text[..values.byte_offset()]
}

fn golden() -> Vec<u8> {
    let built = "../../tests/golden/components/built/golden-source.wasm";
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(built)).unwrap()
}

#[test]
fn a_manifest_is_read_or_refused() {
    let component = golden();
    let sound = manifest_of(&component);
    assert!(Manifest::decode(sound).is_ok());
    let mut numbers = Numbers(0x4711);
    let mut read = 0;
    for _ in 0..3_000 {
        let bytes = changed(sound, sound.len(), &mut numbers);
        read += u32::from(Manifest::decode(&bytes).is_ok());
    }
    assert!(read > 30, "{read}");
}

#[test]
fn a_component_is_looked_at_or_refused() {
    let sound = golden();
    assert!(inspect(&sound).is_ok());
    let mut numbers = Numbers(0x4712);
    for round in 0..150 {
        // The head decides what the rest is taken for.
        let reach = if round % 2 == 0 { 400 } else { sound.len() };
        let _ = inspect(&changed(&sound, reach, &mut numbers));
    }
    for length in [0, 1, 7, 8, 9, 100] {
        assert!(inspect(&sound[..length]).is_err(), "{length}");
    }
}
