//! What happens in the child between fork and exec.
//!
//! The only unsafe code of this crate. The argument for the larger part of it: `pre_exec` demands
//! that the closure calls only what is safe after a fork in a program with threads. The closure
//! makes system calls, directly or through rustix, which allocates nothing and takes no lock, and
//! reads vectors that were filled before.

#![expect(
    unsafe_code,
    reason = "pre_exec has no safe form; see the head of this file"
)]

use rustix::io::{Errno, FdFlags};
use rustix::process::{Resource, Rlimit, Signal, umask};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;

/// What a command is held to.
pub(super) struct Confinement {
    /// Our process id.
    pub(super) parent: i32,
    /// Descriptors that it keeps; all others but the standard streams are closed.
    pub(super) inherit: Vec<RawFd>,
    /// What it may reach of the file system.
    pub(super) ruleset: Option<RawFd>,
    pub(super) limits: Vec<(Resource, Rlimit)>,
}

/// Keeps what this program was itself started with from being handed on.
///
/// What Rust opens is never handed on; what a shell or a service manager left open would be, on a
/// kernel before 5.11. Later ones close everything in the child.
pub(super) fn keep_inherited() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers = open.filter_map(|fd| fd.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
    for number in numbers.filter(|number| *number > 2) {
        // SAFETY: a descriptor that was closed meanwhile gives an error, which says nothing to us;
        // one that was opened meanwhile has the flag already.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC);
    }
}

/// Lets the child die with its parent, gain no privileges, and keep only what it is given.
///
/// The standard library has changed user, group and directory before this runs.
pub(super) fn confine(command: &mut std::process::Command, confinement: Confinement) {
    let closure = move || confinement.confine_self();
    // SAFETY: see the head of this file.
    unsafe {
        command.pre_exec(closure);
    }
}

impl Confinement {
    fn confine_self(&self) -> io::Result<()> {
        // A session of its own: a group to kill, and no terminal on which to ask for a password.
        rustix::process::setsid()?;
        rustix::thread::set_no_new_privs(true)?;
        umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
        for (resource, limit) in &self.limits {
            rustix::process::setrlimit(*resource, *limit)?;
        }
        close_all_on_exec();
        for fd in &self.inherit {
            // SAFETY: the caller keeps these descriptors open until the command was started.
            let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
            rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
        }
        if let Some(ruleset) = self.ruleset {
            restrict(ruleset)?;
        }
        // After the change of user, which would take it back.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        if parent != self.parent {
            // It died before it could be promised to us.
            return Err(Errno::SRCH.into());
        }
        Ok(())
    }
}

/// Marks all descriptors but the standard streams; what cannot be on an old kernel was before.
fn close_all_on_exec() {
    // SAFETY: marking descriptors touches no memory, and takes effect only if exec succeeds.
    unsafe {
        let mark = libc::CLOSE_RANGE_CLOEXEC;
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, mark);
    }
}

fn restrict(ruleset: RawFd) -> io::Result<()> {
    // SAFETY: the call reads two numbers and no memory.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0_u32) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
