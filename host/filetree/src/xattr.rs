//! Extended attributes, POSIX ACLs among them.
//!
//! They are read without opening the entry, by way of the directory's descriptor: devices and files
//! without read permission have them too.

use holdfast_base::limits::XATTR_BYTES_MAX;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Writes the path by which the kernel finds an entry of an open directory.
pub(crate) fn proc_path(directory: &OwnedFd, name: &[u8], to: &mut Vec<u8>) {
    to.clear();
    to.extend_from_slice(b"/proc/self/fd/");
    to.extend_from_slice(directory.as_raw_fd().to_string().as_bytes());
    if !name.is_empty() {
        to.push(b'/');
        to.extend_from_slice(name);
    }
}

/// Reads all attributes, sorted by name; none where the file system has none.
pub(crate) fn read(path: &[u8]) -> io::Result<Pairs> {
    let mut names = [0_u8; 1024];
    let listed = match rustix::fs::llistxattr(path, &mut names) {
        Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOENT | Errno::NOSYS) => return Ok(Vec::new()),
        Ok(length) => names[..length].to_vec(),
        Err(Errno::RANGE) => read_growing(|buffer| rustix::fs::llistxattr(path, buffer))?,
        Err(error) => return Err(error.into()),
    };
    let mut pairs = Pairs::new();
    for name in listed.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        match read_growing(|buffer| rustix::fs::lgetxattr(path, name, buffer)) {
            Ok(value) => pairs.push((name.to_vec(), value)),
            // Gone since it was listed, or not for us to see.
            Err(error)
                if [Errno::NODATA, Errno::OPNOTSUPP]
                    .map(Errno::raw_os_error)
                    .contains(&error.raw_os_error().unwrap_or(0)) => {}
            Err(error) => return Err(error),
        }
    }
    pairs.sort();
    Ok(pairs)
}

fn read_growing(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < XATTR_BYTES_MAX => {
                buffer.resize(buffer.len() * 4, 0);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sets attributes on an open file or directory; returns the names that the system refused.
pub(crate) fn write(file: impl AsFd + Copy, pairs: &Pairs) -> io::Result<Vec<String>> {
    let mut refused = Vec::new();
    for (name, value) in pairs {
        match rustix::fs::fsetxattr(
            file,
            name.as_slice(),
            value,
            rustix::fs::XattrFlags::empty(),
        ) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS) => {
                refused.push(String::from_utf8_lossy(name).into_owned());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refused)
}
