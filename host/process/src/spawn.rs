//! Starts commands.
//!
//! All commands are started by one thread that lives as long as the program: the kernel's promise to
//! kill a child with its parent holds for the thread that started it.

mod child_side;

use crate::child::Child;
use crate::command::{Command, ResourceLimits, SEARCH_PATH};
use crate::group::Wake;
use crate::landlock;
use crate::pipe::{enlarge, unblock};
use child_side::Confinement;
use holdfast_base::cancel::Cancel;
use rustix::fs::{Gid, MemfdFlags, Mode, SealFlags, Uid};
use rustix::process::{Resource, Rlimit};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc;

/// Says why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The system refused.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// What the system answered.
        source: io::Error,
    },
    /// What the command needs could not be prepared.
    #[error("cannot prepare `{program}`")]
    Prepare {
        /// The program.
        program: String,
        /// What the system answered.
        source: io::Error,
    },
}

type Start = Box<dyn FnOnce() + Send>;

fn spawner() -> &'static mpsc::Sender<Start> {
    static SPAWNER: OnceLock<mpsc::Sender<Start>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        child_side::keep_inherited();
        let (to, from) = mpsc::channel::<Start>();
        std::thread::spawn(move || from.into_iter().for_each(|start| start()));
        to
    })
}

/// Starts a prepared command from the thread that lives long enough.
fn start_process(
    mut command: std::process::Command,
    held: Held,
) -> io::Result<std::process::Child> {
    let (to, from) = mpsc::channel();
    let start = Box::new(move || {
        let started = command.spawn();
        // The child has its own copies of what was held for it by now.
        drop((command, held));
        let _ = to.send(started);
    });
    let ended = || io::Error::other("the thread that starts commands has ended");
    spawner().send(start).map_err(|_| ended())?;
    from.recv().map_err(|_| ended())?
}

/// Descriptors that a command needs while it starts.
struct Held {
    secrets: Vec<OwnedFd>,
    ruleset: Option<OwnedFd>,
}

impl Command {
    /// Starts the command.
    ///
    /// # Errors
    /// The program cannot be run, or the job has ended already.
    pub fn spawn(&self, cancel: &Cancel) -> Result<Child, SpawnError> {
        let program = self.program.display().to_string();
        let prepare = |source| SpawnError::Prepare {
            program: program.clone(),
            source,
        };
        let wake = Wake::new(cancel).map_err(prepare)?;
        wake.check_cancelled().map_err(prepare)?;
        let held = self.open_held().map_err(prepare)?;
        let command = self.build_command(&held).map_err(prepare)?;
        let mut started = start_process(command, held).map_err(|source| SpawnError::Start {
            program: program.clone(),
            source,
        })?;
        let streams = (
            started.stdin.take(),
            started.stdout.take(),
            started.stderr.take(),
        );
        let unblocked = [
            streams
                .0
                .as_ref()
                .map(|pipe| (enlarge(pipe), unblock(pipe))),
            streams
                .1
                .as_ref()
                .map(|pipe| (enlarge(pipe), unblock(pipe))),
        ];
        let on_line = self.on_stderr_line.clone();
        // First the child, which is killed when it is dropped; then what may fail.
        let child = Child::new(program.clone(), started, streams, wake, on_line);
        let child = child.map_err(prepare)?;
        for (_, unblocked) in unblocked.into_iter().flatten() {
            unblocked.map_err(prepare)?;
        }
        Ok(child)
    }

    /// Makes what the command is handed open.
    fn open_held(&self) -> io::Result<Held> {
        let secrets = self
            .secret_files
            .iter()
            .map(|file| write_secret_file(&file.content, self.user));
        let ruleset = self
            .landlock
            .as_ref()
            .map(|rules| landlock::make_ruleset(rules, &self.program));
        Ok(Held {
            secrets: secrets.collect::<io::Result<_>>()?,
            ruleset: ruleset.transpose()?.flatten(),
        })
    }

    fn build_command(&self, held: &Held) -> io::Result<std::process::Command> {
        let directory = self.current_dir.as_deref().unwrap_or(Path::new("/"));
        if !directory.is_dir() {
            let message = format!("`{}` is no directory to start in", directory.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command
            .env("PATH", SEARCH_PATH.join(":"))
            .env("LANG", "C.UTF-8")
            .env("HOME", "/");
        for (name, value) in &self.environment {
            command.env(name, OsStr::from_bytes(value));
        }
        for (file, fd) in self.secret_files.iter().zip(&held.secrets) {
            command.env(&file.variable, format!("/proc/self/fd/{}", fd.as_raw_fd()));
        }
        command.current_dir(directory);
        let piped_if = |piped| if piped { Stdio::piped() } else { Stdio::null() };
        command
            .stdin(piped_if(self.stdin))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some((uid, gid)) = self.user {
            // Where we may, the standard library drops all further groups too.
            command.uid(uid).gid(gid);
        }
        child_side::confine(
            &mut command,
            Confinement {
                parent: i32::try_from(std::process::id()).unwrap_or_default(),
                inherit: held.secrets.iter().map(AsRawFd::as_raw_fd).collect(),
                ruleset: held.ruleset.as_ref().map(AsRawFd::as_raw_fd),
                limits: list_limits(&self.limits),
            },
        );
        Ok(command)
    }
}

/// Returns the limits as the system takes them; none above what we have ourselves.
fn list_limits(wanted: &ResourceLimits) -> Vec<(Resource, Rlimit)> {
    let wanted = [
        (Resource::Core, Some(0)),
        (Resource::Cpu, wanted.cpu_seconds),
        (Resource::As, wanted.memory_bytes),
        (Resource::Fsize, wanted.file_bytes),
        (Resource::Nofile, wanted.open_files),
        (Resource::Nproc, wanted.processes),
    ];
    let set = wanted.into_iter().filter_map(|(resource, value)| {
        let ours = rustix::process::getrlimit(resource).maximum;
        let value = value.map(|value| ours.map_or(value, |ours| value.min(ours)))?;
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        Some((resource, limit))
    });
    set.collect()
}

/// Puts a secret into a file that lies in no file system and cannot be changed any more.
///
/// Only its owner may read it: clients of databases ignore a password file that others could read.
fn write_secret_file(content: &[u8], user: Option<(u32, u32)>) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(c"secret", flags)?;
    let mut file = File::from(fd);
    file.write_all(content)?;
    rustix::fs::fchmod(&file, Mode::RUSR)?;
    if let Some((uid, gid)) = user {
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}
