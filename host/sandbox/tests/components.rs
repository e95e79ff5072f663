//! Files that are no plugin, or none of ours, are refused with a sentence.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::common;

use common::*;
use holdfast_sandbox::cache::Compiler;
use holdfast_sandbox::component::{digest, inspect};
use holdfast_sandbox::{Sandbox, SandboxConfig};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn refusal(bytes: &[u8]) -> String {
    inspect(bytes).unwrap_err().to_string()
}

fn component_text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn an_inspection_tells_without_running() {
    let bytes = source(CREATE, "unreachable");
    let inspection = inspect(&bytes).unwrap();
    assert_eq!(inspection.manifest.name, "guest");
    assert_eq!(inspection.sha256, digest(&bytes));
    assert!(inspection.imports.contains("entries"));
    assert!(inspection.wasi.is_empty());
}

#[test]
fn what_is_no_plugin_is_named() {
    assert_eq!(refusal(b"#!/bin/sh"), "the file is no WebAssembly");
    assert_eq!(refusal(b""), "the file is no WebAssembly");
    assert_eq!(
        refusal(&component_text("(module)")),
        "the file is a WebAssembly module and no component"
    );
    assert!(refusal(&component_text("(component)")).starts_with("the component exports none of"));
    assert!(refusal(&source("", "")[..200]).starts_with("the file is not a valid component"));
}

#[test]
fn what_a_host_does_not_have_is_named() {
    for import in [
        "wasi:http/types@0.2.0",
        "wasi:io/streams@0.3.0",
        "evil:thing/x",
    ] {
        let text = format!("(component (import \"{import}\" (instance)))");
        assert_eq!(
            refusal(&component_text(&text)),
            format!("the component imports `{import}`, which this host does not offer")
        );
    }
}

#[test]
fn another_contract_is_refused_with_both_versions() {
    let text = "(component (import \"holdfast:plugin/streams@7.0.0\" (instance)))";
    assert_eq!(
        refusal(&component_text(text)),
        "the component was built for contract 7.0.0, and this host offers 0.1.0"
    );
}

#[test]
fn there_is_one_manifest_and_it_agrees_with_the_exports() {
    let text = source_text("", "", "");
    let bare = component("source-plugin", &text);
    assert_eq!(refusal(&bare), "the component has no manifest");
    let one = manifest("source").to_string();
    let section = |bytes, text: &str| with_section(bytes, "holdfast:manifest", text.as_bytes());
    let two = section(section(bare.clone(), &one), &one);
    assert_eq!(refusal(&two), "the component has more than one manifest");
    let other = section(bare.clone(), &manifest("encryptor").to_string());
    assert_eq!(
        refusal(&other),
        "the manifest says encryptor, and the component exports source"
    );
    let newer = one.replace("0.1.0", "0.2.0");
    assert!(refusal(&section(bare.clone(), &newer)).contains("built for contract 0.2.0"));
    let unknown = one.replace("\"name\"", "\"nmae\":1,\"name\"");
    assert!(refusal(&section(bare, &unknown)).contains("nmae"));
}

#[test]
fn a_changed_file_is_not_loaded() {
    let bytes = source("", "");
    let error = sandbox()
        .load("guest", &bytes, &digest(b"other"))
        .map(drop)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin `guest` changed since it was installed"
    );
}

fn cached(directory: &Path) -> Sandbox {
    let cache = Some(directory.to_owned());
    Sandbox::new(SandboxConfig {
        cache,
        compiler: Compiler::Here,
        spell: |advice| format!("{advice:?}"),
    })
    .unwrap()
}

fn compiled_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "compiled"))
        .collect()
}

#[test]
fn a_compiled_form_that_was_changed_is_made_again_and_never_used() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("cache");
    let bytes = source("", "");
    let load = || {
        cached(&directory)
            .load("guest", &bytes, &digest(&bytes))
            .map(drop)
    };
    load().unwrap();
    let [file] = &compiled_files(&directory)[..] else {
        panic!("one compiled form")
    };
    let genuine = std::fs::read(file).unwrap();
    for at in [0, 40, genuine.len() / 2, genuine.len() - 1] {
        let mut changed = genuine.clone();
        changed[at] ^= 1;
        std::fs::write(file, &changed).unwrap();
        load().unwrap();
        assert!(std::fs::read(file).unwrap() == genuine, "changed at {at}");
    }
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("cache");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let bytes = source("", "");
    let error = cached(&directory)
        .load("guest", &bytes, &digest(&bytes))
        .map(drop)
        .unwrap_err();
    let text = holdfast_base_chain(&error);
    assert!(text.contains("can be written to by others"), "{text}");
}

fn holdfast_base_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[test]
fn a_key_that_cannot_be_read_is_not_replaced() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("cache");
    let bytes = source("", "");
    let load = || {
        cached(&directory)
            .load("guest", &bytes, &digest(&bytes))
            .map(drop)
    };
    load().unwrap();
    std::fs::write(directory.join("key"), b"short").unwrap();
    // Without its key the directory is of no use, and the plugin works all the same.
    load().unwrap();
    assert_eq!(std::fs::read(directory.join("key")).unwrap(), b"short");
}
