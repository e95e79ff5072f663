//! Makes a component of a module, with the manifest in its outermost level: there a host looks for it.

use crate::failure::Json;
use crate::{Failure, Trying};
use holdfast_sandbox::component::{ComponentError, inspect, read};
use holdfast_sandbox::manifest::{Manifest, ManifestError, ManifestProblem, SECTION};
use std::path::{Path, PathBuf};
use wasmparser::{Encoding, Parser, Payload, Validator};
use wit_component::ComponentEncoder;

/// The command line of `cargo holdfast pack`.
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
pub(crate) fn pack_component(arguments: &Arguments) -> Result<(), Failure> {
    let wrong = |error| Failure::component(&arguments.file, &error);
    let bytes = read(&arguments.file).map_err(wrong)?;
    check_packable(&bytes).map_err(|error| match error {
        Some(error) => wrong(error),
        None => Failure::Usage(format!(
            "`{}` has a manifest already\nhint: Pack the component as its toolchain made it",
            arguments.file.display()
        )),
    })?;
    let manifest = read_manifest(&arguments.manifest)?;
    let plugin = make_component(&bytes, &manifest)?;
    let inspection = inspect(&plugin).map_err(wrong)?;
    std::fs::write(&arguments.out, &plugin)
        .trying(format!("write `{}`", arguments.out.display()))?;
    println!(
        "{} {}",
        arguments.out.display(),
        inspection.manifest.version
    );
    Ok(())
}

/// Reads a manifest that was written by hand.
fn read_manifest(path: &Path) -> Result<Vec<u8>, Failure> {
    let json = Json::read_file(path)?;
    json.parse_as::<Manifest>()?;
    Manifest::decode(json.as_bytes()).map_err(|ManifestError { problem }| {
        let about = match &problem {
            ManifestProblem::Name { name } => name,
            ManifestProblem::UnknownSetting { setting } => setting,
            ManifestProblem::Syntax(_) | ManifestProblem::Version { .. } => "manifest",
        };
        json.wrong_at(about, &problem.to_string())
    })?;
    Ok(json.as_bytes().to_vec())
}

/// Checks that something can be packed. An error of `None` means that it has a manifest already.
fn check_packable(bytes: &[u8]) -> Result<(), Option<ComponentError>> {
    match inspect(bytes) {
        Err(ComponentError::NoManifest) => Ok(()),
        Err(ComponentError::CoreModule) => {
            let valid = Validator::new().validate_all(bytes);
            let detail = |error: wasmparser::BinaryReaderError| ComponentError::Invalid {
                detail: error.to_string(),
            };
            valid.map(drop).map_err(|error| Some(detail(error)))
        }
        Ok(_)
        | Err(
            ComponentError::TwoManifests
            | ComponentError::Manifest(_)
            | ComponentError::OtherKinds { .. },
        ) => Err(None),
        Err(error) => Err(Some(error)),
    }
}

/// Finds the manifest that the SDK put into a module.
pub(crate) fn find_manifest(bytes: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
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
pub(crate) fn make_component(bytes: &[u8], manifest: &[u8]) -> Result<Vec<u8>, Failure> {
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
            .map_err(|error| Failure::Failed(format!("cannot make a component: {error:#}")))?
    };
    append_section(&mut component, SECTION, manifest);
    Ok(component)
}

/// Removes the sections that only debuggers read. Names of functions stay, for backtraces.
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
