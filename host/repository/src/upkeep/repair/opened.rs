//! Reads a pack without the index: its table from its end, and frame after frame what still comes back.
//!
//! The end of a pack before sealing is found by trying: the format pads every pack to a round length, so
//! that few ends are possible, and only at the right one is there a table. Nothing of it depends on the
//! cipher, and damage elsewhere in the pack does not matter.

use crate::format::FormatError;
use crate::format::pack::FrameError;
use crate::format::pack::{Frame, decode_table, padding_quantum, table_length};
use crate::format::segment::{IndexedPack, PackKind};
use crate::ground::seal::{Identity, SealError, SealedBytes, open_range};
use crate::objects::damage::means_damage;
use crate::objects::error::ObjectError;
use crate::objects::stored::{Heads, StoredObject};
use crate::pipeline::compress::{Expander, FrameBytes, verify};
use crate::repository::Repository;
use holdfast_base::id::PackId;
use holdfast_store::Name;
use std::sync::Arc;

/// What sealing may add: so much, and a 64th of the length.
const SEALED_MORE: u64 = 4 << 10;
/// Longest table that is read. No writer makes a twentieth of it.
const TABLE_MAX: usize = 64 << 20;

/// A pack that can be opened.
pub(super) struct OpenedPack<'a> {
    repository: &'a Repository,
    sealed: Arc<StoredObject>,
    identity: [Identity; 1],
    is_catalog: bool,
    /// The epoch that it is sealed to; zero for the catalog.
    pub(super) epoch: u32,
}

impl<'a> OpenedPack<'a> {
    /// Opens an object of the store as a pack, with whatever key fits; none if no key does.
    ///
    /// # Errors
    /// It is missing or damaged at its beginning, or the store failed.
    pub(super) fn open_object(
        repository: &'a Repository,
        object: &Name,
    ) -> Result<Option<Self>, ObjectError> {
        let store = &repository.setup.store;
        let sealed = Arc::new(StoredObject::open(
            store,
            object.clone(),
            &Heads::default(),
            0,
        )?);
        let epochs = repository.key.read.iter().flatten();
        let epochs = epochs.map(|epoch| (epoch.epoch, Identity::Key(epoch.identity.clone())));
        let [catalog] = repository.catalog_identity();
        let mut damage = None;
        for (epoch, identity) in std::iter::once((0, catalog)).chain(epochs) {
            let opened = Self {
                repository,
                sealed: Arc::clone(&sealed),
                identity: [identity],
                is_catalog: epoch == 0,
                epoch,
            };
            match opened.read_range(0, 1) {
                Ok(_) => return Ok(Some(opened)),
                Err(ObjectError::Seal(SealError::WrongKey)) => {}
                // Only its first bytes may be damaged.
                Err(error) if means_damage(&error) => match opened.read_table() {
                    Ok(_) => return Ok(Some(opened)),
                    Err(again) if means_damage(&again) => damage = Some(error),
                    Err(again) => return Err(again),
                },
                Err(error) => return Err(error),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    fn read_range(&self, offset: u64, length: usize) -> Result<Vec<u8>, ObjectError> {
        let sealer = self.repository.setup.sealer.as_ref();
        let sealed = Arc::clone(&self.sealed) as Arc<dyn SealedBytes>;
        Ok(open_range(sealer, &self.identity, sealed, offset, length)?)
    }

    /// Finds the table at its end.
    ///
    /// # Errors
    /// There is none that can be read.
    pub(super) fn read_table(&self) -> Result<Vec<Frame>, ObjectError> {
        let most = self.sealed.size();
        let least = most.saturating_sub(most / 64 + SEALED_MORE);
        let mut failure = ObjectError::from(FormatError::Short { what: "pack" });
        let mut end = most;
        while end > least {
            let quantum = padding_quantum(end);
            end -= end % quantum;
            if end < 16 {
                break;
            }
            match self.table_at(end) {
                Ok(frames) => return Ok(frames),
                Err(error) if means_damage(&error) => failure = error,
                Err(error) => return Err(error),
            }
            end -= 1;
        }
        Err(failure)
    }

    fn table_at(&self, end: u64) -> Result<Vec<Frame>, ObjectError> {
        let last = self.read_range(end - 4, 4)?;
        let last = *last.first_chunk::<4>().ok_or(FrameError::Length)?;
        let length = table_length(last, end)?;
        if length > TABLE_MAX {
            return Err(FrameError::Length.into());
        }
        Ok(decode_table(
            &self.read_range(end - length as u64, length)?,
        )?)
    }

    /// Returns a frame as it is stored, if every chunk in it is what its name says.
    ///
    /// # Errors
    /// It is damaged, or the store failed.
    pub(super) fn read_frame(
        &self,
        frame: &Frame,
        kind: PackKind,
        expander: &mut Expander,
    ) -> Result<FrameBytes, ObjectError> {
        let bytes = self.read_range(u64::from(frame.offset), frame.length as usize)?;
        let plain = expander.expand(&bytes, frame.expanded)?;
        if let Some(key) = &self.repository.id_key {
            verify(key, kind.domains(), plain, &frame.parts)?;
        }
        Ok(FrameBytes {
            bytes,
            expanded: frame.expanded,
            parts: frame.parts.clone(),
        })
    }

    /// Says what kind of pack it is, going by the first frame that comes back.
    pub(super) fn guess_kind(&self, frames: &[Frame]) -> Result<PackKind, ObjectError> {
        if self.is_catalog {
            return Ok(PackKind::Catalog);
        }
        let mut expander = Expander::new()?;
        for kind in [PackKind::Content, PackKind::Items] {
            for frame in frames {
                match self.read_frame(frame, kind, &mut expander) {
                    Ok(_) => return Ok(kind),
                    Err(error) if means_damage(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        // Nothing in it comes back, so that nobody will ask.
        Ok(PackKind::Content)
    }

    /// Describes it as a segment would.
    ///
    /// # Errors
    /// Its table cannot be read.
    pub(super) fn listed(&self, id: PackId) -> Result<IndexedPack, ObjectError> {
        let frames = self.read_table()?;
        Ok(IndexedPack {
            id,
            kind: self.guess_kind(&frames)?,
            epoch: self.epoch,
            sealed_bytes: self.sealed.size(),
            frames,
        })
    }
}
