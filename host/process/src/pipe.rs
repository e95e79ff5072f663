//! Streams that can be waited for and given up.
//!
//! A read or a write waits for its pipe and for the job's end at once, so that no command, however
//! it hangs, holds a job beyond its time.

use holdfast_base::cancel::{Cancel, Reason};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{ChildStdin as RawStdin, ChildStdout as RawStdout};
use std::sync::Arc;

/// The pipe size asked for; the usual 64 KiB costs a switch of threads for each.
const PIPE_BYTES: usize = 1 << 20;

/// The work was cancelled while a command ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the command was stopped, since the job {}", match .0 {
    Reason::Interrupted => "was interrupted",
    Reason::Deadline => "ran out of time",
    Reason::Failed => "failed elsewhere",
})]
pub struct Cancelled(pub Reason);

/// Wakes who waits when the job ends.
pub(crate) struct Wake {
    event: Arc<OwnedFd>,
    cancel: Cancel,
}

impl Wake {
    pub(crate) fn new(cancel: &Cancel) -> io::Result<Self> {
        let event = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let hook = Arc::clone(&event);
        cancel.on_raise(move || {
            let _ = rustix::io::write(&*hook, &1_u64.to_ne_bytes());
        });
        Ok(Self {
            event,
            cancel: cancel.clone(),
        })
    }

    /// Waits until `fd` is ready.
    fn wait(&self, fd: &impl AsFd, flags: PollFlags) -> io::Result<()> {
        loop {
            if let Some(reason) = self.cancel.reason() {
                return Err(io::Error::other(Cancelled(reason)));
            }
            let mut fds = [
                PollFd::new(fd, flags),
                PollFd::new(&*self.event, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) if fds[0].revents().is_empty() => {}
                Ok(_) => return Ok(()),
            }
        }
    }
}

pub(crate) fn enlarge(pipe: &impl AsFd) {
    // A smaller pipe is only slower.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
    if let Ok(flags) = rustix::fs::fcntl_getfl(pipe) {
        let _ = rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK);
    }
}

/// What a command writes to its standard output.
pub struct ChildStdout {
    pub(crate) pipe: RawStdout,
    pub(crate) wake: Arc<Wake>,
}

impl Read for ChildStdout {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.pipe.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wake.wait(&self.pipe, PollFlags::IN)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// What a command reads from its standard input.
pub struct ChildStdin {
    pub(crate) pipe: RawStdin,
    pub(crate) wake: Arc<Wake>,
}

impl Write for ChildStdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wake.wait(&self.pipe, PollFlags::OUT)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
