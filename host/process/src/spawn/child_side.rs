//! What happens in the child between fork and exec.
//!
//! The only unsafe code of this crate. The argument for the larger part of it: `pre_exec` demands that the closure calls only
//! what is safe after a fork in a program with threads. The closure makes system calls through
//! rustix, which allocates nothing and takes no lock, and reads a vector that was filled before.

#![expect(
    unsafe_code,
    reason = "pre_exec has no safe form; see the head of this file"
)]

use rustix::io::FdFlags;
use rustix::process::{Signal, umask};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;

/// Keeps what this program was itself started with from being handed on.
///
/// What Rust opens is never handed on; what a shell or a service manager left open would be.
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

/// Lets the child die with its parent, gain no privileges, and keep only the descriptors it is given.
pub(super) fn confine(command: &mut std::process::Command, inherit: Vec<RawFd>) {
    let closure = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
        umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
        for fd in &inherit {
            // SAFETY: the caller keeps these descriptors open until the command was started.
            let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
            rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: see the head of this file.
    unsafe {
        command.pre_exec(closure);
    }
}
