//! What an author gets who mistypes: a sentence, the place, exit code 2, and nothing written.

use super::{cargo, workplace};
use holdfast_tests::plugin;
use serde_json::{Value, json};
use std::path::Path;

const SECTION: &[u8] = b"\x11holdfast:manifest";

/// Runs `cargo holdfast`, and demands that it is refused as wrong usage.
#[track_caller]
fn refused(place: &Path, arguments: &[&str], words: &str) {
    let all = [&["holdfast"], arguments].concat();
    let ended = cargo(place, &all).expect(2).says(words);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(!place.join("out.wasm").exists(), "{arguments:?}");
}

/// Returns the arguments that pack a file.
fn pack<'a>(file: &'a str, manifest: &'a str) -> [&'a str; 6] {
    ["pack", file, "--manifest", manifest, "--out", "out.wasm"]
}

/// Returns a component without the manifest that was packed into it, as its last section.
fn bare(component: &Path) -> Vec<u8> {
    let bytes = std::fs::read(component).unwrap();
    let body = bytes
        .windows(SECTION.len())
        .rposition(|part| part == SECTION)
        .unwrap();
    let length_bytes = if bytes.len() - body < 128 { 1 } else { 2 };
    let section = body - length_bytes - 1;
    assert_eq!(bytes[section], 0, "a custom section");
    bytes[..section].to_vec()
}

fn manifest() -> Value {
    json!({
        "manifest": 1,
        "name": "judge",
        "version": "0.1.0",
        "contract": "0.1.0",
        "kinds": ["verifier"],
        "licence": "Apache-2.0",
        "description": "Judges",
    })
}

/// A directory with a component that has no manifest, and a manifest for it.
fn packing(name: &str) -> std::path::PathBuf {
    let place = workplace(name);
    std::fs::write(place.join("bare.wasm"), bare(&plugin("archive-check"))).unwrap();
    std::fs::write(place.join("manifest.json"), manifest().to_string()).unwrap();
    place
}

#[test]
fn new_takes_neither_a_wrong_name_nor_what_is_there() {
    let place = workplace("mistakes-new");
    std::fs::create_dir(place.join("taken")).unwrap();
    std::fs::write(place.join("taken/mine"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", place.join("link")).unwrap();
    let new = |arguments: &[&str], words: &str| {
        refused(&place, &[&["new"], arguments].concat(), words);
    };
    new(&["taken"], "`taken` exists already");
    new(&["link"], "`link` exists already");
    let long = "x".repeat(65);
    for name in ["", "Upper", "1st", "a_b", "a b", "../up", "a/b", "é", &long] {
        new(&[name], "use lower-case letters, digits and `-`");
    }
    for name in ["fn", "match", "core", "test", "serde", "holdfast-sdk"] {
        new(
            &[name],
            "Rust, or a crate that plugins use, has it for itself",
        );
    }
    new(
        &["fine", "--kind", "oracle"],
        "source, encryptor, verifier, notifier",
    );
    new(&["fine", "--sdk", "taken"], "`taken` is not the SDK");
    new(
        &["fine", "--sdk", "nowhere"],
        "hint: Say where it is with: --sdk",
    );
    new(&[], "<NAME>");
    let mut left: Vec<_> = std::fs::read_dir(&place)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["link", "taken"]);
    assert_eq!(std::fs::read_dir(place.join("taken")).unwrap().count(), 1);
}

#[test]
fn no_command_takes_what_is_no_component() {
    let place = packing("mistakes-component");
    let whole = std::fs::read(place.join("bare.wasm")).unwrap();
    let files: [(&str, &[u8], &str); 5] = [
        ("text", b"hello\n", "the file is no WebAssembly"),
        ("empty", b"", "the file is no WebAssembly"),
        ("cut", &whole[..5000], "the file is not a valid component"),
        (
            "hollow",
            b"\0asm\x0d\0\x01\0",
            "exports none of source, encryptor, verifier and notifier",
        ),
        (
            "module",
            b"\0asm\x01\0\0\0",
            "hint: Build it with: cargo holdfast build",
        ),
    ];
    for (file, bytes, words) in files {
        std::fs::write(place.join(file), bytes).unwrap();
        refused(&place, &["check", file], words);
        refused(&place, &["test", file], words);
        // A module is what `pack` makes components of, if there is a plugin in it.
        let words = if file == "module" {
            "exports none of"
        } else {
            words
        };
        refused(&place, &pack(file, "manifest.json"), words);
    }
    for command in ["check", "test"] {
        refused(
            &place,
            &[command, "nowhere.wasm"],
            "cannot read `nowhere.wasm`",
        );
        refused(
            &place,
            &[command, "bare.wasm"],
            "hint: Add a manifest with: cargo holdfast pack",
        );
    }
    let cut = b"\0asm\x01\0\0\0\x01\x05";
    std::fs::write(place.join("cut-module"), cut).unwrap();
    refused(
        &place,
        &pack("cut-module", "manifest.json"),
        "`cut-module`: the file is not a valid component",
    );
}

#[test]
fn pack_takes_one_manifest_and_says_where_it_is_broken() {
    let place = packing("mistakes-manifest");
    let broken = |manifest: &str, words: &str| {
        std::fs::write(place.join("broken.json"), manifest).unwrap();
        refused(&place, &pack("bare.wasm", "broken.json"), words);
    };
    let text = manifest().to_string();
    let with = |right: &str, wrong: &str, words: &str| {
        assert_eq!(text.matches(right).count(), 1, "`{right}` in {text}");
        broken(&text.replace(right, &format!("\n  {wrong}\n")), words);
    };
    broken("", "broken.json:1:1: EOF");
    broken(
        "{\n  \"manifest\": 1\n  \"name\": \"x\"\n}",
        "broken.json:3:3: expected `,` or `}`",
    );
    broken(
        "{\n  \"manifest\": 1,\n  \"nam\": \"x\"\n}",
        "broken.json:3:7: unknown field `nam`",
    );
    broken(
        "{\n  \"manifest\": \"1\"\n}",
        "broken.json:2:17: invalid type: string \"1\"",
    );
    broken(
        "{\n  \"manifest\": 1\n}",
        "broken.json:3:1: missing field `name`",
    );
    let bad_name = "broken.json:2:11: `No Name` is no name";
    with(r#""name":"judge""#, r#""name": "No Name""#, bad_name);
    let version = "broken.json:2:3: it has version 2, and this host reads version 1";
    with(r#""manifest":1"#, r#""manifest": 2"#, version);
    let ask = r#""name": "judge", "capabilities": [
        { "capability": "trees", "access": "read", "from-setting": "paths", "reason": "to read" }]"#;
    let unnamed = "broken.json:3:68: a capability names setting `paths`, which it has not";
    with(r#""name":"judge""#, ask, unnamed);
    with(
        r#""verifier""#,
        r#""oracle""#,
        "broken.json:2:10: unknown variant `oracle`",
    );
    let kinds = "the manifest says source, and the component exports verifier";
    with(r#""verifier""#, r#""source""#, kinds);
    let contract = "built for contract 9.0.0, and this host offers 0.1.0";
    with(r#""contract":"0.1.0""#, r#""contract": "9.0.0""#, contract);

    refused(
        &place,
        &pack("bare.wasm", "nowhere.json"),
        "cannot read `nowhere.json`",
    );
    let whole = [
        "holdfast",
        "pack",
        "bare.wasm",
        "--manifest",
        "manifest.json",
        "--out",
        "packed.wasm",
    ];
    cargo(&place, &whole).expect(0);
    let checked = cargo(&place, &["holdfast", "check", "packed.wasm"]).expect(0);
    assert!(
        checked.stdout.starts_with("judge 0.1.0 "),
        "{}",
        checked.stdout
    );
    refused(
        &place,
        &pack("packed.wasm", "manifest.json"),
        "`packed.wasm` has a manifest already",
    );
}

#[test]
fn test_says_where_settings_do_not_fit() {
    let place = workplace("mistakes-settings");
    let files = plugin("files");
    let test = |settings: &str, words: &str| {
        std::fs::write(place.join("settings.json"), settings).unwrap();
        let arguments = [
            "test",
            files.to_str().unwrap(),
            "--settings",
            "settings.json",
        ];
        refused(&place, &arguments, words);
    };
    test("{", "settings.json:1:1: EOF");
    test("[]", "settings.json:1:1: invalid type: sequence");
    test(
        "{\n  \"paths\": [],\n  \"exclud\": []\n}",
        "settings.json:3:3: plugin `files` has no setting `exclud`",
    );
    test("{ \"exclud\": [] }", "hint: Did you mean `exclude`?");
    test(
        "{\n  \"paths\": \"etc\"\n}",
        "settings.json:2:3: setting `paths` takes a list of absolute paths",
    );
    test("{}", "plugin `files` needs setting `paths`");
    refused(
        &place,
        &["test", files.to_str().unwrap()],
        "hint: Give settings with: --settings FILE",
    );
}
