//! Reads back what a run writes: nothing is listed that was not read.
//!
//! - The encryptor shows on a throwaway key that what it seals can be opened again, before it is
//!   believed with anything.
//! - A pack that the run's key opens is opened again as the store has it: a catalog's always, content
//!   if the run holds a reading key. What lies in a cold class gives nothing back, and is believed.

use crate::format::segment::IndexedPack;
use crate::ground::names::pack_name;
use crate::ground::seal::{Identity, Recipient, SealError, Sealer, open_bytes, seal_bytes};
use crate::objects::error::{ObjectError, ObjectFault};
use crate::read::pack_check::PackCheck;
use crate::repository::Repository;
use std::sync::Arc;

/// Opens stored packs again, unless that is switched off.
pub(crate) struct ReadBack(Option<PackCheck>);

impl ReadBack {
    pub(crate) fn new(repository: &Arc<Repository>, is_wanted: bool) -> Self {
        Self(is_wanted.then(|| PackCheck::new(repository)))
    }

    /// Opens a stored pack again, if the key can.
    ///
    /// # Errors
    /// It does not come back as it was.
    pub(crate) fn check_stored(&self, pack: &Arc<IndexedPack>) -> Result<(), ObjectError> {
        match &self.0 {
            Some(check) if check.can_open(pack) => {
                let name = pack_name(&pack.id);
                match check.check_pack(pack) {
                    Ok(_) => Ok(()),
                    // Its class is one that gives nothing back at once.
                    Err(error) if error.is_cold() => Ok(()),
                    Err(error) => Err(error.read_back_failed(&name)),
                }
            }
            _ => Ok(()),
        }
    }
}

/// Lets the encryptor show on a throwaway key that what it seals can be opened again.
pub(crate) fn prove_encryptor(sealer: &dyn Sealer) -> Result<(), ObjectError> {
    const SAMPLE: &[u8] = b"what is sealed can be opened";
    let pair = sealer.generate()?;
    let sealed = seal_bytes(
        sealer,
        &[Recipient::PublicKey(pair.public_key)],
        SAMPLE.to_vec(),
    )?;
    let opened = open_bytes(sealer, &[Identity::Key(pair.identity)], sealed.clone())?;
    if opened == SAMPLE && !sealed.windows(SAMPLE.len()).any(|window| window == SAMPLE) {
        return Ok(());
    }
    Err(SealError::Encryptor {
        detail: "what it sealed does not open again".into(),
    }
    .into())
}
