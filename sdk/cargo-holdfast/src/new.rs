//! Creates a plugin from a template.

use crate::{Failure, Trying};
use holdfast_sandbox::manifest::is_name;
use std::path::{Path, PathBuf};

/// The SDK in the checkout that this program was built from.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../holdfast-sdk");
/// Names that a plugin cannot have, because its crate could not be compiled.
const RESERVED: &[&str] = &[
    // Keywords.
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    // Crates that are there already.
    "alloc",
    "core",
    "holdfast-sdk",
    "proc-macro",
    "serde",
    "serde-json",
    "std",
    "test",
];
const IGNORED: &str = "/target\n/components\n";
const MANIFEST: &str = include_str!("../../template/Cargo.toml.txt");

/// The command line of `cargo holdfast new`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin's name; also the directory that is made
    name: String,
    /// What it is
    #[arg(long, value_enum, default_value = "source")]
    kind: PluginKind,
    /// Where the SDK is; where none is given, beside this program's own sources
    #[arg(long)]
    sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum PluginKind {
    Source,
    Encryptor,
    Verifier,
    Notifier,
}

impl PluginKind {
    fn template(self) -> &'static str {
        match self {
            Self::Source => include_str!("../../template/source.rs.txt"),
            Self::Encryptor => include_str!("../../template/encryptor.rs.txt"),
            Self::Verifier => include_str!("../../template/verifier.rs.txt"),
            Self::Notifier => include_str!("../../template/notifier.rs.txt"),
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program says what it made")]
pub(crate) fn create_plugin(arguments: &Arguments) -> Result<(), Failure> {
    let name = &arguments.name;
    check_name(name)?;
    let directory = PathBuf::from(name);
    if directory.symlink_metadata().is_ok() {
        return Err(Failure::Usage(format!(
            "`{name}` exists already\nhint: Nothing is replaced: take another name, or go elsewhere"
        )));
    }
    let sdk = locate_sdk(arguments.sdk.as_deref())?;
    let fill = |text: &str| text.replace("{{name}}", name).replace("{{sdk}}", &sdk);
    std::fs::create_dir_all(directory.join("src")).trying(format!("make `{name}`"))?;
    std::fs::write(directory.join("Cargo.toml"), fill(MANIFEST)).trying("write Cargo.toml")?;
    std::fs::write(
        directory.join("src/lib.rs"),
        fill(arguments.kind.template()),
    )
    .trying("write src/lib.rs")?;
    std::fs::write(directory.join(".gitignore"), IGNORED).trying("write .gitignore")?;
    println!("{name}/ is made. Next:\n  cd {name}\n  cargo test\n  cargo holdfast build --release");
    Ok(())
}

/// Checks that a name is one for holdfast, and for cargo.
fn check_name(name: &str) -> Result<(), Failure> {
    let why = if !is_name(name) {
        "use lower-case letters, digits and `-`, a letter first, at most 64"
    } else if RESERVED.contains(&name) {
        "Rust, or a crate that plugins use, has it for itself"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(format!(
        "`{name}` is no name for a plugin: {why}"
    )))
}

/// Finds the SDK, and returns how a plugin's `Cargo.toml` names it.
fn locate_sdk(given: Option<&Path>) -> Result<String, Failure> {
    let path = given.unwrap_or(Path::new(CHECKOUT));
    let is_sdk = |path: &PathBuf| {
        let manifest = std::fs::read_to_string(path.join("Cargo.toml"));
        manifest.is_ok_and(|text| text.contains("name = \"holdfast-sdk\""))
    };
    let found = path.canonicalize().ok().filter(is_sdk).ok_or_else(|| {
        Failure::Usage(format!(
            "`{}` is not the SDK\nhint: Say where it is with: --sdk CHECKOUT/sdk/holdfast-sdk",
            path.display()
        ))
    })?;
    Ok(format!("{{ path = {:?} }}", found.display().to_string()))
}
