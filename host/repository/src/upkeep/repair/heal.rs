//! Healing: a pack comes back byte for byte, from a second repository or by its parity.
//!
//! Whatever it comes from need not be trusted: what is written has the hash that is the pack's name, or
//! it is not stored. Only then does the damaged object leave its place, and its copy in the quarantine
//! is looked at as the pack itself, should a crash come between the two.

use crate::ground::names::{QUARANTINE, pack_name, parity_name};
use crate::objects::damage::means_damage;
use crate::objects::error::{IoStep, ObjectError};
use crate::objects::parity::{self, Mended};
use crate::upkeep::UpkeepError;
use crate::upkeep::repair::aside::{Aside, hash_object, pieces, set_aside};
use crate::upkeep::repair::{What, Work};
use holdfast_base::id::PackId;
use holdfast_store::{Name, Placement, Store, Upload};
use std::io::{self, Write};

impl Work<'_> {
    /// Heals a pack, if something is there that heals it; returns whether it is whole now.
    ///
    /// # Errors
    /// The store failed. The pack is in its place as it was, in the quarantine, or healed.
    pub(super) fn heal_pack(&mut self, pack: &PackId) -> Result<bool, UpkeepError> {
        let name = pack_name(pack);
        let mut upload: Box<dyn Upload> = if self.is_dry {
            Box::new(Nowhere)
        } else {
            self.store().upload(Placement::Standard)?
        };
        let Some(from) = self.write_whole(pack, &name, upload.as_mut())? else {
            return Ok(false);
        };
        if self.is_dry {
            self.record_action(What::Healed, name.to_string(), from);
            return Ok(true);
        }
        if let Aside::Stays(why) = set_aside(self.store(), &name)? {
            self.record_action(What::Kept, name.to_string(), why);
            return Ok(false);
        }
        upload.commit(&name)?;
        let size = self.store().size(&name)?;
        if hash_object(self.store(), &name, size)? != pack.0 {
            return Err(ObjectError::ContentMismatch.read_back_failed(&name).into());
        }
        self.record_action(What::Healed, name.to_string(), from);
        Ok(true)
    }

    /// Writes a pack again from a place that has it whole, and names that place. Nothing is written unless it is.
    fn write_whole(
        &self,
        pack: &PackId,
        name: &Name,
        to: &mut dyn Write,
    ) -> Result<Option<String>, UpkeepError> {
        for other in self.strays(pack, name)? {
            if write_if_sound(self.store(), &other, pack, to)? {
                return Ok(Some(format!("from {other}, where it lies")));
            }
        }
        if let Some(second) = self.second
            && second.write_pack(pack, to)?
        {
            return Ok(Some(format!("from {}", second.describe_place())));
        }
        let cells = self.by_parity(pack, name, to)?;
        Ok(cells.map(|cells| format!("{cells} lost cells by its parity")))
    }

    /// Writes a pack as its parity mends it, from what is in its place or in the quarantine.
    fn by_parity(
        &self,
        pack: &PackId,
        name: &Name,
        to: &mut dyn Write,
    ) -> Result<Option<u64>, UpkeepError> {
        let store = self.store();
        match store.size(&parity_name(pack)) {
            Ok(_) => {}
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        for left in self.remains(name)? {
            // Nothing is written over the damaged object unless it is whole.
            let tried = match parity::mend(store, pack, &left, &mut io::sink()) {
                Ok(tried) => tried,
                Err(error) if means_damage(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Mended::Whole { cells } = tried {
                if parity::mend(store, pack, &left, to)? != tried {
                    return Err(unsteady(name));
                }
                return Ok(Some(cells));
            }
        }
        Ok(None)
    }

    /// Returns the objects that may be this pack under another name: one in the quarantine that has its
    /// hash, and damaged ones of its length.
    fn strays(&self, pack: &PackId, name: &Name) -> Result<Vec<Name>, UpkeepError> {
        let hash = format!("-{}", &pack.to_string()[..16]);
        let aside = self.store().list(QUARANTINE)?;
        let aside = aside.into_iter().map(|listed| listed.name);
        let mut strays: Vec<Name> = aside.filter(|copy| copy.as_str().contains(&hash)).collect();
        let length = self.survey.packs.get(pack).map(|pack| pack.sealed_bytes);
        for other in &self.survey.suspect_packs {
            let other = pack_name(other);
            if other != *name && self.store().size(&other).ok() == length && length.is_some() {
                strays.push(other);
            }
        }
        Ok(strays)
    }

    /// Returns the objects that are left of a pack: itself, and its copies in the quarantine.
    pub(super) fn remains(&self, name: &Name) -> Result<Vec<Name>, UpkeepError> {
        let mut remains = vec![name.clone()];
        let prefix = format!("{QUARANTINE}/{name}-");
        let aside = self.store().list(QUARANTINE)?;
        let copies = aside.into_iter().map(|listed| listed.name);
        remains.extend(copies.filter(|copy| copy.as_str().starts_with(&prefix)));
        Ok(remains)
    }
}

/// Takes what a dry repair would store.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Nowhere {
    fn commit(
        self: Box<Self>,
        _: &Name,
    ) -> Result<holdfast_store::Created, holdfast_store::StoreError> {
        Ok(holdfast_store::Created::Existed)
    }
}

/// Writes an object if it has the hash of a pack; returns whether it has. Otherwise nothing is written.
pub(super) fn write_if_sound(
    store: &dyn Store,
    name: &Name,
    wanted: &PackId,
    to: &mut dyn Write,
) -> Result<bool, UpkeepError> {
    let size = match store.size(name) {
        Ok(size) => size,
        Err(error) if error.is_absent() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    match hash_object(store, name, size) {
        Ok(found) if found == wanted.0 => {}
        Ok(_) => return Ok(false),
        Err(error) if means_damage(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    let mut hasher = blake3::Hasher::new();
    pieces(store, name, size, &mut |piece| {
        hasher.update(piece);
        Ok(to.write_all(piece).map_err(IoStep::WriteHealed.failed())?)
    })?;
    if hasher.finalize() == wanted.0 {
        Ok(true)
    } else {
        Err(unsteady(name))
    }
}

fn unsteady(name: &Name) -> UpkeepError {
    let object = name.clone();
    UpkeepError::Unsteady { object }
}
