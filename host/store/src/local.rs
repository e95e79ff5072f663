//! A directory on this machine.
//!
//! - An object is written to a nameless file, made durable, and only then linked under its name:
//!   a crash at any moment leaves the object whole or absent, and no rubbish.
//! - Linking never replaces, so that two writers of one name cannot both win.
//! - The directory that holds the name is made durable too, before a create returns.

use crate::error::StoreError;
use crate::name::Name;
use crate::{
    Abilities, Attempts, ColdStorage, Created, Listed, ObjectLock, Placement, Probe, Store, Upload,
    Warmth,
};
use holdfast_base::time::Instant;
use holdfast_direct::SequentialFile;
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags};
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A range of this length belongs to content, which is read once.
const READ_ONCE_BYTES: usize = 256 << 10;

/// A store in a local directory.
#[derive(Debug, Clone)]
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    /// Names the directory; it need not exist yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn object_path(&self, name: &Name) -> PathBuf {
        self.root.join(name.as_str())
    }

    fn failed(&self, action: impl Into<String>, source: io::Error) -> StoreError {
        StoreError::Io {
            action: action.into(),
            place: self.place(),
            source,
        }
    }

    fn open_object(&self, name: &Name) -> Result<File, StoreError> {
        File::open(self.object_path(name)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::Absent {
                name: name.clone(),
                place: self.place(),
            },
            _ => self.failed(format!("open object `{name}`"), source),
        })
    }

    fn open_nameless(&self) -> Result<File, StoreError> {
        let open = || {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            rustix::fs::open(&self.root, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP)
        };
        let fd = match open() {
            Err(rustix::io::Errno::NOENT) => {
                make_directory(&self.root).map_err(|e| self.failed("create the directory", e))?;
                open()
            }
            other => other,
        };
        fd.map(File::from)
            .map_err(|e| self.failed("create an object", e.into()))
    }

    /// Links a nameless, durable file under its name.
    fn link_object(&self, file: &File, name: &Name) -> Result<Created, StoreError> {
        let target = self.object_path(name);
        let origin = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = || rustix::fs::linkat(CWD, &origin, CWD, &target, AtFlags::SYMLINK_FOLLOW);
        let linked = match link() {
            Err(rustix::io::Errno::NOENT) => {
                self.make_parent(&target)
                    .map_err(|e| self.failed(format!("create object `{name}`"), e))?;
                link()
            }
            other => other,
        };
        let created = match linked {
            Ok(()) => Created::New,
            // Whoever linked it may not have come to make the name durable.
            Err(rustix::io::Errno::EXIST) => Created::Existed,
            Err(e) => return Err(self.failed(format!("create object `{name}`"), e.into())),
        };
        sync_parent(&target)
            .map_err(|e| self.failed(format!("make object `{name}` durable"), e))?;
        Ok(created)
    }

    fn make_parent(&self, target: &Path) -> io::Result<()> {
        let Some(parent) = target.parent() else {
            return Ok(());
        };
        make_directory(parent)?;
        // Every directory that is new must itself survive a crash.
        let mut at = parent;
        while at.starts_with(&self.root) && at != self.root {
            sync_parent(at)?;
            let Some(up) = at.parent() else { break };
            at = up;
        }
        Ok(())
    }

    fn list_directory(&self, directory: &Path, found: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.list_directory(&path, found)?;
                continue;
            }
            let relative = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            // What has no name of ours is not ours: a `lost+found`, a note somebody left.
            let Some(name) = relative.and_then(|text| Name::new(text).ok()) else {
                continue;
            };
            match entry.metadata() {
                Ok(meta) => found.push(Listed {
                    name,
                    size: meta.len(),
                    received: Instant::from_parts(meta.mtime(), meta.mtime_nsec()),
                    warmth: Warmth::Warm,
                }),
                // Removed while the listing went on.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Store for LocalStore {
    fn place(&self) -> String {
        format!("file://{}", self.root.display())
    }

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        let file = self.open_object(name)?;
        let read = || {
            let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        read().map_err(|e| self.failed(format!("read object `{name}`"), e))
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let file = self.open_object(name)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => StoreError::Short {
                    name: name.clone(),
                    place: self.place(),
                    offset,
                    wanted: length,
                },
                _ => self.failed(format!("read object `{name}`"), source),
            })?;
        if length >= READ_ONCE_BYTES {
            // A hint: a check or a restore would push out what the machine's own work keeps cached.
            let range = NonZeroU64::new(length as u64);
            let _ = rustix::fs::fadvise(&file, offset, range, Advice::DontNeed);
        }
        Ok(bytes)
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        let file = self.open_object(name)?;
        let meta = file
            .metadata()
            .map_err(|e| self.failed(format!("look at object `{name}`"), e))?;
        Ok(meta.len())
    }

    fn create(&self, name: &Name, bytes: &[u8], _: Attempts) -> Result<Created, StoreError> {
        let mut upload = Box::new(LocalUpload::create_nameless(self)?);
        upload
            .write_all(bytes)
            .map_err(|e| self.failed(format!("write object `{name}`"), e))?;
        upload.commit(name)
    }

    fn upload(&self, _: Placement) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(LocalUpload::create_nameless(self)?))
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        let mut found = Vec::new();
        self.list_directory(&self.root.join(area), &mut found)
            .map_err(|e| self.failed(format!("list `{area}`"), e))?;
        Ok(found)
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        let path = self.object_path(name);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(self.failed(format!("remove object `{name}`"), e)),
        }
        sync_parent(&path).map_err(|e| self.failed(format!("remove object `{name}` for good"), e))
    }

    fn is_far(&self) -> bool {
        false
    }

    fn abilities(&self) -> Abilities {
        Abilities::LOCAL
    }

    fn probing(&self) -> Option<&dyn Probe> {
        None
    }

    fn object_lock(&self) -> Option<&dyn ObjectLock> {
        None
    }

    fn cold_storage(&self) -> Option<&dyn ColdStorage> {
        None
    }
}

/// A nameless file in the making.
struct LocalUpload {
    store: LocalStore,
    file: SequentialFile,
}

impl LocalUpload {
    fn create_nameless(store: &LocalStore) -> Result<Self, StoreError> {
        Ok(Self {
            file: SequentialFile::new(store.open_nameless()?),
            store: store.clone(),
        })
    }

    /// Adds the place to an error of writing: whoever hears of a full disk must know which.
    fn placed(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        io::Error::new(kind, self.store.failed("write an object", error))
    }
}

impl Write for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        written.map_err(|error| self.placed(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        flushed.map_err(|error| self.placed(error))
    }
}

impl Upload for LocalUpload {
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        let Self { store, file } = *self;
        let file = file
            .finish()
            .map_err(|e| store.failed(format!("make object `{name}` durable"), e))?;
        store.link_object(&file, name)
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[test]
    fn the_local_store_keeps_the_contract() {
        let place = tempfile::tempdir().unwrap();
        conformance::check_store(&LocalStore::new(place.path().join("store")));
    }

    #[test]
    fn an_upload_that_is_dropped_leaves_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let store = LocalStore::new(place.path().to_owned());
        let mut upload = store.upload(Placement::Standard).unwrap();
        upload.write_all(b"half").unwrap();
        drop(upload);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn foreign_files_are_not_listed() {
        let place = tempfile::tempdir().unwrap();
        let store = LocalStore::new(place.path().to_owned());
        std::fs::create_dir(place.path().join("packs")).unwrap();
        std::fs::write(place.path().join("packs/README.txt"), "hello").unwrap();
        assert_eq!(store.list("packs").unwrap(), Vec::new());
    }
}
