//! Compiled components, made once and authenticated.
//!
//! The compiled form is native code: whoever can put a file here runs code in the host. So it lies
//! in a directory that only this user may write to, under a name that says from which component and
//! by which engine it was made, and begins with a keyed hash whose key never leaves the directory.
//! It is checked in the very memory that is then used.
//!
//! Compiling happens in a child process with limits of its own, since a component can be made to
//! take a compiler very long.

use crate::codegen::make_engine;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Memory that compiling may take.
const COMPILE_BYTES_MAX: u64 = 8 << 30;
/// Processor time that compiling may take, in seconds.
const COMPILE_SECONDS_MAX: u64 = 300;
const MAC_BYTES: usize = 32;

/// Who compiles.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// This process: for tests and tools.
    Here,
    /// A child: this program with this argument, which must call [`compile_child`].
    Child {
        /// The program.
        program: PathBuf,
        /// The argument.
        argument: String,
    },
}

/// Says why a component cannot be compiled or kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The compiler refused.
    #[error("the compiler refused: {detail}")]
    Compile {
        /// What it said.
        detail: String,
    },
    /// The child could not be run.
    #[error("cannot run the compiler")]
    Child(#[source] io::Error),
    /// The directory is not private.
    #[error("directory `{directory}` can be written to by others")]
    NotPrivate {
        /// The directory.
        directory: String,
    },
    /// The directory cannot be used.
    #[error("cannot use directory `{directory}`")]
    Directory {
        /// The directory.
        directory: String,
        /// What the system answered.
        source: io::Error,
    },
}

/// Keeps compiled components.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    directory: Option<PathBuf>,
    compiler: Compiler,
}

/// The file of a compiled component, and the key that authenticates it.
struct CachePlace {
    file: PathBuf,
    key: [u8; 32],
}

impl CompiledCache {
    pub(crate) fn new(directory: Option<PathBuf>, compiler: Compiler) -> Self {
        Self {
            directory,
            compiler,
        }
    }

    /// Returns the compiled component, from the cache if it is there and genuine.
    pub(crate) fn load_component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        sha256: &str,
    ) -> Result<Component, CacheError> {
        let place = match self.find_place(engine, sha256) {
            Ok(place) => place,
            Err(error @ CacheError::NotPrivate { .. }) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "plugins are compiled without a cache");
                None
            }
        };
        let Some(CachePlace { file, key }) = place else {
            return deserialize(engine, &self.compile(bytes)?);
        };
        if let Some(compiled) = read_genuine(&file, &key) {
            match deserialize(engine, &compiled[MAC_BYTES..]) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::debug!(%error, "a compiled plugin does not fit and is made again")
                }
            }
        }
        let compiled = self.compile(bytes)?;
        if let Err(error) = write_compiled(&file, &key, &compiled) {
            tracing::debug!(%error, "a compiled plugin is not kept");
        }
        deserialize(engine, &compiled)
    }

    /// Returns the file of a compiled component, and the key of this directory.
    fn find_place(&self, engine: &Engine, sha256: &str) -> Result<Option<CachePlace>, CacheError> {
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        let shown = || directory.display().to_string();
        let failed = |source| CacheError::Directory {
            directory: shown(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
        let meta = std::fs::symlink_metadata(directory).map_err(failed)?;
        let is_ours = meta.uid() == rustix::process::geteuid().as_raw();
        if !meta.is_dir() || !is_ours || meta.mode() & 0o022 != 0 {
            return Err(CacheError::NotPrivate { directory: shown() });
        }
        let key = read_key(&directory.join("key")).map_err(failed)?;
        let mut hasher = StableHasher(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = hasher.0.finalize().to_hex();
        let name = format!("{sha256}-{}.compiled", &compatibility[..32]);
        let file = directory.join(name);
        Ok(Some(CachePlace { file, key }))
    }

    fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, CacheError> {
        match &self.compiler {
            Compiler::Here => compile_here(bytes),
            Compiler::Child { program, argument } => compile_in_child(program, argument, bytes),
        }
    }
}

/// Reads the key of the directory, and makes one only if there is none.
fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    match File::open(path) {
        Ok(mut file) => {
            file.read_exact(&mut key)?;
            return Ok(key);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    // Written aside and linked: two first runs at once must agree, and none may see half a key.
    let aside = path.with_extension(std::process::id().to_string());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(&key)?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            File::open(path)?.read_exact(&mut key)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

fn authenticate(path: &Path, key: &[u8; 32], compiled: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    let name = path
        .file_name()
        .map_or(&b""[..], std::os::unix::ffi::OsStrExt::as_bytes);
    hasher
        .update(&(name.len() as u64).to_le_bytes())
        .update(name)
        .update(compiled)
        .finalize()
}

fn read_genuine(path: &Path, key: &[u8; 32]) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    let (mac, compiled) = bytes.split_at_checked(MAC_BYTES)?;
    let mac: [u8; MAC_BYTES] = mac.try_into().ok()?;
    if authenticate(path, key, compiled) == mac {
        return Some(bytes);
    }
    tracing::warn!(path = %path.display(), "a compiled plugin was changed and is made again");
    None
}

fn write_compiled(path: &Path, key: &[u8; 32], compiled: &[u8]) -> io::Result<()> {
    let aside = path.with_extension(std::process::id().to_string());
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(authenticate(path, key, compiled).as_bytes())?;
        file.write_all(compiled)?;
        std::fs::rename(&aside, path)
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&aside)))
}

#[expect(unsafe_code, reason = "native code is mapped; see the comment inside")]
fn deserialize(engine: &Engine, compiled: &[u8]) -> Result<Component, CacheError> {
    // SAFETY: `compiled` is what `precompile_component` of this program gave, either just now or
    // authenticated by a key that only this user can read. It is memory of ours, not a mapped file,
    // so that nobody can change it between the check and the use.
    let component = unsafe { Component::deserialize(engine, compiled) };
    component.map_err(|e| CacheError::Compile {
        detail: format!("{e:#}"),
    })
}

fn compile_here(bytes: &[u8]) -> Result<Vec<u8>, CacheError> {
    let failed = |detail| CacheError::Compile { detail };
    let engine = make_engine().map_err(|e| failed(format!("{e:#}")))?;
    engine
        .precompile_component(bytes)
        .map_err(|e| failed(format!("{e:#}")))
}

fn compile_in_child(program: &Path, argument: &str, bytes: &[u8]) -> Result<Vec<u8>, CacheError> {
    let mut child = std::process::Command::new(program)
        .arg(argument)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(CacheError::Child)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(bytes)));
        child.wait_with_output()
    });
    let output = output.map_err(CacheError::Child)?;
    if output.status.success() && !output.stdout.is_empty() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let detail = if said.is_empty() {
        output.status.to_string()
    } else {
        said
    };
    Err(CacheError::Compile { detail })
}

/// Compiles what comes in and writes the result out: the whole work of the child.
///
/// # Errors
/// The component cannot be compiled within the limits.
pub fn compile_child(mut from: impl Read, mut to: impl Write) -> Result<(), CacheError> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = |most| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    let limited = setrlimit(Resource::As, limit(COMPILE_BYTES_MAX))
        .and_then(|()| setrlimit(Resource::Cpu, limit(COMPILE_SECONDS_MAX)))
        .and_then(|()| setrlimit(Resource::Core, limit(0)))
        .and_then(|()| setrlimit(Resource::Fsize, limit(0)));
    limited.map_err(|e| CacheError::Child(e.into()))?;
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(CacheError::Child)?;
    to.write_all(&compile_here(&bytes)?)
        .map_err(CacheError::Child)
}

/// Hashes in a way that stays the same from build to build.
struct StableHasher(blake3::Hasher);

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}
