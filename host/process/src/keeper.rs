//! The thread that stays with a command until it has ended.
//!
//! - It drains standard error, so that the command never waits for that.
//! - After a cancel that asks the command to end, it kills what has not ended in time.

use crate::group::Group;
use crate::pipe::{HELD_OPEN_MAX, timespec, unblock};
use crate::stderr::{Lines, OnLine, Tail};
use holdfast_base::sync::Unpoisoned;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Read};
use std::process::ChildStderr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a command may take to end after it was asked to.
const TERM_GRACE: Duration = Duration::from_secs(2);

pub(crate) struct Keeper {
    group: Arc<Group>,
    stderr: Option<ChildStderr>,
    tail: Arc<Mutex<Tail>>,
    lines: Lines,
    kill_at: Option<Instant>,
    /// When to stop although standard error is open, since the command has ended.
    leave_at: Option<Instant>,
    was_cancelled: bool,
    buffer: Vec<u8>,
}

/// What a wait ended with.
#[derive(Default)]
struct Happened {
    has_stderr: bool,
    has_ended: bool,
    is_cancelled: bool,
}

impl Keeper {
    pub(crate) fn new(
        group: Arc<Group>,
        stderr: Option<ChildStderr>,
        tail: Arc<Mutex<Tail>>,
        on_line: Option<OnLine>,
    ) -> io::Result<Self> {
        if let Some(stderr) = &stderr {
            unblock(stderr)?;
        }
        Ok(Self {
            group,
            stderr,
            tail,
            lines: Lines::new(on_line, Instant::now()),
            kill_at: None,
            leave_at: None,
            was_cancelled: false,
            buffer: vec![0; 32 << 10],
        })
    }

    /// Works until the command has ended and its standard error is closed.
    pub(crate) fn run_until_end(mut self) {
        while self.handle_event() {}
        self.lines.finish(Instant::now());
    }

    /// Waits for the next thing to happen; returns whether more can.
    fn handle_event(&mut self) -> bool {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.group.kill_all();
            self.kill_at = None;
        }
        let has_ended = self.leave_at.is_some();
        if has_ended && self.stderr.is_none() || self.leave_at.is_some_and(|at| at <= now) {
            return false;
        }
        let happened = match self.wait_for_event(now) {
            Ok(happened) => happened,
            // Without waiting there is only leaving; dropping the pipe lets nobody block on it.
            Err(_) => return false,
        };
        if happened.is_cancelled {
            self.was_cancelled = true;
            self.kill_at = Some(Instant::now() + TERM_GRACE);
        }
        if happened.has_ended {
            self.leave_at = Some(Instant::now() + HELD_OPEN_MAX);
        }
        if happened.has_stderr {
            self.drain_stderr();
        }
        // Without a descriptor for its end, the end of standard error stands for it.
        self.stderr.is_some() || self.group.pidfd.is_some()
    }

    /// Waits for something on standard error, the end of the command, or a cancel.
    fn wait_for_event(&self, now: Instant) -> io::Result<Happened> {
        let mut fds = Vec::with_capacity(3);
        let mut add = |fd| {
            fds.push(fd);
            fds.len() - 1
        };
        let stderr = self.stderr.as_ref();
        let stderr = stderr.map(|pipe| add(PollFd::new(pipe, PollFlags::IN)));
        let process = self
            .group
            .pidfd
            .as_ref()
            .filter(|_| self.leave_at.is_none());
        let process = process.map(|process| add(PollFd::new(process, PollFlags::IN)));
        let event = &*self.group.wake.event;
        let event = (!self.was_cancelled).then(|| add(PollFd::new(event, PollFlags::IN)));
        let next = [self.kill_at, self.leave_at].into_iter().flatten().min();
        let left = next.map(|at| timespec(at.saturating_duration_since(now)));
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Happened::default()),
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: Option<usize>| at.is_some_and(|at| !fds[at].revents().is_empty());
        Ok(Happened {
            has_stderr: is_ready(stderr),
            has_ended: is_ready(process),
            is_cancelled: is_ready(event),
        })
    }

    fn drain_stderr(&mut self) {
        let Some(stderr) = &mut self.stderr else {
            return;
        };
        match stderr.read(&mut self.buffer) {
            Ok(count @ 1..) => {
                let said = &self.buffer[..count];
                self.tail.lock_unpoisoned().push_bytes(said);
                self.lines.push_bytes(said, Instant::now());
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Ok(0) | Err(_) => self.stderr = None,
        }
    }
}
