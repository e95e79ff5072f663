//! Opens what lies below a directory, and nothing else.
//!
//! - Symbolic links are not followed, whoever planted them, and no path leads upwards.
//! - A path may be longer than the system takes in one call.
//! - If the kernel lacks `openat2` (before 5.6, or behind an old sandbox), the same is reached
//!   one component at a time.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

/// Longest path that one call takes; Linux allows 4,096 with the NUL.
const CALL_PATH_MAX: usize = 4000;

const STEP: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens relative to a directory without ever leaving it or following a symbolic link.
///
/// `path` has no `..` in it: it comes from an `EntryPath` or from the names of a directory.
pub(crate) fn open_beneath(
    at: &OwnedFd,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    open_in_pieces(at, path, flags, mode, CALL_PATH_MAX)
}

/// Opens what a path leads to, links included, if all of the way lies below the directory.
///
/// # Errors
/// The way leaves the directory: `CrossesDevices`. On a kernel without `openat2`, also if a link
/// is on it.
pub(crate) fn resolve_within(at: &OwnedFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    if !has_openat2() {
        let opened = open_stepwise(at, path, flags, Mode::empty());
        return opened.map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::LOOP.raw_os_error() => Errno::XDEV.into(),
            _ => error,
        });
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(at, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn open_in_pieces(
    at: &OwnedFd,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
    piece_max: usize,
) -> io::Result<OwnedFd> {
    let mut reached: Option<OwnedFd> = None;
    let mut rest = path;
    while rest.len() > piece_max {
        // The last slash that one call reaches; a name has at most 255 bytes, so there is one.
        let Some(slash) = rest[..piece_max].iter().rposition(|b| *b == b'/') else {
            break;
        };
        let from = reached.as_ref().unwrap_or(at);
        reached = Some(open_once(from, &rest[..slash], STEP, Mode::empty())?);
        rest = &rest[slash + 1..];
    }
    open_once(reached.as_ref().unwrap_or(at), rest, flags, mode)
}

fn open_once(at: &OwnedFd, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    if !has_openat2() {
        return open_stepwise(at, path, flags, mode);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(at, path, flags | OFlags::CLOEXEC, mode, resolve) {
            // The kernel asks to try again when something was renamed meanwhile.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Returns whether the kernel knows `openat2`; old sandboxes answer EPERM instead of ENOSYS.
fn has_openat2() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let probed = rustix::fs::openat2(CWD, c"/", flags, Mode::empty(), ResolveFlags::empty());
        !matches!(probed, Err(Errno::NOSYS | Errno::PERM))
    })
}

fn open_stepwise(at: &OwnedFd, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let mut reached: Option<OwnedFd> = None;
    let mut rest = path;
    while let Some(slash) = rest.iter().position(|b| *b == b'/') {
        let from = reached.as_ref().unwrap_or(at);
        reached = Some(open_component(from, &rest[..slash], STEP, Mode::empty())?);
        rest = &rest[slash + 1..];
    }
    open_component(reached.as_ref().unwrap_or(at), rest, flags, mode)
}

fn open_component(at: &OwnedFd, name: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    if name == b".." {
        return Err(Errno::XDEV.into());
    }
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, name, flags, mode)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root(path: &std::path::Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH, Mode::empty()).unwrap()
    }

    #[test]
    fn both_ways_refuse_links_and_the_way_up() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("a/b")).unwrap();
        std::fs::write(place.path().join("a/b/file"), b"x").unwrap();
        symlink("/etc", place.path().join("a/etc")).unwrap();
        symlink("file", place.path().join("a/b/link")).unwrap();
        let at = root(place.path());
        for open in [open_once, open_stepwise] {
            let read = |path: &[u8]| open(&at, path, OFlags::RDONLY, Mode::empty());
            assert!(read(b"a/b/file").is_ok());
            assert!(read(b"a/etc/passwd").is_err());
            assert!(read(b"a/b/link").is_err());
            assert!(read(b"../x").is_err());
        }
    }

    #[test]
    fn links_that_stay_within_are_followed_and_others_are_not() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("a/b")).unwrap();
        std::fs::create_dir_all(place.path().join("c")).unwrap();
        symlink("b", place.path().join("a/inside")).unwrap();
        symlink("../../c", place.path().join("a/b/up")).unwrap();
        symlink("/etc", place.path().join("a/absolute")).unwrap();
        let at = root(&place.path().join("a"));
        let open = |path: &str| resolve_within(&at, path.as_bytes(), OFlags::RDONLY);
        assert!(open("b").is_ok() && open(".").is_ok());
        if has_openat2() {
            assert!(open("inside").is_ok());
        }
        for path in ["b/up", "absolute", "../c", "b/../../c"] {
            let error = open(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::CrossesDevices, "{path}");
        }
    }

    #[test]
    fn a_path_is_taken_in_pieces_where_one_call_is_too_short() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("ab/cd/ef/gh")).unwrap();
        std::fs::write(place.path().join("ab/cd/ef/gh/file"), b"x").unwrap();
        let at = root(place.path());
        for piece_max in 5..20 {
            let path = b"ab/cd/ef/gh/file";
            open_in_pieces(&at, path, OFlags::RDONLY, Mode::empty(), piece_max).unwrap();
        }
    }
}
