//! Says what a component is and whether holdfast takes it, without running it.

use crate::{Failure, Trying};
use holdfast_sandbox::component::{inspect, read};
use std::path::Path;

#[expect(clippy::print_stdout, reason = "a program says what it found")]
pub(crate) fn run(file: &Path) -> Result<(), Failure> {
    let bytes = read(file).trying("check")?;
    let inspection = inspect(&bytes).trying(format!("use `{}`", file.display()))?;
    let manifest = &inspection.manifest;
    println!(
        "{} {} ({} KiB)",
        manifest.name,
        manifest.version,
        inspection.size >> 10
    );
    println!("  {}", manifest.description);
    for kind in &inspection.kinds {
        println!("  is a {}", kind.word());
    }
    for ask in &manifest.capabilities {
        println!("  asks to {} — {}", ask.words(), ask.reason());
    }
    println!(
        "  imports {}",
        inspection
            .imports
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(())
}
