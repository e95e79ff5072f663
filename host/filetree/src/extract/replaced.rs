//! Taking the place of what stands there: only once what replaces it is whole.
//!
//! What comes is made beside it, under a name of its own, and takes the place in one step. Until then, and
//! for ever if the content turns out to be damaged, what stood there stays.

use super::opened::OpenDirectory;
use super::standing;
use holdfast_base::sync::Unpoisoned;
use rustix::fs::renameat;
use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

/// Returns the name under which what replaces `name` is made: always the same, so that a restore that is
/// run again finds what a killed one left.
pub(super) fn beside(name: &[u8]) -> Vec<u8> {
    format!(".holdfast-{}", &blake3::hash(name).to_hex()[..16]).into_bytes()
}

/// Replaces what stands there, which is no directory, with what `make` makes in one step.
pub(super) fn replace(
    parent: &OwnedFd,
    name: &[u8],
    make: impl Fn(&OwnedFd, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let beside = beside(name);
    standing::remove(parent, &beside)?;
    make(parent, &beside)?;
    renameat(parent, &beside, parent, name).map_err(|error| {
        let _ = standing::remove(parent, &beside);
        error.into()
    })
}

/// The place that a file takes when it is whole. Dropping it before removes what was made.
pub(super) struct Place {
    pub(super) parent: Arc<OpenDirectory>,
    pub(super) name: Vec<u8>,
    /// Files that are not there yet, whatever stands in their places, and which of them this is.
    pub(super) absent: (Arc<Mutex<HashSet<u64>>>, u64),
    pub(super) is_taken: bool,
}

impl Place {
    /// Takes the place.
    pub(super) fn take_place(&mut self) -> io::Result<()> {
        let fd = &self.parent.fd;
        renameat(fd, beside(&self.name), fd, self.name.as_slice())?;
        self.is_taken = true;
        self.absent.0.lock_unpoisoned().remove(&self.absent.1);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            let _ = standing::remove(&self.parent.fd, &beside(&self.name));
        }
    }
}
