//! Streams that can be waited for and given up.
//!
//! - A read or a write waits for its pipe and for the job's end at once, so that no command, however
//!   it hangs, holds a job beyond its time.
//! - When the command has ended but something that it started holds a stream open, that is an
//!   error after a while, and not an end: what is there may be a piece.
//! - A cancelled command is killed before its input closes: to it, that would look like the end.

use crate::group::Group;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStdin as RawStdin, ChildStdout as RawStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pipe size asked for; the usual 64 KiB costs a switch of threads for each.
pub(crate) const PIPE_BYTES: usize = 1 << 20;

/// How long a stream may stay open after the command has ended.
pub const HELD_OPEN_MAX: Duration = Duration::from_secs(5);

/// While data flows, the end of the command is looked for after each of these.
const LOOK_EVERY_BYTES: u64 = 4 << 20;

/// The command has ended, and something that it started keeps one of its streams open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{program}` has ended, but something that it started still holds its {stream} open \
     {} seconds later", HELD_OPEN_MAX.as_secs()
)]
pub struct HeldOpen {
    /// The program.
    pub program: String,
    /// Which stream.
    pub stream: &'static str,
}

/// Waits for a stream of a command.
struct Waiter {
    group: Arc<Group>,
    stream: &'static str,
    ended: Option<Instant>,
    /// Bytes since the command ended, or since it was last looked for.
    moved: u64,
}

impl Waiter {
    fn new(group: &Arc<Group>, stream: &'static str) -> Self {
        Self {
            group: Arc::clone(group),
            stream,
            ended: None,
            moved: 0,
        }
    }

    fn held_open(&self) -> io::Error {
        io::Error::other(HeldOpen {
            program: self.group.program.clone(),
            stream: self.stream,
        })
    }

    /// Waits until `fd` is ready.
    fn wait_ready(&mut self, fd: &impl AsFd, flags: PollFlags) -> io::Result<()> {
        let group = Arc::clone(&self.group);
        loop {
            group.wake.check_cancelled()?;
            let left = self
                .ended
                .map(|at| HELD_OPEN_MAX.saturating_sub(at.elapsed()));
            if left == Some(Duration::ZERO) {
                return Err(self.held_open());
            }
            let mut fds = vec![
                PollFd::new(fd, flags),
                PollFd::new(&*group.wake.event, PollFlags::IN),
            ];
            if let (None, Some(process)) = (self.ended, &group.pidfd) {
                fds.push(PollFd::new(process, PollFlags::IN));
            }
            match poll(&mut fds, left.map(timespec).as_ref()) {
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            if !fds[0].revents().is_empty() {
                return Ok(());
            }
            if fds
                .get(2)
                .is_some_and(|process| !process.revents().is_empty())
            {
                self.note_end();
            }
        }
    }

    fn note_end(&mut self) {
        self.ended = Some(Instant::now());
        self.moved = 0;
    }

    /// Looks for the command's end while data flows.
    fn count_moved(&mut self, count: usize) -> io::Result<()> {
        self.moved += count as u64;
        match self.ended {
            // What the pipe held when the command ended is still its own.
            Some(at) if at.elapsed() > HELD_OPEN_MAX && self.moved > PIPE_BYTES as u64 => {
                Err(self.held_open())
            }
            None if self.moved >= LOOK_EVERY_BYTES => {
                self.moved = 0;
                if self.group.has_ended() {
                    self.note_end();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    // Rounded up to a millisecond: a wait that ends too early would only be repeated.
    let duration = duration + Duration::from_millis(1);
    Timespec {
        tv_sec: duration.as_secs() as _,
        tv_nsec: duration.subsec_nanos() as _,
    }
}

pub(crate) fn enlarge(pipe: &impl AsFd) {
    // A smaller pipe is only slower.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
}

pub(crate) fn unblock(pipe: &impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(pipe)?;
    Ok(rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?)
}

/// What a command writes to its standard output. Its end says only that the pipe was closed:
/// `wait` returns whether the command succeeded.
pub struct ChildStdout {
    pipe: RawStdout,
    waiter: Waiter,
}

impl ChildStdout {
    pub(crate) fn new(pipe: RawStdout, group: &Arc<Group>) -> Self {
        Self {
            pipe,
            waiter: Waiter::new(group, "standard output"),
        }
    }
}

impl Read for ChildStdout {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.pipe.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiter.wait_ready(&self.pipe, PollFlags::IN)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(0) if !buffer.is_empty() => {
                    // What a cancel cut off must not look like an end.
                    self.waiter.group.wake.check_cancelled()?;
                    return Ok(0);
                }
                Ok(count) => {
                    self.waiter.count_moved(count)?;
                    return Ok(count);
                }
            }
        }
    }
}

/// What a command reads from its standard input. Dropping it is the end of the input.
pub struct ChildStdin {
    pipe: RawStdin,
    waiter: Waiter,
}

impl ChildStdin {
    pub(crate) fn new(pipe: RawStdin, group: &Arc<Group>) -> Self {
        Self {
            pipe,
            waiter: Waiter::new(group, "standard input"),
        }
    }
}

impl Write for ChildStdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiter.wait_ready(&self.pipe, PollFlags::OUT)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // If the end of the job broke the pipe, that is the reason.
                    self.waiter.group.wake.check_cancelled()?;
                    return Err(error);
                }
                Ok(count) => {
                    self.waiter.count_moved(count)?;
                    return Ok(count);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ChildStdin {
    fn drop(&mut self) {
        if self.waiter.group.wake.cancel.is_raised() {
            self.waiter.group.kill_all();
        }
    }
}
