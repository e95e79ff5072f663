//! Opens a directory that is restored in its place, on a way that nobody else laid.
//!
//! Whoever owns a directory on the way can put a link in the place of what lies in it. A restore that follows it
//! writes, with the rights of who runs it, where the owner points. So links are followed only if they belong to
//! root, or to who runs the restore.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Links that are followed on one way; as many as the system follows.
const LINKS_MAX: u32 = 40;
/// What a directory gets that is made on the way.
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o755);

const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory that was reached on a way that nobody else laid.
#[derive(Debug)]
pub struct TrustedDirectory {
    fd: OwnedFd,
}

impl TrustedDirectory {
    /// Opens a directory, and makes what is absent of it.
    ///
    /// # Errors
    /// A link on the way belongs to somebody else (`PermissionDenied`), or the system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut way = split_path(path.as_os_str().as_bytes());
        let mut reached = rustix::fs::openat(CWD, c"/", STEP, Mode::empty())?;
        let (mut shown, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = way.pop_front() {
            let opened = match rustix::fs::openat(&reached, &name, STEP, Mode::empty()) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&reached, &name, NEW_DIRECTORY)?;
                    rustix::fs::openat(&reached, &name, STEP, Mode::empty())?
                }
                opened => opened?,
            };
            let stat = rustix::fs::fstat(&opened)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    reached = opened;
                    shown.push(&name);
                }
                FileType::Symlink => {
                    links += 1;
                    let link = shown.join(&name);
                    ensure_own_link(&link, stat.st_uid, links)?;
                    let target = rustix::fs::readlinkat(&reached, &name, Vec::new())?;
                    if target.as_bytes().first() == Some(&b'/') {
                        reached = rustix::fs::openat(CWD, c"/", STEP, Mode::empty())?;
                        shown = PathBuf::from("/");
                    }
                    for name in split_path(target.as_bytes()).into_iter().rev() {
                        way.push_front(name);
                    }
                }
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        Ok(Self { fd: reached })
    }

    /// Returns a path that leads to this very directory while it is open.
    #[must_use]
    pub fn held_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }
}

fn ensure_own_link(link: &Path, owner: u32, links: u32) -> io::Result<()> {
    if links > LINKS_MAX {
        return Err(Errno::LOOP.into());
    }
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "`{}` is a link of user {owner}, who decides where it leads: a restore in place does not follow it",
            link.display()
        ),
    ))
}

/// Splits a path into the steps to it; `..` is one of them.
fn split_path(path: &[u8]) -> VecDeque<OsString> {
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    let steps = path.components().filter_map(|step| match step {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    steps.collect()
}

/// Returns the real path of a directory or a file, with all links on the way followed.
pub(crate) fn read_place(opened: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, lchown, symlink};

    #[test]
    fn what_is_absent_is_made_and_own_links_are_followed() {
        let place = tempfile::tempdir().unwrap();
        let there = place.path().join("there");
        std::fs::create_dir(&there).unwrap();
        symlink("there", place.path().join("link")).unwrap();
        symlink(&there, place.path().join("absolute")).unwrap();
        for way in ["there", "link", "absolute", "link/../there/."] {
            let opened = TrustedDirectory::open(&place.path().join(way)).unwrap();
            let same = std::fs::metadata(opened.held_path()).unwrap().ino();
            assert_eq!(same, std::fs::metadata(&there).unwrap().ino(), "{way}");
        }
        TrustedDirectory::open(&place.path().join("link/a/b")).unwrap();
        assert!(there.join("a/b").is_dir());
    }

    #[test]
    fn a_link_of_somebody_else_leads_nowhere() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        symlink("/etc", place.path().join("link")).unwrap();
        lchown(place.path().join("link"), Some(12_345), Some(12_345)).unwrap();
        for way in ["link", "link/below"] {
            let error = TrustedDirectory::open(&place.path().join(way)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{way}");
        }
        assert!(!Path::new("/etc/below").exists());
    }

    #[test]
    fn links_that_lead_to_themselves_end() {
        let place = tempfile::tempdir().unwrap();
        symlink("link", place.path().join("link")).unwrap();
        assert!(TrustedDirectory::open(&place.path().join("link")).is_err());
    }
}
