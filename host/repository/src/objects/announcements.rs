//! Reads what operators have announced, and announces.
//!
//! - The newest announcement that can be read counts. A host keeps it in its cache, and notices a store
//!   that shows only older ones: then it writes nothing, since the epoch may have gone with them.
//! - One that cannot be read is passed over: it may be what an interruption left. `check` names it.
//! - Two operators at once cannot both win: a number is created once.

use crate::format::announcement::Announcement;
use crate::ground::names::{ANNOUNCEMENTS, announcement_name};
use crate::ground::seal::{Identity, Recipient};
use crate::ground::setup::Setup;
use crate::keys::{KeyFile, Signer, Trust};
use crate::objects::catalog;
use crate::objects::error::ObjectError;
use crate::objects::spares;
use holdfast_base::id::RepositoryId;
use holdfast_store::{Created, Store};
use std::collections::BTreeSet;

/// Largest plaintext of an announcement; one that expands to more is a bomb.
const EXPANDED_MAX: usize = 256 << 20;

/// What is known of the announcements of a repository.
#[derive(Debug, Default)]
pub struct Announced {
    /// The newest one.
    pub newest: Option<Announcement>,
    /// The number that comes next.
    pub next: u32,
    /// Whether the newest one came from the cache, since the store shows only older ones.
    pub is_hidden: bool,
}

/// Reads the newest announcement.
///
/// # Errors
/// The store failed. That one is damaged is no error.
pub fn read(setup: &Setup, key: &KeyFile, trust: &Trust) -> Result<Announced, ObjectError> {
    let taken = numbers(setup.store.as_ref())?;
    let mut found = newest(setup, key, trust, &taken)?;
    let last = found.newest.as_ref();
    found.next = free_number(&taken, last.map_or(0, |last| last.announcement));
    Ok(found)
}

/// Returns the numbers of all announcements, of those too that cannot be read.
///
/// # Errors
/// The store cannot be listed.
pub fn numbers(store: &dyn Store) -> Result<BTreeSet<u32>, ObjectError> {
    let listed = spares::listed(store, ANNOUNCEMENTS)?;
    let numbers = listed.iter().map(|object| object.last().parse());
    Ok(numbers.filter_map(Result::ok).collect())
}

fn newest(
    setup: &Setup,
    key: &KeyFile,
    trust: &Trust,
    numbers: &BTreeSet<u32>,
) -> Result<Announced, ObjectError> {
    let mut found = Announced::default();
    let kept = remembered(setup, trust, key.repository);
    for number in numbers.iter().copied().rev() {
        if kept
            .as_ref()
            .is_some_and(|kept| kept.announcement == number)
        {
            found.newest = kept;
            return Ok(found);
        }
        match one(setup, key, trust, number) {
            Ok((announcement, bytes)) => {
                if kept.as_ref().is_none_or(|kept| kept.announcement < number) {
                    remember(setup, &bytes);
                }
                found.newest = Some(announcement);
                break;
            }
            Err(ObjectError::Store(error)) if !error.is_absent() && !is_damage(&error) => {
                return Err(error.into());
            }
            Err(error) => tracing::debug!(%error, number, "an announcement is passed over"),
        }
    }
    let newest = found
        .newest
        .as_ref()
        .map_or(0, |newest| newest.announcement);
    if let Some(kept) = kept
        && kept.announcement > newest
    {
        tracing::warn!(
            number = kept.announcement,
            "the store hides or has lost what operators announced"
        );
        found.newest = Some(kept);
        found.is_hidden = true;
    }
    Ok(found)
}

fn is_damage(error: &holdfast_store::StoreError) -> bool {
    use holdfast_base::error::{Describe, Kind};
    error.kind() == Kind::Damaged
}

/// Reads one announcement; returns it with its bytes.
///
/// # Errors
/// It is absent or damaged, or the store failed.
pub(crate) fn one(
    setup: &Setup,
    key: &KeyFile,
    trust: &Trust,
    number: u32,
) -> Result<(Announcement, Vec<u8>), ObjectError> {
    let open = |sealed| decode(setup, key, trust, number, sealed);
    spares::read(setup.store.as_ref(), &announcement_name(number), &open)
}

/// Reads what an announcement's object holds; returns it with its bytes.
///
/// # Errors
/// It is damaged.
pub(crate) fn decode(
    setup: &Setup,
    key: &KeyFile,
    trust: &Trust,
    number: u32,
    sealed: Vec<u8>,
) -> Result<(Announcement, Vec<u8>), ObjectError> {
    let identity = [Identity::Key(key.catalog.identity.clone())];
    let opened = catalog::open(setup, &identity, sealed, EXPANDED_MAX);
    let bytes = opened.map_err(|error| error.in_sealed(announcement_name(number).as_str()))?;
    let read = Announcement::decode(&bytes, trust, key.repository, number)?;
    Ok((read, bytes))
}

/// Creates the next announcement, and reads it again.
///
/// # Errors
/// Another operator was first, the store failed, or it does not come back as it was.
pub fn create(
    setup: &Setup,
    key: &KeyFile,
    announcement: &Announcement,
) -> Result<(), ObjectError> {
    let root = key.root()?;
    let trust = Trust::new(root.verifying_key(), key.repository);
    let name = announcement_name(announcement.announcement);
    let bytes = announcement.encode(&Signer::root(root))?;
    let recipients = [Recipient::PublicKey(key.catalog.public_key.clone())];
    match catalog::put(setup, &recipients, &name, &bytes)? {
        (Created::New, _) => {}
        (Created::Existed, _) => return Err(ObjectError::KeysChanged),
    }
    match one(setup, key, &trust, announcement.announcement) {
        Ok((read, _)) if read == *announcement => {
            // It counts from here on, with a spare or without.
            if let Ok(sealed) = setup.store.get(&name) {
                spares::create(setup.store.as_ref(), &name, &sealed);
            }
            Ok(())
        }
        Ok(_) => Err(ObjectError::ContentMismatch.read_back_failed(&name)),
        Err(error) => Err(error.read_back_failed(&name)),
    }
}

fn cached(setup: &Setup) -> Option<std::path::PathBuf> {
    setup.cache.as_ref().map(|cache| cache.join("announcement"))
}

/// Returns the newest announcement that this machine has seen. It is checked like the object itself.
fn remembered(setup: &Setup, trust: &Trust, repository: RepositoryId) -> Option<Announcement> {
    let bytes = std::fs::read(cached(setup)?).ok()?;
    let number = Announcement::number(&bytes).ok()?;
    Announcement::decode(&bytes, trust, repository, number).ok()
}

fn remember(setup: &Setup, bytes: &[u8]) {
    let Some(path) = cached(setup) else { return };
    let temporary = path.with_extension(std::process::id().to_string());
    let written =
        std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, &path));
    if let Err(error) = written {
        tracing::debug!(%error, "an announcement is not kept in the cache");
    }
}

/// Returns the first number after this one that is not taken: whoever may create objects can take any.
#[must_use]
pub(crate) fn free_number(taken: &BTreeSet<u32>, last: u32) -> u32 {
    let mut numbers = last.saturating_add(1)..=u32::MAX;
    numbers
        .find(|number| !taken.contains(number))
        .unwrap_or(u32::MAX)
}
