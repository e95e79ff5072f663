//! A command and all that it started in its process group: what its streams and its keeper share.
//!
//! - The end of the job reaches it, and who waits for it, at once.
//! - A signal is only sent while the process is ours: once reaped, its number may be another's.

use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::sync::Unpoisoned;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

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
    pub(crate) event: Arc<OwnedFd>,
    pub(crate) cancel: Cancel,
}

impl Wake {
    pub(crate) fn new(cancel: &Cancel) -> io::Result<Self> {
        let event = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        // The flag may outlive many commands: it must not keep their descriptors.
        let hook = Arc::downgrade(&event);
        cancel.on_raise(move || {
            if let Some(event) = hook.upgrade() {
                let _ = rustix::io::write(&*event, &1_u64.to_ne_bytes());
            }
        });
        Ok(Self {
            event,
            cancel: cancel.clone(),
        })
    }

    /// Fails if the work was cancelled.
    pub(crate) fn check_cancelled(&self) -> io::Result<()> {
        match self.cancel.reason() {
            Some(reason) => Err(io::Error::other(Cancelled(reason))),
            None => Ok(()),
        }
    }
}

/// A command and everything in its process group.
pub(crate) struct Group {
    pub(crate) program: String,
    pub(crate) wake: Wake,
    /// Becomes readable at the end of the command; none if the kernel has no such descriptors.
    pub(crate) pidfd: Option<OwnedFd>,
    id: Pid,
    /// None once it was reaped.
    process: Mutex<Option<std::process::Child>>,
}

impl Group {
    /// Takes charge of a command that was just started.
    ///
    /// # Errors
    /// It has no process id, and was killed.
    pub(crate) fn new(
        program: String,
        mut process: std::process::Child,
        wake: Wake,
    ) -> io::Result<Arc<Self>> {
        let Some(id) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) else {
            let _ = process.kill();
            return Err(io::Error::other("the command has no process id"));
        };
        let group = Arc::new(Self {
            program,
            pidfd: rustix::process::pidfd_open(id, rustix::process::PidfdFlags::empty()).ok(),
            wake,
            id,
            process: Mutex::new(Some(process)),
        });
        let living = Arc::downgrade(&group);
        group.wake.cancel.clone().on_raise(move || {
            if let Some(group) = living.upgrade() {
                group.obey_cancel();
            }
        });
        Ok(group)
    }

    fn send_signal(&self, signal: Signal) {
        if self.process.lock_unpoisoned().is_some() {
            let _ = kill_process_group(self.id, signal);
        }
    }

    pub(crate) fn process_id(&self) -> i32 {
        self.id.as_raw_nonzero().get()
    }

    pub(crate) fn kill_all(&self) {
        self.send_signal(Signal::KILL);
    }

    /// Does what the job's end demands. Called while others wait for the flag: does not block.
    fn obey_cancel(&self) {
        match self.wake.cancel.reason() {
            Some(Reason::Interrupted | Reason::Deadline) => self.send_signal(Signal::TERM),
            Some(Reason::Failed) => self.kill_all(),
            None => {}
        }
    }

    /// Returns whether the command has ended, without waiting.
    pub(crate) fn has_ended(&self) -> bool {
        let Some(pidfd) = &self.pidfd else {
            return false;
        };
        let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// Waits without reaping and without holding the lock, so that a cancel can still kill.
    pub(crate) fn wait_for_end(&self) -> io::Result<()> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        loop {
            match rustix::process::waitid(WaitId::Pid(self.id), options) {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Kills what is left of the group, and takes the command's status.
    pub(crate) fn reap_process(&self) -> io::Result<std::process::ExitStatus> {
        let mut process = self.process.lock_unpoisoned();
        // As long as the command is not reaped, the number of its group is its own.
        let _ = kill_process_group(self.id, Signal::KILL);
        let taken = || io::Error::other("the command was already taken away");
        let status = process.as_mut().ok_or_else(taken)?.wait()?;
        *process = None;
        Ok(status)
    }
}
