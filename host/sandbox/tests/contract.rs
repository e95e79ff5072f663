//! A released version of the contract never changes its meaning: `wit/` says what its frozen copy says.
//!
//! Words of documentation may be mended; a function, a record or a name may not.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve};

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

/// Writes what a package means: without documentation, and in one form.
fn meaning(package: impl FnOnce(&mut Resolve) -> PackageId) -> String {
    let mut resolve = Resolve::default();
    let package = package(&mut resolve);
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).unwrap();
    printer.output.to_string()
}

fn of_directory(directory: &Path) -> String {
    meaning(|resolve| resolve.push_dir(directory).unwrap().0)
}

fn of_text(text: &str) -> String {
    meaning(|resolve| resolve.push_str("some.wit", text).unwrap())
}

/// The version that `wit/` says it is.
fn version() -> String {
    let types = std::fs::read_to_string(wit().join("types.wit")).unwrap();
    let line = types
        .lines()
        .find_map(|line| line.strip_prefix("package holdfast:plugin@"));
    line.unwrap().trim_end_matches(';').to_owned()
}

#[test]
fn what_was_released_stays_as_it_was() {
    let frozen = wit().join("released").join(version());
    assert!(
        frozen.is_dir(),
        "wit/ is version {}, of which there is no copy in wit/released: copy wit/*.wit there in \
         the change that releases it",
        version()
    );
    let (now, then) = (of_directory(&wit()), of_directory(&frozen));
    let other = now
        .lines()
        .zip(then.lines())
        .find(|(now, then)| now != then);
    assert_eq!(
        now,
        then,
        "wit/ no longer means what wit/released/{} does ({other:?}), and plugins were built \
         against that. Take the change back, or make it a new version: see wit/README.md",
        version()
    );
}

#[test]
fn every_released_version_has_its_golden_components() {
    let golden = wit().join("../tests/golden/components/built");
    for kind in ["source", "encryptor", "verifier", "notifier"] {
        let bytes = std::fs::read(golden.join(format!("golden-{kind}.wasm"))).unwrap();
        let inspection = holdfast_sandbox::component::inspect(&bytes).unwrap();
        assert_eq!(inspection.manifest.contract, version(), "{kind}");
    }
}

#[test]
fn words_may_change_and_nothing_else() {
    let plain = of_text("package a:b@0.1.0; interface c { f: func(x: u32) -> string; }");
    let same =
        "package a:b@0.1.0; /// What.\n interface c { /// How.\n f: func(x: u32) -> string; }";
    assert_eq!(plain, of_text(same));
    for other in [
        "package a:b@0.1.0; interface c { f: func(x: u64) -> string; }",
        "package a:b@0.1.0; interface c { f: func(y: u32) -> string; }",
        "package a:b@0.1.0; interface c { f: func(x: u32) -> string; g: func(); }",
        "package a:b@0.2.0; interface c { f: func(x: u32) -> string; }",
    ] {
        assert_ne!(plain, of_text(other), "{other}");
    }
}
