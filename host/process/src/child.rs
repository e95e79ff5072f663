//! A command that runs: its streams and its end.
//!
//! - Its standard error is always drained; the end of it is kept for the error message.
//! - When the job is interrupted or out of time, its whole process group is asked to end, and
//!   killed two seconds later; when something else failed, or the child is dropped, killed at once.
//! - When holdfast itself is killed, the kernel kills the command. What the command started loses
//!   its pipes, and ends when it next uses them. Since the kernel may close the pipes a moment
//!   before it kills, a command that takes the end of its input for its completeness can be fooled
//!   by that, and by that only.

use crate::group::{Group, Wake};
use crate::keeper::Keeper;
use crate::pipe::{ChildStdin, ChildStdout, HELD_OPEN_MAX};
use crate::stderr::{OnLine, Tail};
use holdfast_base::sync::Unpoisoned;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdin as RawStdin, ChildStdout as RawStdout};
use std::sync::{Arc, Mutex, mpsc};

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
    group: Arc<Group>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Arc<Mutex<Tail>>,
    drained: mpsc::Receiver<()>,
    ended: Option<ExitStatus>,
}

pub(crate) type Streams = (Option<RawStdin>, Option<RawStdout>, Option<ChildStderr>);

impl Child {
    pub(crate) fn new(
        program: String,
        process: std::process::Child,
        streams: Streams,
        wake: Wake,
        on_line: Option<OnLine>,
    ) -> io::Result<Self> {
        let group = Group::new(program, process, wake)?;
        let (stdin, stdout, stderr) = streams;
        let tail = Arc::new(Mutex::new(Tail::default()));
        let (to, drained) = mpsc::channel();
        // From here on, whatever fails drops the child, which kills the group.
        let child = Self {
            stdin: stdin.map(|pipe| ChildStdin::new(pipe, &group)),
            stdout: stdout.map(|pipe| ChildStdout::new(pipe, &group)),
            stderr: Arc::clone(&tail),
            drained,
            ended: None,
            group: Arc::clone(&group),
        };
        let keeper = Keeper::new(group, stderr, tail, on_line)?;
        std::thread::Builder::new()
            .name("command".into())
            .spawn(move || {
                keeper.run_until_end();
                let _ = to.send(());
            })?;
        Ok(child)
    }

    /// Returns the program's path.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.group.program
    }

    /// Returns the process id, which is also the id of its group and session.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.group.process_id()
    }

    /// Returns the writer to its standard input, once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Returns the reader of its standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Waits for its end; a second call answers the same. What it left behind ends with it.
    ///
    /// # Errors
    /// The system does not know.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = &self.ended {
            return Ok(status.clone());
        }
        // An open standard input would let some commands wait for ever.
        self.stdin = None;
        self.group.wait_for_end()?;
        let status = self.group.reap_process()?;
        // Something outside of the group may hold its standard error open.
        let _ = self.drained.recv_timeout(HELD_OPEN_MAX);
        let status = ExitStatus {
            code: status.code(),
            signal: status.signal(),
            stderr_tail: self.stderr.lock_unpoisoned().take_text(),
        };
        self.ended = Some(status.clone());
        Ok(status)
    }

    /// Kills its whole process group.
    pub fn kill(&self) {
        self.group.kill_all();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.group.kill_all();
            let _ = self.group.wait_for_end();
            let _ = self.group.reap_process();
        }
    }
}
