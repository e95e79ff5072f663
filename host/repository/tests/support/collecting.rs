//! Backups and collections as tests of crashes and of processes at once do them, and what must hold afterwards.

use super::{Bytes, Files, Place, begin, file, noise};
use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_repository::check::{Depth, Report as Checked, check_repository};
use holdfast_repository::collect::{Options, Report, collect};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{Repository, RepositoryError, SnapshotWriter};
use std::sync::Arc;
use std::time::Duration;

/// Nothing waits for a clock.
pub(crate) fn at_once() -> Options {
    Options {
        grace: Duration::ZERO,
        forgotten_grace: Duration::ZERO,
        host: "here".into(),
        ..Options::default()
    }
}

/// And sessions are ended at once: whoever began them is known to be dead, or has no luck.
pub(crate) fn merciless() -> Options {
    Options {
        expire_after: Duration::ZERO,
        ..at_once()
    }
}

/// Collects.
pub(crate) fn gc(
    repository: &Arc<Repository>,
    options: &Options,
) -> Result<Report, RepositoryError> {
    Ok(collect(
        repository,
        options,
        &Cancel::new(),
        &Default::default(),
    )?)
}

/// Stores files.
pub(crate) fn write(session: &SnapshotWriter, files: &Files) -> Result<(), RepositoryError> {
    for (path, bytes) in files {
        session.add_entry(file(path, bytes.len()), Some(Box::new(Bytes::of(bytes))))?;
    }
    Ok(session.settle().map(drop)?)
}

/// Backs files up, and gives up as a job does.
pub(crate) fn back_up(
    repository: &Arc<Repository>,
    files: &Files,
) -> Result<Root, RepositoryError> {
    let session = begin(repository)?;
    match write(&session, files) {
        Ok(()) => Ok(session.commit(SourceEnd::seen())?),
        Err(error) => Err(session.abandon().map_or(error, RepositoryError::from)),
    }
}

/// Returns a file of each seed.
pub(crate) fn files(seeds: std::ops::Range<u32>) -> Files {
    seeds
        .map(|seed| (format!("f{seed}"), noise(seed, 9_000)))
        .collect()
}

/// Checks everything.
pub(crate) fn checked(place: &Place) -> Checked {
    let repository = place.open(Role::Read);
    let (never, unseen) = (Cancel::new(), Progress::default());
    check_repository(&repository, Depth::Data, &never, &unseen).unwrap()
}

/// Makes sure that nothing is damaged.
pub(crate) fn is_clean(place: &Place) {
    assert_eq!(checked(place).damage, []);
}

/// What must hold: what is committed is whole, and nothing is damaged.
pub(crate) fn examine(place: &Place, committed: &[(Root, Files)], told: &str) {
    let repository = place.open(Role::Read);
    let (roots, failures) = repository.snapshots_from_store().unwrap();
    assert!(failures.is_empty(), "{told}: {failures:?}");
    for (root, files) in committed {
        assert!(roots.contains(root), "{told}: {} is gone", root.snapshot);
        assert_eq!(&place.restore(root), files, "{told}");
    }
    assert_eq!(checked(place).damage, [], "{told}");
}

/// Whether all that can be tried is to be tried.
pub(crate) fn is_long() -> bool {
    std::env::var("HOLDFAST_FAULTS").is_ok_and(|mode| mode == "long")
}
