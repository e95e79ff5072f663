//! Parity beside packs, as a repair tends it: what is damaged goes, what is missing is added.

use crate::ground::names::{PARITY, pack_name, parity_name};
use crate::objects::damage::means_damage;
use crate::objects::error::ensure_not_cancelled;
use crate::objects::parity::{self, Shape};
use crate::upkeep::UpkeepError;
use crate::upkeep::repair::aside::{hash_object, remove};
use crate::upkeep::repair::{What, Work};
use holdfast_base::cancel::Cancel;
use holdfast_base::id::PackId;
use std::collections::BTreeSet;

impl Work<'_> {
    /// Removes parity that is worth nothing, and adds it if the store is to have it.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn tend_parity(
        &mut self,
        shape: Option<Shape>,
        cancel: &Cancel,
    ) -> Result<(), UpkeepError> {
        let mut there: BTreeSet<PackId> = self.repository.listed_ids(PARITY)?;
        for pack in self.survey.damaged_parity.clone() {
            match parity::check(self.store(), &pack) {
                Ok(()) => continue,
                Err(error) if means_damage(&error) => {}
                Err(error) => return Err(error.into()),
            }
            let name = parity_name(&pack);
            let kept = if self.is_dry {
                None
            } else {
                remove(self.store(), &name)?
            };
            match kept {
                Some(why) => self.record_action(What::Kept, name.to_string(), why),
                None => {
                    there.remove(&pack);
                    self.record_action(What::Removed, name.to_string(), "its pack is sound".into());
                }
            }
        }
        let Some(shape) = shape else { return Ok(()) };
        let packs: BTreeSet<PackId> = self.survey.packs.keys().copied().collect();
        for pack in packs.difference(&there) {
            ensure_not_cancelled(cancel)?;
            self.protect(pack, shape)?;
        }
        Ok(())
    }

    /// Adds parity to a pack, if that is as it should be: of a damaged one it would be worth nothing.
    fn protect(&mut self, pack: &PackId, shape: Shape) -> Result<(), UpkeepError> {
        let name = pack_name(pack);
        let size = match self.store().size(&name) {
            Ok(size) => size,
            Err(error) if error.is_absent() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match hash_object(self.store(), &name, size) {
            Ok(found) if found == pack.0 => {}
            Ok(_) => return Ok(()),
            Err(error) if means_damage(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        if !self.is_dry {
            parity::write(self.store(), pack, shape)?;
            parity::check(self.store(), pack)?;
        }
        self.record_action(What::Protected, name.to_string(), format!("parity {shape}"));
        Ok(())
    }
}
