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

/// How many names are tried for what is made beside its place.
const NAMES_MAX: u32 = 100;

/// Makes what replaces `name` beside it, and returns under which name, with what `make` returned.
///
/// The first name that is tried is always the same, so that a restore that is run again finds what a killed one
/// left: it belongs to one of `owners` and bears the mark of what is begun. What does not bear it is somebody
/// else's, whatever its name.
pub(super) fn make_beside<T>(
    parent: &OwnedFd,
    name: &[u8],
    owners: [u32; 2],
    make: impl Fn(&[u8]) -> io::Result<T>,
) -> io::Result<(Vec<u8>, T)> {
    let hash = blake3::hash(name).to_hex();
    let mut aside = format!(".holdfast-{}", &hash[..16]).into_bytes();
    for more in 1..=NAMES_MAX {
        match make(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok((aside, made?)),
        }
        let stat = standing::stat_entry(parent, &aside)?;
        let is_ours = |stat| owners.iter().any(|owner| standing::is_marked(stat, *owner));
        if stat.as_ref().is_some_and(is_ours) {
            standing::remove(parent, &aside)?;
        } else {
            aside = format!(".holdfast-{}-{more}", &hash[..16]).into_bytes();
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "there is no free name beside it",
    ))
}

/// Replaces what stands there, which is no directory, with what `make` makes in one step.
pub(super) fn replace(
    parent: &OwnedFd,
    name: &[u8],
    own: u32,
    make: impl Fn(&OwnedFd, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (aside, ()) = make_beside(parent, name, [own; 2], |aside| make(parent, aside))?;
    renameat(parent, &aside, parent, name).map_err(|error| {
        let _ = standing::remove(parent, &aside);
        error.into()
    })
}

/// The place that a file takes when it is whole. Dropping it before removes what was made.
pub(super) struct Place {
    pub(super) parent: Arc<OpenDirectory>,
    pub(super) name: Vec<u8>,
    /// Where it lies until then.
    pub(super) aside: Vec<u8>,
    /// Files that are not there yet, whatever stands in their places, and which of them this is.
    pub(super) absent: (Arc<Mutex<HashSet<u64>>>, u64),
    pub(super) is_taken: bool,
}

impl Place {
    /// Takes the place.
    pub(super) fn take_place(&mut self) -> io::Result<()> {
        let fd = &self.parent.fd;
        renameat(fd, self.aside.as_slice(), fd, self.name.as_slice())?;
        self.is_taken = true;
        self.absent.0.lock_unpoisoned().remove(&self.absent.1);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            let _ = standing::remove(&self.parent.fd, &self.aside);
        }
    }
}
