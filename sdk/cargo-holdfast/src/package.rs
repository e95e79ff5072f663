//! Makes a component of a module, with the manifest where a host looks for it: at its outermost level.

use crate::{Failure, Trying};
use holdfast_sandbox::manifest::{Manifest, SECTION};
use std::path::PathBuf;
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

/// What can be said on the command line.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component or module that another toolchain made
    file: PathBuf,
    /// The manifest, as JSON
    #[arg(long)]
    manifest: PathBuf,
    /// Where the plugin is put
    #[arg(long)]
    out: PathBuf,
}

#[expect(clippy::print_stdout, reason = "a program says what it made")]
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes =
        std::fs::read(&arguments.file).trying(format!("read `{}`", arguments.file.display()))?;
    let manifest = std::fs::read(&arguments.manifest)
        .trying(format!("read `{}`", arguments.manifest.display()))?;
    Manifest::decode(&manifest).trying("use the manifest")?;
    let plugin = component(&bytes, &manifest)?;
    let inspection = holdfast_sandbox::component::inspect(&plugin).trying("use the component")?;
    std::fs::write(&arguments.out, &plugin)
        .trying(format!("write `{}`", arguments.out.display()))?;
    println!(
        "{} {}",
        arguments.out.display(),
        inspection.manifest.version
    );
    Ok(())
}

/// Returns the manifest that the SDK put into a module.
pub(crate) fn manifest_of(bytes: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CustomSection(section) = payload.trying("read a module")?
            && section.name() == SECTION
        {
            return Ok(Some(section.data().to_vec()));
        }
    }
    Ok(None)
}

/// Makes a component, if it is not one already, and puts the manifest in.
pub(crate) fn component(bytes: &[u8], manifest: &[u8]) -> Result<Vec<u8>, Failure> {
    let is_component = matches!(
        Parser::new(0).parse_all(bytes).next(),
        Some(Ok(Payload::Version {
            encoding: Encoding::Component,
            ..
        }))
    );
    let mut component = if is_component {
        bytes.to_vec()
    } else {
        ComponentEncoder::default()
            .validate(true)
            .module(&without_debug_sections(bytes)?)
            .and_then(|encoder| encoder.encode())
            .map_err(|error| Failure(format!("cannot make a component: {error:#}")))?
    };
    append_section(&mut component, SECTION, manifest);
    Ok(component)
}

/// Leaves out what only a debugger reads; names of functions stay, for backtraces.
fn without_debug_sections(module: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut kept = module.get(..8).unwrap_or_default().to_vec();
    let mut from = kept.len();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.trying("read a module")?;
        let Some((_, range)) = payload.as_section() else {
            continue;
        };
        let end = range.end as usize;
        let is_for_debuggers = matches!(&payload, Payload::CustomSection(section)
            if section.name().starts_with(".debug_"));
        if !is_for_debuggers {
            kept.extend_from_slice(module.get(from..end).unwrap_or_default());
        }
        from = end;
    }
    Ok(kept)
}

/// Appends a custom section.
fn append_section(to: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::new();
    append_length(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    to.push(0);
    append_length(to, body.len());
    to.extend(body);
}

fn append_length(to: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        to.push(length as u8 | 0x80);
        length >>= 7;
    }
    to.push(length as u8);
}
