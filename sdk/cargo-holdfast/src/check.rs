//! Shows what a component is and whether holdfast accepts it, without running it.

use crate::Failure;
use holdfast_sandbox::component::{Inspection, inspect, read};
use holdfast_sandbox::manifest::Ask;
use std::collections::BTreeSet;
use std::path::Path;

#[expect(clippy::print_stdout, reason = "a program says what it found")]
pub(crate) fn check_component(file: &Path) -> Result<(), Failure> {
    let wrong = |error| Failure::component(file, &error);
    let inspection = read(file)
        .and_then(|bytes| inspect(&bytes))
        .map_err(wrong)?;
    print_inspection(&inspection);
    for oddity in find_oddities(&inspection) {
        println!("  warning: {oddity}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program says what it found")]
fn print_inspection(inspection: &Inspection) {
    let manifest = &inspection.manifest;
    println!(
        "{} {} ({} KiB)",
        manifest.name,
        manifest.version,
        inspection.size >> 10
    );
    println!("  {}", manifest.description);
    for kind in &inspection.kinds {
        println!("  is a {}", kind.as_str());
    }
    for ask in &manifest.capabilities {
        println!("  asks to {} — {}", ask.describe(), ask.reason());
    }
    for setting in &manifest.settings {
        let required = if setting.required { ", required" } else { "" };
        let kind = serde_json::to_value(setting.r#type).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        println!(
            "  setting {} ({kind}{required}) — {}",
            setting.name, setting.help
        );
    }
    let listed = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    println!("  imports {}", listed(&inspection.imports));
    if !inspection.wasi.is_empty() {
        println!(
            "  imports, with nothing behind them, {}",
            listed(&inspection.wasi)
        );
    }
}

/// Returns the interface that a capability is used through.
fn interface_of(ask: &Ask) -> &'static str {
    match ask {
        Ask::Trees { .. } => "trees",
        Ask::Process { .. } => "process",
        Ask::Secrets { .. } => "secrets",
        Ask::Net { .. } => "net",
        Ask::Http { .. } => "http",
        Ask::State { .. } => "state",
    }
}

/// Compares what a component imports with what its manifest asks for.
fn find_oddities(inspection: &Inspection) -> Vec<String> {
    let asked: BTreeSet<&str> = inspection
        .manifest
        .capabilities
        .iter()
        .map(interface_of)
        .collect();
    let imported = |name: &str| inspection.imports.contains(name);
    let used = ["trees", "process", "secrets", "net", "http", "state"];
    let denied = used
        .iter()
        .filter(|name| imported(name) && !asked.contains(**name))
        .map(|name| {
            format!("it imports `{name}` and asks for nothing of it: calls will be denied")
        });
    // A secret is most often handed on to a command or a connection, and not looked at.
    let idle = asked
        .iter()
        .filter(|name| !imported(name) && **name != "secrets")
        .map(|name| format!("it asks for `{name}` and does not import it: nothing can come of it"));
    denied.chain(idle).collect()
}
