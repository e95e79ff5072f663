//! A small world for end-to-end tests: directories of its own, the real binary, real plugins.
//!
//! The binary and the plugins are those that `tests/run.sh` builds. A world that finds none says so
//! and fails: nothing is passed over in silence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a failure here is a failed test"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

/// Directories of its own, with a configuration, plugins and perhaps a repository.
pub struct World {
    directory: tempfile::TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ended {
    /// Demands an exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Demands words on standard error.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(
            self.stderr.contains(words),
            "`{words}` is not in: {}",
            self.stderr
        );
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Returns the program under test: beside the tests, in the same target directory.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("holdfast");
    assert!(
        program.exists(),
        "{} is not built: run tests/run.sh",
        program.display()
    );
    program
}

/// Returns the public half of an identity, which its file has once.
pub fn recipient(identity: &Path) -> String {
    let text = std::fs::read_to_string(identity).unwrap();
    let lines = text.lines();
    let public: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("# public key: "))
        .collect();
    assert_eq!(public.len(), 1, "{}", identity.display());
    public[0].to_owned()
}

/// Returns a plugin that `tests/run.sh` built.
pub fn plugin(name: &str) -> PathBuf {
    let directory = std::env::var_os("HOLDFAST_PLUGINS").map_or_else(
        || {
            program()
                .parent()
                .unwrap()
                .parent()
                .unwrap()
                .join("plugins")
        },
        PathBuf::from,
    );
    let plugin = directory.join(format!("{name}.wasm"));
    assert!(
        plugin.exists(),
        "{} is not built: run tests/run.sh",
        plugin.display()
    );
    plugin
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Makes a world with a store and no jobs.
    pub fn new() -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        world.jobs("");
        world
    }

    /// Makes a world with jobs, plugins and a repository.
    pub fn ready(jobs: &str, plugins: &[&str]) -> Self {
        let world = Self::new();
        world.jobs(jobs);
        world.set_up(plugins);
        world
    }

    /// Installs plugins, and makes a repository with an operator's identity.
    pub fn set_up(&self, plugins: &[&str]) {
        self.install(plugins);
        self.install(&["age"]);
        let identity = self.at("operator.key");
        self.run(&["init", "--new-identity", identity.to_str().unwrap()])
            .expect(0);
    }

    /// Makes a repository with the keys of another, for the same operator.
    pub fn init_group(&self, store: &str, of: &str) -> Ended {
        let identity = self.at("operator.key");
        let recipient = recipient(&identity);
        let identity = identity.to_str().unwrap();
        let who = ["--recipient", &recipient, "--identity", identity];
        let words = ["init", store, "--same-keys-as", of];
        self.run(&[&words[..], &who].concat())
    }

    /// Installs plugins with all that they ask for.
    pub fn install(&self, plugins: &[&str]) {
        for name in plugins {
            let file = plugin(name);
            self.run(&["plugin", "install", file.to_str().unwrap(), "--yes"])
                .expect(0);
        }
    }

    /// Makes a world with the same jobs, keys, plugins and objects, which backs up the same tree.
    pub fn fork(&self) -> Self {
        let other = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for name in ["repository", "cache", "state", "data", "config", "keys"] {
            if self.at(name).exists() {
                copy(&self.at(name), &other.at(name));
            }
        }
        for name in ["plugins.lock", "operator.key"] {
            std::fs::copy(self.at(name), other.at(name)).unwrap();
        }
        let place = |world: &Self| format!("{}/repository", world.path().display());
        let text = std::fs::read_to_string(self.at("holdfast.toml")).unwrap();
        let text = text.replace(&place(self), &place(&other));
        std::fs::write(other.at("holdfast.toml"), text).unwrap();
        other
    }

    /// Writes the configuration: a store, and these jobs. `{w}` stands for the world's directory.
    pub fn jobs(&self, jobs: &str) {
        let text = format!("[store.local]\nurl = \"file://{{w}}/repository\"\n{jobs}");
        std::fs::write(
            self.at("holdfast.toml"),
            text.replace("{w}", &self.path().display().to_string()),
        )
        .unwrap();
    }

    /// Returns the world's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns a path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file and its directories.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Writes a file with a time that no snapshot can keep, which every backup of it warns of.
    pub fn write_far_ahead(&self, name: &str) {
        self.write(name, "from after 2262");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(10_413_792_000);
        let file = std::fs::File::options().write(true).open(self.at(name));
        file.unwrap().set_modified(time).unwrap();
    }

    /// Prepares a call of the program.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .arg("--config")
            .arg(self.at("holdfast.toml"))
            .args(arguments);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path());
        for (variable, directory) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_DATA_HOME", "data"),
        ] {
            command.env(variable, self.at(directory));
        }
        command.stdin(Stdio::null());
        command
    }

    /// Calls the program and waits for its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Calls the program where no terminal is, as cron does.
    pub fn without_terminal(&self, arguments: &[&str]) -> Ended {
        let mut apart = Command::new("setsid");
        apart
            .arg("--wait")
            .args(spelled_out(&self.command(arguments)));
        apart.stdin(Stdio::null()).output().unwrap().into()
    }

    /// Calls the program with at most so many descriptors.
    pub fn with_descriptors(&self, count: u32, arguments: &[&str]) -> Ended {
        let mut limited = Command::new("prlimit");
        limited
            .args([&format!("--nofile={count}:{count}"), "--"])
            .args(spelled_out(&self.command(arguments)));
        limited.stdin(Stdio::null()).output().unwrap().into()
    }

    /// Calls the program as somebody whom the system's permissions bind, as they do not bind root.
    pub fn bound_by_permissions(&self, arguments: &[&str]) -> Ended {
        let command = self.command(arguments);
        if !rustix::process::geteuid().is_root() {
            return self.run(arguments);
        }
        let without = "-dac_override,-dac_read_search";
        let mut bound = Command::new("setpriv");
        bound.args(["--bounding-set", without, "--inh-caps", without]);
        bound.args(spelled_out(&command));
        bound.stdin(Stdio::null()).output().unwrap().into()
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Calls the program with the operator's identity.
    pub fn as_operator(&self, arguments: &[&str]) -> Ended {
        let identity = self.at("operator.key");
        let mut all = arguments.to_vec();
        all.extend(["--identity", identity.to_str().unwrap()]);
        self.run(&all)
    }

    /// Returns how many snapshots there are.
    pub fn snapshots(&self) -> usize {
        let listed = self.run(&["list", "--json"]).expect(0);
        let value: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        value.as_array().unwrap().len()
    }

    /// Restores the newest snapshot of a job and returns where it is.
    pub fn restore(&self, job: &str) -> PathBuf {
        let target = tempfile::tempdir_in(self.path()).unwrap().keep();
        self.as_operator(&["restore", job, "--target", target.to_str().unwrap()])
            .expect(0);
        target
    }

    /// Returns all files below a directory of the world.
    pub fn files(&self, directory: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.at(directory), &mut found);
        found.sort();
        found
    }
}

/// Returns all that another program needs to call this command.
fn spelled_out(command: &Command) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["env".into(), "-i".into()];
    for (variable, value) in command.get_envs() {
        let mut word = variable.to_owned();
        word.push("=");
        word.push(value.unwrap_or_default());
        words.push(word);
    }
    words.push(command.get_program().to_owned());
    words.extend(command.get_args().map(ToOwned::to_owned));
    words
}

/// Calls a program on a terminal of its own and types when it asks. Both outputs are one there.
pub fn on_terminal(command: &Command, typed: &[(&str, &str)]) -> Ended {
    let mut terminal = Command::new("python3");
    terminal.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/terminal.py"));
    for (prompt, answer) in typed {
        terminal.args([prompt, answer]);
    }
    terminal.arg("--").args(spelled_out(command));
    terminal.output().unwrap().into()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .args([from, to])
        .status();
    assert!(status.unwrap().success());
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_symlink() || !path.is_dir() {
            found.push(path)
        } else {
            collect(&path, found)
        }
    }
}

/// Bytes that do not compress and differ from seed to seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A job that backs up the world's `tree`.
pub const TREE: &str = "[job.tree]\nsource = \"files\"\n[job.tree.with]\npaths = [\"{w}/tree\"]\n";
