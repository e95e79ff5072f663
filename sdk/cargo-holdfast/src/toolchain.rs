//! Finds a compiler that can make WebAssembly, whatever the machine has.
//!
//! 1. rustup's own target `wasm32-wasip2` or `wasm32-unknown-unknown`, if it is installed.
//! 2. Debian's `rustc-web` with its library sources: the standard library is built from them once
//!    and kept in the user's cache, named by compiler and flags.
//! 3. Otherwise the error names both ways to get one.

use crate::{Failure, Trying};
use std::path::{Path, PathBuf};
use std::process::Command;

const BARE: &str = "wasm32-unknown-unknown";
const WASI: &str = "wasm32-wasip2";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library";
/// What every engine that holdfast uses can do, and what makes guests faster.
const FEATURES: &str = "-Ctarget-feature=+simd128,+bulk-memory,+sign-ext,+nontrapping-fptoint";
/// Curve arithmetic on 64-bit limbs: twice as fast as the 32-bit code that the target's name suggests.
const CONFIGURED: [&str; 2] = [
    "--cfg=curve25519_dalek_bits=\"64\"",
    "--cfg=getrandom_backend=\"custom\"",
];
const SEPARATOR: char = '\x1f';

/// A compiler, ready for `cargo build`.
pub(crate) struct Toolchain {
    /// The target to build for.
    pub(crate) target: &'static str,
    environment: Vec<(&'static str, String)>,
    cargo: PathBuf,
}

impl Toolchain {
    /// Finds a compiler.
    pub(crate) fn find_installed() -> Result<Self, Failure> {
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
        if let Ok(sysroot) = output_of(Command::new(&rustc).args(["--print", "sysroot"])) {
            let has = |target: &str| {
                Path::new(&sysroot)
                    .join("lib/rustlib")
                    .join(target)
                    .join("lib")
                    .is_dir()
            };
            if let Some(target) = [WASI, BARE].into_iter().find(|target| has(target)) {
                return Ok(Self::with_flags(target, "cargo".into(), join_flags(&[])));
            }
        }
        let debian = [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCES];
        if debian.iter().all(|part| Path::new(part).exists()) {
            return Self::from_debian();
        }
        Err(Failure::Failed(format!(
            "no compiler here can make WebAssembly.\n  With rustup:  rustup target add {WASI}\n  \
             On Debian:    apt-get install --no-install-recommends rustc-web rust-web-src cargo-web"
        )))
    }

    fn with_flags(target: &'static str, cargo: PathBuf, flags: String) -> Self {
        Self {
            target,
            environment: vec![("CARGO_ENCODED_RUSTFLAGS", flags)],
            cargo,
        }
    }

    fn from_debian() -> Result<Self, Failure> {
        let linker = Linker::find_linker()?;
        let sysroot = ensure_standard_library(&linker)?;
        let mut more = vec![format!("--sysroot={}", sysroot.display())];
        more.extend(linker.flag.clone());
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let mut toolchain = Self::with_flags(BARE, DEBIAN_CARGO.into(), join_flags(&more));
        toolchain.environment.push(("RUSTC", DEBIAN_RUSTC.into()));
        toolchain.environment.push(("PATH", linker.path));
        Ok(toolchain)
    }

    /// Begins a call of cargo.
    pub(crate) fn cargo_command(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTUP_TOOLCHAIN");
        command.env_remove("CARGO").env_remove("RUSTC");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn join_flags(more: &[&str]) -> String {
    let all: Vec<&str> = [FEATURES]
        .into_iter()
        .chain(CONFIGURED)
        .chain(more.iter().copied())
        .collect();
    all.join(&SEPARATOR.to_string())
}

/// Runs a command and returns its output, without space around it.
fn output_of(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().trying(format!("run {command:?}"))?;
    if !output.status.success() {
        return Err(Failure::Failed(format!("{command:?} failed")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A linker for WebAssembly: Debian's compiler looks for one by name and has none.
struct Linker {
    /// The search path for programs.
    path: String,
    /// The flag that names the linker, if it does not have the name that the compiler looks for.
    flag: Option<String>,
}

impl Linker {
    /// Takes the one that rustup ships, or the one of Debian's package `lld`.
    fn find_linker() -> Result<Self, Failure> {
        let path = std::env::var("PATH").unwrap_or_default();
        let shipped = output_of(Command::new("rustc").args(["--print", "target-libdir"]));
        let shipped = shipped
            .ok()
            .map(|library| Path::new(&library).with_file_name("bin"));
        if let Some(tools) = shipped.filter(|tools| tools.join("rust-lld").exists()) {
            return Ok(Self {
                path: format!("{}:{path}", tools.display()),
                flag: None,
            });
        }
        let is_there = |name: &str| std::env::split_paths(&path).any(|p| p.join(name).exists());
        if is_there("rust-lld") || is_there("wasm-ld") {
            let flag = (!is_there("rust-lld")).then(|| "-Clinker=wasm-ld".to_owned());
            return Ok(Self { path, flag });
        }
        Err(Failure::Failed(
            "there is no linker for WebAssembly.\n  On Debian:    apt-get install \
             --no-install-recommends lld"
                .to_owned(),
        ))
    }
}

/// Builds the standard library unless it is in the cache, and returns its sysroot.
fn ensure_standard_library(linker: &Linker) -> Result<PathBuf, Failure> {
    let version = output_of(Command::new(DEBIAN_RUSTC).arg("-vV"))?;
    let key = blake3::hash(format!("{version}\n{FEATURES}").as_bytes()).to_hex();
    let directories =
        directories::BaseDirs::new().ok_or_else(|| Failure::Failed("no home directory".into()))?;
    let cache = directories.cache_dir().join("cargo-holdfast");
    let sysroot = cache.join(format!("sysroot-{}", &key[..16]));
    let library = sysroot.join("lib/rustlib").join(BARE).join("lib");
    if library.is_dir() {
        return Ok(sysroot);
    }
    let work = cache.join(format!("build-{}", std::process::id()));
    let built = build_standard_library(&work, &library, linker);
    let _ = std::fs::remove_dir_all(&work);
    built.map(|()| sysroot)
}

fn build_standard_library(work: &Path, library: &Path, linker: &Linker) -> Result<(), Failure> {
    std::fs::create_dir_all(work.join("src")).trying("make a directory in the cache")?;
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                    [profile.release]\npanic = \"abort\"\n[workspace]\n";
    std::fs::write(work.join("Cargo.toml"), manifest).trying("write to the cache")?;
    std::fs::write(work.join("src/lib.rs"), "").trying("write to the cache")?;
    let flags = [FEATURES, "-Cembed-bitcode=yes"].join(&SEPARATOR.to_string());
    let mut command = Command::new(DEBIAN_CARGO);
    command
        .args([
            "build",
            "--release",
            "--quiet",
            "-Zbuild-std=std,panic_abort",
            "--target",
            BARE,
        ])
        .current_dir(work)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("PATH", &linker.path)
        .env("CARGO_TARGET_DIR", work.join("target"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    let status = command.status().trying("run Debian's cargo")?;
    if !status.success() {
        return Err(Failure::Failed(
            "the standard library could not be built for WebAssembly".into(),
        ));
    }
    fill_cache(
        &work.join("target").join(BARE).join("release/deps"),
        library,
    )
}

/// Copies the built libraries into the cache, which has all of them or none.
fn fill_cache(built: &Path, library: &Path) -> Result<(), Failure> {
    let aside = library.with_extension(std::process::id().to_string());
    std::fs::create_dir_all(&aside).trying("make a directory in the cache")?;
    for part in std::fs::read_dir(built).trying("read what was built")? {
        let part = part.trying("read what was built")?;
        let name = part.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty") {
            std::fs::copy(part.path(), aside.join(&name)).trying("fill the cache")?;
        }
    }
    // Another process may have built it in the meantime: its copy is as good as ours.
    if std::fs::rename(&aside, library).is_err() {
        let _ = std::fs::remove_dir_all(&aside);
    }
    Ok(())
}
