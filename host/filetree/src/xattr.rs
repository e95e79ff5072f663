//! Extended attributes, POSIX ACLs among them.
//!
//! - Those of files are read when the file is opened, which is far cheaper than by its path. All
//!   others are read and written without opening the entry, by way of the directory's descriptor:
//!   devices and symbolic links have them too.
//! - One call shows that an entry has none; a file system without attributes is asked once.
//! - What cannot be read or set is named, never passed over in silence.

use holdfast_base::entry::{Xattrs, printable};
use holdfast_base::limits::XATTR_BYTES_MAX;
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The attribute that holds a POSIX ACL; it follows the mode bits, and they follow it.
pub(crate) const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
/// The attribute by which a directory hands an ACL on to what is made in it.
pub(crate) const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// Attributes by name, sorted.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
/// Bytes that nearly every list of names and nearly every value fit into.
const COMMON_BYTES: usize = 1 << 10;

/// Writes the path by which the kernel finds what lies in an open directory, up to the name.
pub(crate) fn proc_prefix(directory: impl AsFd) -> Vec<u8> {
    format!("/proc/self/fd/{}/", directory.as_fd().as_raw_fd()).into_bytes()
}

/// Reads all attributes of what stands at a path, not following a link there; none if the file
/// system has no attributes at all.
///
/// # Errors
/// It is not there, the device failed, or the system is short of memory.
pub(crate) fn read_at(path: &[u8]) -> io::Result<Option<Xattrs>> {
    read_xattrs(
        |listing| rustix::fs::llistxattr(path, listing),
        |name, value| rustix::fs::lgetxattr(path, name, value),
    )
}

/// Reads all attributes of an open file.
pub(crate) fn read_open(file: impl AsFd) -> Xattrs {
    let file = file.as_fd();
    let read = read_xattrs(
        |listing| rustix::fs::flistxattr(file, listing),
        |name, value| rustix::fs::fgetxattr(file, name, value),
    );
    read.ok().flatten().unwrap_or_default()
}

fn read_xattrs(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> io::Result<Option<Xattrs>> {
    let mut read = Xattrs::default();
    let mut common = [0; COMMON_BYTES];
    let mut large = Vec::new();
    let listing = loop {
        let listing = if large.is_empty() {
            &mut common[..]
        } else {
            &mut large[..]
        };
        let room = listing.len();
        match list(listing) {
            Ok(length) => break &listing[..length],
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
            Err(error @ (Errno::NOENT | Errno::NOMEM | Errno::IO)) => return Err(error.into()),
            Err(Errno::RANGE) if room < XATTR_BYTES_MAX => large.resize(room * 4, 0),
            Err(error) => {
                read.trouble = Some(format!("its attributes cannot be listed: {error}"));
                return Ok(Some(read));
            }
        }
    };
    let mut bytes = 0;
    for name in listing.split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let refuse = |why: &str| Some(format!("attribute `{}` {why}", printable(name)));
        match read_value(|to| get(name, to)) {
            Ok(value) if bytes + name.len() + value.len() > XATTR_BYTES_MAX => {
                read.trouble = refuse("is left out: all together are too large");
            }
            Ok(value) => {
                bytes += name.len() + value.len();
                read.pairs.push((name.to_vec(), value));
            }
            // Gone since it was listed, or one that only another namespace sees.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => read.trouble = refuse(&format!("cannot be read: {error}")),
        }
    }
    read.pairs.sort();
    Ok(Some(read))
}

fn read_value(get: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; COMMON_BYTES];
    loop {
        match get(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                buffer.shrink_to_fit();
                return Ok(buffer);
            }
            // Linux has no values above 64 KiB.
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 8, 0),
            Err(error) => return Err(error),
        }
    }
}

/// Sets attributes with `set`; returns the names that the system refused, each with its reason.
fn set_xattrs(
    pairs: &Pairs,
    set: impl Fn(&[u8], &[u8]) -> Result<(), Errno>,
) -> io::Result<Vec<(String, Errno)>> {
    let mut refused = Vec::new();
    // An ACL comes last: it sets permissions, without which others could not be set any more.
    let is_acl = |(name, _): &&(Vec<u8>, Vec<u8>)| name == ACL_ACCESS;
    let others = pairs.iter().filter(|pair| !is_acl(pair));
    for (name, value) in others.chain(pairs.iter().filter(is_acl)) {
        match set(name, value) {
            Ok(()) => {}
            // What one file system takes is too large, or means nothing, on another.
            Err(
                error @ (Errno::PERM
                | Errno::OPNOTSUPP
                | Errno::ACCESS
                | Errno::NOSPC
                | Errno::TOOBIG
                | Errno::RANGE
                | Errno::INVAL),
            ) => refused.push((printable(name), error)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refused)
}

/// Sets attributes on an open file or directory.
pub(crate) fn write_open(
    file: impl AsFd + Copy,
    pairs: &Pairs,
) -> io::Result<Vec<(String, Errno)>> {
    set_xattrs(pairs, |name, value| {
        rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())
    })
}

/// Sets attributes on what stands at a path, not following a link there.
pub(crate) fn write_at(path: &[u8], pairs: &Pairs) -> io::Result<Vec<(String, Errno)>> {
    set_xattrs(pairs, |name, value| {
        rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
    })
}

/// Returns whether a directory hands an ACL on to what is made in it.
pub(crate) fn has_default_acl(directory: impl AsFd) -> bool {
    let mut path = proc_prefix(directory);
    path.push(b'.');
    rustix::fs::lgetxattr_query(path.as_slice(), ACL_DEFAULT).is_ok_and(|length| length > 0)
}
