//! Components as files: looked at, never run.
//!
//! Everything that can be said of a plugin without running it is said here, so that a file which is
//! no plugin, or one for another contract, is refused with a sentence and not with a stack trace.

use crate::limits::{COMPONENT_BYTES_MAX, MANIFEST_BYTES_MAX};
use crate::manifest::{Manifest, ManifestError, PluginKind, SECTION};
use holdfast_base::advice::{Advice, PluginAdvice};
use holdfast_base::error::{Describe, Kind, kind_of_io};
use holdfast_base::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// The contract that this host offers.
pub const CONTRACT: &str = "0.1.0";
pub(crate) const PACKAGE: &str = "holdfast:plugin/";

/// What can be said of a component without running it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// What it is, by what it exports.
    pub kinds: Vec<PluginKind>,
    /// Interfaces of the contract that it imports.
    pub imports: BTreeSet<String>,
    /// Interfaces of WASI that it imports; they are there and give access to nothing.
    pub wasi: BTreeSet<String>,
}

/// Says why a file is no plugin that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is too large.
    #[error("the file has {size} bytes, and a plugin has at most {COMPONENT_BYTES_MAX}")]
    Large {
        /// Its length.
        size: u64,
    },
    /// The file is no WebAssembly.
    #[error("the file is no WebAssembly")]
    NotWasm,
    /// The file is a core module.
    #[error("the file is a WebAssembly module and no component")]
    CoreModule,
    /// The file is not valid.
    #[error("the file is not a valid component: {detail}")]
    Invalid {
        /// What is wrong.
        detail: String,
    },
    /// There is no manifest.
    #[error("the component has no manifest")]
    NoManifest,
    /// There is more than one manifest.
    #[error("the component has more than one manifest")]
    TwoManifests,
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It was built for another contract.
    #[error("the component was built for contract {found}, and this host offers {CONTRACT}")]
    Contract {
        /// What it was built for.
        found: String,
    },
    /// It exports no kind of plugin.
    #[error("the component exports none of source, encryptor, verifier and notifier")]
    NoKind,
    /// The manifest says something else than the exports.
    #[error("the manifest says {said}, and the component exports {exported}")]
    OtherKinds {
        /// Kinds of the manifest.
        said: String,
        /// Kinds of the exports.
        exported: String,
    },
    /// It imports something that no host has.
    #[error("the component imports `{import}`, which this host does not offer")]
    Import {
        /// What it imports.
        import: String,
    },
}

impl Describe for ComponentError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Kind::Usage,
                _ => kind_of_io(source),
            },
            _ => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::CoreModule => vec![PluginAdvice::BuildComponent.into()],
            Self::NoManifest => vec![PluginAdvice::PackManifest.into()],
            Self::Contract { .. } => vec![PluginAdvice::RebuildComponent.into()],
            _ => Vec::new(),
        }
    }
}

/// Reads a file that may be a plugin.
///
/// # Errors
/// The file cannot be read, or is too large to be one.
pub fn read(path: &Path) -> Result<Vec<u8>, ComponentError> {
    let failed = |source| ComponentError::Read {
        path: path.display().to_string(),
        source,
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > COMPONENT_BYTES_MAX {
        return Err(ComponentError::Large { size });
    }
    std::fs::read(path).map_err(failed)
}

/// Returns the SHA-256 of a file in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Says what a component is, without running it.
///
/// # Errors
/// It is no plugin that this host can use.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    match bytes.get(..8) {
        Some([b'\0', b'a', b's', b'm', _, _, 0, 0]) => return Err(ComponentError::CoreModule),
        Some([b'\0', b'a', b's', b'm', ..]) => {}
        _ => return Err(ComponentError::NotWasm),
    }
    let invalid = |e: wasmparser::BinaryReaderError| ComponentError::Invalid {
        detail: e.to_string(),
    };
    Validator::new_with_features(WasmFeatures::default())
        .validate_all(bytes)
        .map_err(invalid)?;
    let outside = read_outside(bytes).map_err(invalid)?;
    let (imports, wasi) = sort_imports(outside.imports)?;
    let kinds = list_kinds(&outside.exports)?;
    let manifest = match outside.manifests.as_slice() {
        [] => return Err(ComponentError::NoManifest),
        [one] => Manifest::decode(one)?,
        _ => return Err(ComponentError::TwoManifests),
    };
    same_kinds(&manifest, &kinds)?;
    if manifest.contract != CONTRACT {
        return Err(ComponentError::Contract {
            found: manifest.contract,
        });
    }
    let size = bytes.len() as u64;
    Ok(Inspection {
        manifest,
        sha256: digest(bytes),
        size,
        kinds,
        imports,
        wasi,
    })
}

/// Sorts imports into interfaces of the contract and of WASI.
fn sort_imports(
    names: Vec<String>,
) -> Result<(BTreeSet<String>, BTreeSet<String>), ComponentError> {
    let (mut imports, mut wasi) = (BTreeSet::new(), BTreeSet::new());
    for import in names {
        match interface(&import)? {
            Some(name) => drop(imports.insert(name)),
            None if is_wasi(&import) => drop(wasi.insert(import)),
            None => return Err(ComponentError::Import { import }),
        }
    }
    Ok((imports, wasi))
}

/// Returns the kinds of plugin that these exports are.
fn list_kinds(exports: &[String]) -> Result<Vec<PluginKind>, ComponentError> {
    let mut exported = BTreeSet::new();
    for export in exports {
        exported.extend(interface(export)?);
    }
    let kinds: Vec<_> = PluginKind::ALL
        .into_iter()
        .filter(|kind| exported.contains(kind.as_str()))
        .collect();
    if kinds.is_empty() {
        return Err(ComponentError::NoKind);
    }
    Ok(kinds)
}

/// Returns whether a name is one of the interfaces of WASI preview 2 that are there.
fn is_wasi(name: &str) -> bool {
    let packages = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
    name.strip_prefix("wasi:")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(package, rest)| {
            packages.contains(&package) && rest.split_once("@0.2.").is_some()
        })
}

fn same_kinds(manifest: &Manifest, exported: &[PluginKind]) -> Result<(), ComponentError> {
    let mut said = manifest.kinds.clone();
    said.sort_unstable();
    if said == exported {
        return Ok(());
    }
    let words = |kinds: &[PluginKind]| {
        kinds
            .iter()
            .map(|k| k.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    Err(ComponentError::OtherKinds {
        said: words(&said),
        exported: words(exported),
    })
}

/// Returns the interface that a name of our package stands for.
fn interface(name: &str) -> Result<Option<String>, ComponentError> {
    let Some(rest) = name.strip_prefix(PACKAGE) else {
        return Ok(None);
    };
    let (interface, version) = rest.split_once('@').unwrap_or((rest, "none"));
    if version == CONTRACT {
        Ok(Some(interface.to_owned()))
    } else {
        Err(ComponentError::Contract {
            found: version.to_owned(),
        })
    }
}

#[derive(Default)]
struct Outside {
    imports: Vec<String>,
    exports: Vec<String>,
    manifests: Vec<Vec<u8>>,
}

/// Reads what a component shows at its outermost level. A manifest of a component inside says nothing.
fn read_outside(bytes: &[u8]) -> Result<Outside, wasmparser::BinaryReaderError> {
    let mut outside = Outside::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                debug_assert!(depth > 1 || encoding == Encoding::Component);
            }
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    outside.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    outside.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section)
                if depth == 1
                    && section.name() == SECTION
                    && section.data().len() <= MANIFEST_BYTES_MAX =>
            {
                outside.manifests.push(section.data().to_vec());
            }
            _ => {}
        }
    }
    Ok(outside)
}
