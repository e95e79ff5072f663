//! Creates a plugin from a template.

use crate::{Failure, Trying};
use std::path::{Path, PathBuf};

/// The SDK in the checkout that this program was built from.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../holdfast-sdk");
const IGNORED: &str = "/target\n/components\n";
const MANIFEST: &str = include_str!("../../template/Cargo.toml.txt");

/// What can be said on the command line.
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
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let name = &arguments.name;
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_name {
        return Err(Failure(format!(
            "`{name}` is no name: use lower-case letters, digits and `-`"
        )));
    }
    let directory = PathBuf::from(name);
    if directory.exists() {
        return Err(Failure(format!("`{name}` exists already")));
    }
    let sdk = sdk(arguments.sdk.as_deref())?;
    let fill = |text: &str| text.replace("{{name}}", name).replace("{{sdk}}", &sdk);
    std::fs::create_dir_all(directory.join("src")).trying("make the directory")?;
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

/// Returns how a plugin's `Cargo.toml` names the SDK.
fn sdk(given: Option<&Path>) -> Result<String, Failure> {
    let path = given.unwrap_or(Path::new(CHECKOUT));
    let found = path.canonicalize().trying(format!(
        "find the SDK at `{}`, say where it is with --sdk",
        path.display()
    ))?;
    Ok(format!("{{ path = {:?} }}", found.display().to_string()))
}
