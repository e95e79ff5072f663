//! Starts commands.
//!
//! All of them start from one thread that lives as long as the program: the kernel's promise to
//! kill a child with its parent holds for the thread that started it.

mod child_side;

use crate::child::Child;
use crate::command::{Command, SEARCH_PATH};
use crate::pipe::{Wake, enlarge};
use holdfast_base::cancel::Cancel;
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};

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

impl Command {
    /// Starts the command.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn spawn(&self, cancel: &Cancel) -> Result<Child, SpawnError> {
        let program = self.program.display().to_string();
        let prepare = |source| SpawnError::Prepare {
            program: program.clone(),
            source,
        };
        let secrets = self
            .secret_files
            .iter()
            .map(|file| in_memory(&file.content));
        let secrets: Vec<OwnedFd> = secrets.collect::<io::Result<_>>().map_err(prepare)?;
        let mut command = self.prepare(&secrets);
        let (to, from) = mpsc::channel();
        let start = Box::new(move || {
            let started = command.spawn();
            // The write ends of the pipes live in `command`.
            drop((command, secrets));
            let _ = to.send(started);
        });
        let ended = || io::Error::other("the thread that starts commands has ended");
        let failed = |source| SpawnError::Start {
            program: program.clone(),
            source,
        };
        spawner().send(start).map_err(|_| failed(ended()))?;
        let mut started = from.recv().map_err(|_| failed(ended()))?.map_err(failed)?;
        let prepare = |source| SpawnError::Prepare {
            program: program.clone(),
            source,
        };
        let wake = Arc::new(Wake::new(cancel).map_err(prepare)?);
        if let Some(stdout) = &started.stdout {
            enlarge(stdout);
        }
        if let Some(stdin) = &started.stdin {
            enlarge(stdin);
        }
        let streams = (
            started.stdin.take(),
            started.stdout.take(),
            started.stderr.take(),
        );
        Child::new(program.clone(), started, streams, wake, cancel).map_err(prepare)
    }

    fn prepare(&self, secrets: &[OwnedFd]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command
            .env("PATH", SEARCH_PATH.join(":"))
            .env("LANG", "C.UTF-8")
            .env("HOME", "/");
        for (name, value) in &self.environment {
            use std::os::unix::ffi::OsStrExt;
            command.env(name, std::ffi::OsStr::from_bytes(value));
        }
        for (file, fd) in self.secret_files.iter().zip(secrets) {
            command.env(&file.variable, format!("/proc/self/fd/{}", fd.as_raw_fd()));
        }
        command.current_dir("/");
        command.stdin(if self.stdin {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        child_side::confine(
            &mut command,
            secrets.iter().map(AsRawFd::as_raw_fd).collect(),
        );
        command
    }
}

/// Puts a secret into a file that lies in no file system and cannot be changed any more.
fn in_memory(content: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(c"secret", flags)?;
    let mut file = File::from(fd);
    file.write_all(content)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}
