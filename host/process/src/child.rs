//! A command that runs: its streams and its end.
//!
//! - Its standard error is always drained; the end of it is kept for the error message.
//! - Dropping it, or cancelling the job, kills its whole process group.

use crate::pipe::{ChildStdin, ChildStdout, Wake};
use holdfast_base::cancel::Cancel;
use rustix::process::{Pid, Signal, WaitIdOptions, kill_process_group};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdin as RawStdin, ChildStdout as RawStdout};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// How much of standard error is kept.
const STDERR_TAIL_BYTES: usize = 64 << 10;
/// After the command has ended, something else may hold its standard error open: no longer than this.
const STDERR_GRACE: Duration = Duration::from_secs(5);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The end of what it wrote to standard error.
    pub stderr_tail: String,
}

impl ExitStatus {
    /// Returns whether the command succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "ended with status {code}")?,
            (None, Some(signal)) => write!(f, "was ended by signal {signal}")?,
            (None, None) => write!(f, "ended in an unknown way")?,
        }
        let last: Vec<&str> = self
            .stderr_tail
            .lines()
            .rev()
            .filter(|l| !l.trim().is_empty())
            .take(3)
            .collect();
        if last.is_empty() {
            return Ok(());
        }
        write!(
            f,
            ": {}",
            last.into_iter().rev().collect::<Vec<_>>().join(" / ")
        )
    }
}

/// A command that runs.
pub struct Child {
    program: String,
    process: Arc<Mutex<Option<std::process::Child>>>,
    group: Pid,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Arc<Mutex<Tail>>,
    drained: mpsc::Receiver<()>,
    _drain: JoinHandle<()>,
    ended: Option<ExitStatus>,
}

#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    dropped: u64,
}

type Streams = (Option<RawStdin>, Option<RawStdout>, Option<ChildStderr>);

impl Child {
    pub(crate) fn new(
        program: String,
        process: std::process::Child,
        streams: Streams,
        wake: Arc<Wake>,
        cancel: &Cancel,
    ) -> io::Result<Self> {
        let (stdin, stdout, stderr) = streams;
        let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("the command has no process id"))?;
        let tail = Arc::new(Mutex::new(Tail::default()));
        let (to, drained) = mpsc::channel();
        let kept = Arc::clone(&tail);
        let drain = std::thread::spawn(move || {
            if let Some(stderr) = stderr {
                drain(stderr, &kept);
            }
            let _ = to.send(());
        });
        let process = Arc::new(Mutex::new(Some(process)));
        let living = Arc::downgrade(&process);
        cancel.on_raise(move || {
            // Only while it is ours: after it was reaped the number may belong to somebody else.
            if let Some(process) = living.upgrade()
                && process
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_some()
            {
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
        Ok(Self {
            program,
            process,
            group,
            stdin: stdin.map(|pipe| ChildStdin {
                pipe,
                wake: Arc::clone(&wake),
            }),
            stdout: stdout.map(|pipe| ChildStdout {
                pipe,
                wake: Arc::clone(&wake),
            }),
            stderr: tail,
            drained,
            _drain: drain,
            ended: None,
        })
    }

    /// Returns the program's path.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Returns the writer to its standard input, once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Returns the reader of its standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Waits for its end; a second call answers the same.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = &self.ended {
            return Ok(status.clone());
        }
        // An open standard input would let some commands wait for ever.
        self.stdin = None;
        self.wait_for_end()?;
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let status = match process.as_mut() {
            Some(process) => process.wait()?,
            None => return Err(io::Error::other("the command was already taken away")),
        };
        // What it left behind in its group ends with it.
        let _ = kill_process_group(self.group, Signal::KILL);
        *process = None;
        drop(process);
        let _ = self.drained.recv_timeout(STDERR_GRACE);
        let status = ExitStatus {
            code: status.code(),
            signal: status.signal(),
            stderr_tail: self.stderr_tail(),
        };
        self.ended = Some(status.clone());
        Ok(status)
    }

    /// Waits without reaping and without holding the lock, so that a cancel can still kill.
    fn wait_for_end(&self) -> io::Result<()> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        loop {
            match rustix::process::waitid(rustix::process::WaitId::Pid(self.group), options) {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    fn stderr_tail(&self) -> String {
        let tail = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&tail.bytes);
        let clean: String = text
            .chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect();
        if tail.dropped == 0 {
            clean
        } else {
            format!("[{} bytes before this]\n{clean}", tail.dropped)
        }
    }

    /// Kills its whole process group.
    pub fn kill(&self) {
        if self
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
        {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        let process = self
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut process) = process {
            let _ = process.wait();
        }
    }
}

fn drain(mut stderr: ChildStderr, to: &Mutex<Tail>) {
    let mut buffer = [0; 8192];
    while let Ok(count) = stderr.read(&mut buffer) {
        if count == 0 {
            return;
        }
        let mut tail = to.lock().unwrap_or_else(PoisonError::into_inner);
        tail.bytes.extend_from_slice(&buffer[..count]);
        let excess = tail.bytes.len().saturating_sub(STDERR_TAIL_BYTES);
        tail.bytes.drain(..excess);
        tail.dropped += excess as u64;
    }
}
