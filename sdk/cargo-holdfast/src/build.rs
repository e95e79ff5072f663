//! Builds the plugins of a workspace into components.

use crate::package::{find_manifest, make_component};
use crate::toolchain::Toolchain;
use crate::{Failure, Trying};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The command line of `cargo holdfast build`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The workspace or plugin to build
    #[arg(long, default_value = "Cargo.toml")]
    manifest_path: PathBuf,
    /// Optimise
    #[arg(long)]
    release: bool,
    /// Build only this package
    #[arg(long, short)]
    package: Option<String>,
    /// Where the components are put
    #[arg(long, default_value = "components")]
    out: PathBuf,
}

#[expect(clippy::print_stdout, reason = "a program says what it made")]
pub(crate) fn build_plugins(arguments: &Arguments) -> Result<(), Failure> {
    let toolchain = Toolchain::find_installed()?;
    let modules = compile_modules(&toolchain, arguments)?;
    std::fs::create_dir_all(&arguments.out).trying("make the output directory")?;
    let mut made = 0;
    for module in modules {
        let bytes = std::fs::read(&module).trying(format!("read `{}`", module.display()))?;
        let Some(manifest) = find_manifest(&bytes)? else {
            continue;
        };
        let component = make_component(&bytes, &manifest)?;
        let inspection = holdfast_sandbox::component::inspect(&component)
            .trying(format!("use what `{}` was made into", module.display()))?;
        let path = arguments
            .out
            .join(format!("{}.wasm", inspection.manifest.name));
        write_if_changed(&path, &component)?;
        println!(
            "{} {} ({} KiB)",
            path.display(),
            inspection.manifest.version,
            component.len() >> 10
        );
        made += 1;
    }
    if made == 0 {
        return Err(Failure::Failed(
            "nothing that was built is a plugin: no module holds a manifest".into(),
        ));
    }
    Ok(())
}

/// Writes a file whole or not at all. A file that holds these bytes already keeps its time.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let aside = path.with_extension("new");
    std::fs::write(&aside, bytes).trying(format!("write `{}`", aside.display()))?;
    std::fs::rename(&aside, path).trying(format!("write `{}`", path.display()))
}

/// Compiles the plugins, and returns the modules that cargo reports.
fn compile_modules(toolchain: &Toolchain, arguments: &Arguments) -> Result<Vec<PathBuf>, Failure> {
    let mut cargo = toolchain.cargo_command();
    cargo.args(["build", "--lib", "--message-format=json-render-diagnostics"]);
    cargo.args(["--target", toolchain.target]);
    cargo.arg("--manifest-path").arg(&arguments.manifest_path);
    if arguments.release {
        cargo.arg("--release");
    }
    if let Some(package) = &arguments.package {
        cargo.args(["--package", package]);
    }
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .trying("run cargo")?;
    if !output.status.success() {
        return Err(Failure::Failed("the plugins do not compile".into()));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut modules: Vec<PathBuf> = messages
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect();
    modules.sort();
    modules.dedup();
    Ok(modules)
}
