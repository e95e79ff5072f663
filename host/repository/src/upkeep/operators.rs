//! Who can open a repository: adding and removing operators, new epochs, and keys that no longer count.
//!
//! - Every change makes a new epoch object and then an announcement. The announcement is the one moment at
//!   which it counts: a crash before it leaves the old state, and an object that the next change clears away.
//! - An epoch object is removed only after one that holds all its keys was stored, read again, opened and
//!   announced. So at every moment there is one that the operators can open.
//! - If the store lets nothing be removed, older epoch objects stay, and whoever could open one still can.
//!   That is told, and nothing fails.
//!
//! What a removed operator has read before stays known to it, and everything that is sealed to an epoch whose
//! key it had. Only a new epoch protects what comes after.

use crate::format::announcement::{Announcement, Operator};
use crate::format::certificate::Revocation;
use crate::format::signed::Author;
use crate::ground::names::{QUARANTINE, SNAPSHOTS, spare_name};
use crate::ground::seal::Secret;
use crate::ground::seal::{Identity, Recipient};
use crate::keys::file::{self, ReadEpoch};
use crate::keys::{KeyFile, Role};
use crate::objects::announcements::free_number;
use crate::objects::epochs::{self, Revision};
use crate::objects::operators::{named, publish};
use crate::repository::Repository;
use crate::snapshot::SnapshotError;
use crate::upkeep::{OperatorsError, UpkeepError};
use holdfast_base::error::join_causes;
use holdfast_base::id::SnapshotId;
use holdfast_store::Name;
use std::collections::BTreeSet;

/// Shortest beginning of a recipient that stands for the whole.
const RECIPIENT_SHORT_MIN: usize = 8;

/// What a change came to.
#[derive(Debug, Clone)]
pub struct Change {
    /// What is announced now.
    pub announcement: Announcement,
    /// Older objects that stay, since the store did not remove them: what, and why.
    pub kept: Vec<(String, String)>,
    /// Snapshots that could not be read when a key was revoked: none of them is accepted.
    pub unread: u64,
}

/// What a new epoch is to change beside the epoch itself.
#[derive(Default)]
pub struct Rotation {
    /// Who shall be able to open it, instead of those so far; for a repository that does not record them.
    pub operators: Vec<Recipient>,
    /// Hosts whose keys no longer count.
    pub revoke: Vec<String>,
    /// The read key of a repository of the same trust group, whose newest epoch is begun here too.
    pub follow: Option<KeyFile>,
}

impl Repository {
    /// Returns the epoch objects that are older than the one that counts: whoever could open one still can.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn older_epochs(&self) -> Result<Vec<String>, UpkeepError> {
        let Some(newest) = self.announcement() else {
            return Ok(Vec::new());
        };
        let mut older = Vec::new();
        for revision in epochs::listed(self.setup.store.as_ref())? {
            let name = revision.name().to_string();
            if name != newest.epoch_object {
                older.push(name);
            }
        }
        Ok(older)
    }

    /// Lets more operators open the repository. `identities` is what it was opened with, if anything.
    ///
    /// # Errors
    /// The key is no read key, one can open it already, or sealing or storing failed: then nothing has changed.
    pub fn add_operators(
        &self,
        more: &[Recipient],
        identities: &[Identity],
    ) -> Result<Change, UpkeepError> {
        let newest = self.changeable()?;
        let mut seen: Vec<_> = newest.operators.iter().map(|one| &one.recipient).collect();
        for recipient in more {
            if let Recipient::PublicKey(text) = recipient {
                if seen.contains(&text) {
                    let recipient = text.clone();
                    return Err(OperatorsError::AlreadyAdded { recipient }.into());
                }
                seen.push(text);
            }
        }
        let mut operators = newest.operators.clone();
        operators.extend(named(&self.setup, more)?);
        self.reseal(newest, operators, identities)
    }

    /// Lets an operator no longer open the repository. It is named by its recipient, or the beginning of that.
    ///
    /// # Errors
    /// There is no such operator, it is the last, or as for adding one.
    pub fn remove_operator(
        &self,
        which: &str,
        identities: &[Identity],
    ) -> Result<Change, UpkeepError> {
        let newest = self.changeable()?;
        let is_short = which.len() < RECIPIENT_SHORT_MIN;
        let fits = |one: &&Operator| {
            one.recipient == which || (!is_short && one.recipient.starts_with(which))
        };
        let found: Vec<_> = newest.operators.iter().filter(fits).collect();
        let wanted = which.to_owned();
        let gone = match found[..] {
            [one] if newest.operators.len() > 1 => one,
            [_] => return Err(OperatorsError::LastOperator { wanted }.into()),
            [] => return Err(OperatorsError::NoSuchOperator { wanted }.into()),
            _ => {
                let count = found.len();
                return Err(OperatorsError::Ambiguous { wanted, count }.into());
            }
        };
        let left = newest.operators.iter().filter(|one| *one != gone).cloned();
        self.reseal(newest, left.collect(), identities)
    }

    /// Begins a new epoch: what is stored from now on is sealed to a key that nobody has seen.
    ///
    /// # Errors
    /// The key is no read key, or sealing or storing failed: then the old epoch goes on.
    pub fn rotate(
        &self,
        rotation: &Rotation,
        identities: &[Identity],
    ) -> Result<Change, UpkeepError> {
        self.key.require(Role::Read)?;
        let newest = self.announcement();
        if let Some(newest) = newest
            && !self.announced.is_hidden
        {
            // The new object replaces the one that holds this key.
            self.key.epoch(newest.epoch)?;
        }
        let operators = match (&rotation.operators[..], newest) {
            ([], None) => return Err(OperatorsError::Unrecorded.into()),
            ([], Some(newest)) => newest.operators.clone(),
            (operators, _) => named(&self.setup, operators)?,
        };
        let (revoked, unread) = self.revocations(&rotation.revoke)?;
        let mut key = self.whole_key()?;
        let (epoch, epoch_recipient) = match &rotation.follow {
            Some(other) => self.follow(&mut key, other)?,
            None => self.fresh_epoch(&mut key)?,
        };
        if let Some(keys) = &mut key.write {
            keys.epoch = epoch;
            keys.epoch_recipient.clone_from(&epoch_recipient);
        }
        let at = self.free_revision(Revision { epoch, revision: 0 })?;
        let announcement = Announcement {
            announcement: self.announced.next,
            repository: self.header.repository,
            made: self.setup.clock.now(),
            epoch,
            epoch_recipient,
            epoch_object: at.name().to_string(),
            epoch_hash: None,
            operators,
            revoked,
        };
        self.change(key, at, announcement, unread, identities)
    }

    /// Adds an epoch to a key, whose identity nobody has seen; returns its number and recipient.
    fn fresh_epoch(&self, key: &mut KeyFile) -> Result<(u32, String), UpkeepError> {
        let pair = self.setup.sealer.generate()?;
        let taken = epochs::listed(self.setup.store.as_ref())?;
        let taken: BTreeSet<u32> = taken.iter().map(|revision| revision.epoch).collect();
        let epoch = free_number(&taken, self.newest_epoch());
        key.read.get_or_insert_default().push(ReadEpoch {
            epoch,
            identity: pair.identity,
        });
        Ok((epoch, pair.public_key))
    }

    /// Adds to a key the epochs of another repository of the group that came later than its own; returns the
    /// newest of them.
    fn follow(&self, key: &mut KeyFile, other: &KeyFile) -> Result<(u32, String), UpkeepError> {
        other.require(Role::Read)?;
        let (ours, theirs) = (self.key.writing()?, other.writing()?);
        let is_group = ours.id_key.expose() == theirs.id_key.expose()
            && ours.split_key.expose() == theirs.split_key.expose()
            && key.catalog.public_key == other.catalog.public_key;
        if !is_group {
            return Err(OperatorsError::NoTrustGroup.into());
        }
        let newest = self.newest_epoch();
        if theirs.epoch <= newest {
            return Err(OperatorsError::NoNewerEpoch.into());
        }
        let held = key.read.get_or_insert_default();
        for epoch in other.read.iter().flatten() {
            match held.iter().find(|one| one.epoch == epoch.epoch) {
                None => held.push(epoch.clone()),
                Some(one) if one.identity.expose() == epoch.identity.expose() => {}
                Some(_) => return Err(OperatorsError::BothRotated.into()),
            }
        }
        Ok((theirs.epoch, theirs.epoch_recipient.clone()))
    }

    /// Returns the number of the newest epoch, announced or not. What is listed says nothing: whoever may create
    /// objects can take any number.
    fn newest_epoch(&self) -> u32 {
        let held = self.key.read.iter().flatten().map(|held| held.epoch);
        let announced = self.announcement().map(|newest| newest.epoch);
        held.chain(announced).max().unwrap_or(0)
    }

    /// Returns the first revision from this one that nobody has taken.
    fn free_revision(&self, mut at: Revision) -> Result<Revision, UpkeepError> {
        let taken = epochs::listed(self.setup.store.as_ref())?;
        while taken.contains(&at) {
            at.revision = at.revision.saturating_add(1);
        }
        Ok(at)
    }

    /// Returns what is announced, if the key may change it.
    fn changeable(&self) -> Result<&Announcement, UpkeepError> {
        self.key.require(Role::Read)?;
        self.announcement().ok_or(OperatorsError::Unrecorded.into())
    }

    /// Seals the epoch anew to other operators.
    fn reseal(
        &self,
        newest: &Announcement,
        operators: Vec<Operator>,
        identities: &[Identity],
    ) -> Result<Change, UpkeepError> {
        let key = self.whole_key()?;
        // Without the key of the epoch, nobody could open what is sealed to it any more.
        key.epoch(newest.epoch)?;
        let last = Revision::of(&Name::new(newest.epoch_object.clone())?);
        let at = self.free_revision(Revision {
            epoch: newest.epoch,
            revision: last.map_or(0, |last| last.revision.saturating_add(1)),
        })?;
        let announcement = Announcement {
            announcement: self.announced.next,
            made: self.setup.clock.now(),
            epoch_object: at.name().to_string(),
            operators,
            ..newest.clone()
        };
        self.change(key, at, announcement, 0, identities)
    }

    /// Returns the read key as epochs hold it, with the root's private half.
    fn whole_key(&self) -> Result<KeyFile, UpkeepError> {
        let root = self.key.root()?;
        let mut key = self.key.clone();
        key.holdfast_key = file::VERSION;
        key.root_key = Some(Secret::from_key_bytes(root.to_bytes()));
        if let Some(keys) = &mut key.write {
            (keys.signing_key, keys.certificate) = (None, None);
        }
        Ok(key)
    }

    fn change(
        &self,
        key: KeyFile,
        at: Revision,
        announcement: Announcement,
        unread: u64,
        identities: &[Identity],
    ) -> Result<Change, UpkeepError> {
        let announcement = publish(&self.setup, &key, at, announcement, identities)?;
        let kept = self.clear_older(&key, &announcement)?;
        Ok(Change {
            announcement,
            kept,
            unread,
        })
    }

    /// Removes what the announcement has made superfluous; returns what stays, and why.
    fn clear_older(
        &self,
        key: &KeyFile,
        announcement: &Announcement,
    ) -> Result<Vec<(String, String)>, UpkeepError> {
        let store = self.setup.store.as_ref();
        let mut superfluous = Vec::new();
        for revision in epochs::listed(store)? {
            let name = revision.name();
            // One whose key is not in the new object may be the only one that holds it.
            if name.as_str() != announcement.epoch_object && key.epoch(revision.epoch).is_ok() {
                superfluous.push(name);
            }
        }
        let before = self.announcement().map(|newest| &newest.operators);
        for operator in before.into_iter().flatten() {
            if let Some(object) = &operator.passphrase
                && !announcement
                    .operators
                    .iter()
                    .any(|one| one.passphrase == operator.passphrase)
            {
                superfluous.push(Name::new(object.clone())?);
            }
        }
        let spares = superfluous.iter().map(spare_name);
        let mut names = spares.collect::<Result<Vec<_>, _>>()?;
        names.append(&mut superfluous);
        // A damaged one may be whole enough for whoever could open it.
        let aside = store.list(&format!("{QUARANTINE}/epochs"))?;
        names.extend(aside.into_iter().map(|object| object.name));
        let mut kept = Vec::new();
        for name in names {
            if let Err(error) = store.delete(&name) {
                kept.push((name.to_string(), join_causes(&error)));
            }
        }
        Ok(kept)
    }

    /// Adds what is to be revoked to what is already.
    fn revocations(&self, hosts: &[String]) -> Result<(Vec<Revocation>, u64), UpkeepError> {
        let before = self.announcement().map(|newest| newest.revoked.clone());
        let mut revoked = before.unwrap_or_default();
        if hosts.is_empty() {
            return Ok((revoked, 0));
        }
        let (mut signed, mut unread) = (Vec::new(), 0);
        for object in self.setup.store.list(SNAPSHOTS)? {
            let Ok(id) = object.name.last().parse::<SnapshotId>() else {
                continue;
            };
            match self.snapshot(&id) {
                Ok(root) => signed.push((id, root.author)),
                Err(SnapshotError::NoSnapshot { .. }) => {}
                Err(_) => unread += 1,
            }
        }
        for host in hosts {
            let is_theirs =
                |author: &Author| matches!(author, Author::Host { name, .. } if name == host);
            let theirs = signed.iter().filter(|(_, author)| is_theirs(author));
            revoked.push(Revocation {
                host: host.clone(),
                when: self.setup.clock.now(),
                snapshots: theirs.map(|(id, _)| *id).collect(),
            });
        }
        Ok((revoked, unread))
    }
}
