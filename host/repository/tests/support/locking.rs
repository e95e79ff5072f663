//! A repository in a store that locks.

use super::{self as support, Bytes, Place, begin, file, noise, scratch, setup};
use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_repository::collect::{CollectProgress, Options, Report, collect};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::object_lock::hold::{Wish, hold, release};
use holdfast_repository::object_lock::{Locked, lock_reached, plan_extension};
use holdfast_repository::seal::{Identity, Recipient, Sealer};
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{Repository, RepositoryError};
use holdfast_store::{Extension, Name, RetentionMode, Store};
use holdfast_testkit::faults::AREAS;
use holdfast_testkit::locked::LockedStore;
use holdfast_testkit::sealer::NativeAge;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) const HOUR: i64 = 3_600_000_000_000;

/// A repository in a store that locks.
pub(crate) struct Locking {
    pub(crate) place: Place,
    pub(crate) store: LockedStore,
}

impl Locking {
    pub(crate) fn new() -> Self {
        let directory = scratch();
        let operator = NativeAge.generate().unwrap();
        let plain = setup(directory.path());
        let store = LockedStore::new(Arc::clone(&plain.store));
        let setup = holdfast_repository::Setup {
            store: Arc::new(store.clone()),
            ..plain
        };
        let recipients = [Recipient::PublicKey(operator.public_key)];
        let key = Repository::init(&setup, &recipients).unwrap();
        let operator = Identity::Key(operator.identity);
        let place = Place {
            directory,
            key,
            operator,
        };
        Self { place, store }
    }

    /// Makes the same repository, with the same locks.
    pub(crate) fn copy(&self) -> Self {
        let place = self.place.copy();
        let store = self.store.copy_onto(place.store());
        Self { place, store }
    }

    pub(crate) fn open(&self, role: Role) -> Arc<Repository> {
        self.open_on(Arc::new(self.store.clone()), role)
    }

    pub(crate) fn open_on(&self, store: Arc<dyn Store>, role: Role) -> Arc<Repository> {
        self.place.open_on(store, role).unwrap()
    }

    pub(crate) fn backup(&self, files: &[(&str, Vec<u8>)]) -> Root {
        let session = begin(&self.open(Role::Write)).unwrap();
        for (path, bytes) in files {
            let content = Box::new(Bytes::of(bytes));
            session
                .add_entry(file(path, bytes.len()), Some(content))
                .unwrap();
        }
        session.commit(SourceEnd::seen()).unwrap()
    }

    pub(crate) fn lock(&self, root: &Root, wanted: &Extension) -> Locked {
        let repository = self.open(Role::Write);
        let (never, unseen) = (Cancel::new(), Progress::default());
        lock_reached(&repository, &[root], wanted, &never, &unseen).unwrap()
    }

    pub(crate) fn collect(&self, options: &Options) -> Report {
        let repository = self.open(Role::Audit);
        collect(
            &repository,
            options,
            &Cancel::new(),
            &CollectProgress::default(),
        )
        .unwrap()
    }

    pub(crate) fn forget(&self, root: &Root) {
        let which = [(root.snapshot, "a test".to_owned())];
        self.open(Role::Write).forget(&which, "here").unwrap();
    }

    pub(crate) fn try_hold(
        &self,
        repository: &Arc<Repository>,
        root: &Root,
    ) -> Result<u64, RepositoryError> {
        let (never, unseen) = (Cancel::new(), Progress::default());
        let held = hold(repository, root, &wish(None), &never, &unseen);
        Ok(held.map(|(_, objects)| objects)?)
    }

    pub(crate) fn try_release(
        &self,
        repository: &Arc<Repository>,
        root: &Root,
    ) -> Result<u64, RepositoryError> {
        let (never, unseen) = (Cancel::new(), Progress::default());
        let released = release(repository, &root.snapshot, &never, &unseen);
        Ok(released.map(|released| released.objects)?)
    }

    /// Removes all that lets itself be removed.
    pub(crate) fn rob(&self) -> (usize, usize) {
        let (mut gone, mut kept) = (0, 0);
        for area in AREAS {
            for listed in self.store.list(area).unwrap() {
                match self.store.delete(&listed.name) {
                    Ok(()) => gone += 1,
                    Err(error) => {
                        assert!(error.is_locked(), "{error}");
                        kept += 1;
                    }
                }
            }
        }
        match self.store.delete(&Name::new("format").unwrap()) {
            Ok(()) => gone += 1,
            Err(error) => kept += usize::from(error.is_locked()),
        }
        (gone, kept)
    }

    pub(crate) fn packs(&self) -> BTreeSet<Name> {
        let listed = self.store.list("packs").unwrap();
        listed.into_iter().map(|listed| listed.name).collect()
    }

    pub(crate) fn is_restored(&self, root: &Root, files: &[(&str, Vec<u8>)]) {
        let restored = self.place.restore(root);
        let wanted = files.iter();
        let wanted: support::Files = wanted.map(|(p, b)| ((*p).to_owned(), b.clone())).collect();
        assert_eq!(restored, wanted);
    }
}

pub(crate) fn wish(until: Option<Instant>) -> Wish {
    Wish {
        reason: "court".into(),
        until,
        mode: RetentionMode::Governance,
        host: "here".into(),
    }
}

pub(crate) fn hours(least: i64, until: i64) -> Extension {
    let now = SystemClock.now().0;
    Extension {
        least: Instant(now + least * HOUR),
        until: Instant(now + until * HOUR),
        mode: RetentionMode::Governance,
    }
}

pub(crate) fn two() -> [(&'static str, Vec<u8>); 2] {
    [("a", noise(1, 700_000)), ("b", noise(2, 40_000))]
}

/// Returns what a snapshot needs of the store's holds, as names.
pub(crate) fn needed(locking: &Locking, root: &Root) -> BTreeSet<Name> {
    let (never, unseen) = (Cancel::new(), Progress::default());
    let repository = locking.open(Role::Audit);
    let made = plan_extension(&repository, &[root], hours(1, 1), &never, &unseen).unwrap();
    made.objects
        .into_iter()
        .map(|(object, _)| object.name)
        .collect()
}

pub(crate) fn is_held(locking: &Locking, root: &Root) -> bool {
    let marks = locking.open(Role::Audit).marks().unwrap();
    marks.hold(&root.snapshot, SystemClock.now()).is_some()
}
