//! Writes down who can open a repository: epoch objects for them, and the announcement that makes these count.

use crate::format::announcement::{Announcement, Operator};
use crate::ground::seal::{Identity, Recipient};
use crate::ground::setup::Setup;
use crate::keys::KeyFile;
use crate::objects::announcements::{self, free_number};
use crate::objects::epochs::{self, Revision};
use crate::objects::error::ObjectError;

/// Writes down who was named: what passphrases open is made here.
///
/// # Errors
/// Sealing or storing failed.
pub(crate) fn named(setup: &Setup, recipients: &[Recipient]) -> Result<Vec<Operator>, ObjectError> {
    let one = |recipient: &Recipient| {
        let added = setup.clock.now();
        Ok(match recipient {
            Recipient::PublicKey(text) => Operator {
                recipient: text.clone(),
                passphrase: None,
                passphrase_hash: None,
                added,
            },
            Recipient::Passphrase(passphrase) => {
                let (store, sealer) = (setup.store.as_ref(), setup.sealer.as_ref());
                let made = epochs::create_identity(store, sealer, passphrase)?;
                Operator {
                    recipient: made.recipient,
                    passphrase: Some(made.object.to_string()),
                    passphrase_hash: Some(made.hash),
                    added,
                }
            }
        })
    };
    recipients.iter().map(one).collect()
}

/// Makes the first epoch and announces it.
///
/// # Errors
/// Somebody else makes a repository at the same moment, or sealing or storing failed.
pub(crate) fn begin(
    setup: &Setup,
    key: &KeyFile,
    at: Revision,
    operators: Vec<Operator>,
) -> Result<(), ObjectError> {
    let taken = announcements::numbers(setup.store.as_ref())?;
    let announcement = Announcement {
        announcement: free_number(&taken, 0),
        repository: key.repository,
        made: setup.clock.now(),
        epoch: at.epoch,
        epoch_recipient: key.writing()?.epoch_recipient.clone(),
        epoch_object: at.name().to_string(),
        epoch_hash: None,
        operators,
        revoked: Vec::new(),
    };
    publish(setup, key, at, announcement, &[]).map(drop)
}

/// Stores an epoch object, and then announces it; returns what is announced.
///
/// # Errors
/// Another operator was first, or sealing or storing failed.
pub(crate) fn publish(
    setup: &Setup,
    key: &KeyFile,
    at: Revision,
    mut announcement: Announcement,
    identities: &[Identity],
) -> Result<Announcement, ObjectError> {
    let (store, sealer) = (setup.store.as_ref(), setup.sealer.as_ref());
    let public = |operator: &Operator| Recipient::PublicKey(operator.recipient.clone());
    let recipients: Vec<_> = announcement.operators.iter().map(public).collect();
    let hash = epochs::create(store, sealer, at, key, &recipients, identities)?;
    announcement.epoch_hash = Some(hash);
    announcements::create(setup, key, &announcement)?;
    Ok(announcement)
}
