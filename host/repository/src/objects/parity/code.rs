//! Makes parity of a pack, and a pack of what is left of both.
//!
//! Memory: one column at a time, which is at most a thousand cells of 64 KiB; and while a pack is
//! mended, the cells that were lost.

use crate::format::FormatError;
use crate::format::parity::{Cut, HEAD_MAX, Head, MAGIC, Shape, sum};
use crate::ground::names::{pack_name, parity_name};
use crate::objects::error::{IoStep, ObjectError};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::PackId;
use holdfast_store::{Name, Placement, Store, StoreError};
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};
use std::collections::BTreeMap;
use std::io::Write;

fn coded(error: reed_solomon_simd::Error) -> ObjectError {
    ObjectError::ParityCode(error)
}

fn io(error: std::io::Error) -> ObjectError {
    IoStep::WriteParity.failed()(error)
}

/// Writes the parity of a pack that is in the store, unless there is some.
///
/// # Errors
/// The store failed.
pub fn write(store: &dyn Store, pack: &PackId, shape: Shape) -> Result<(), ObjectError> {
    let (name, parity) = (pack_name(pack), parity_name(pack));
    if store.size(&parity).is_ok() {
        return Ok(());
    }
    let cut = Cut::for_pack(store.size(&name)?, shape);
    let (data, extra) = (shape.data, shape.parity);
    let mut sums = Vec::new();
    let mut encoder =
        ReedSolomonEncoder::new(data.into(), extra.into(), cut.cell as usize).map_err(coded)?;
    let mut upload = store.upload(Placement::Standard)?;
    for column in 0..cut.columns() {
        for shard in 0..data {
            let cell = cell(store, &name, &cut, column, shard)?;
            sums.push(sum(&cell));
            encoder.add_original_shard(&cell).map_err(coded)?;
        }
        let encoded = encoder.encode().map_err(coded)?;
        for cell in encoded.recovery_iter() {
            sums.push(sum(cell));
            upload.write_all(cell).map_err(io)?;
        }
    }
    let pack = *pack;
    let head = Head { pack, cut, sums }.encode();
    // Twice: without it the rest is worth nothing.
    upload.write_all(&head).map_err(io)?;
    upload.write_all(&head).map_err(io)?;
    upload.commit(&parity)?;
    Ok(())
}

/// Reads a cell of a pack, filled up with zeros past its end.
fn cell(
    store: &dyn Store,
    object: &Name,
    cut: &Cut,
    column: u64,
    shard: u16,
) -> Result<Vec<u8>, StoreError> {
    let (begin, length) = cut.locate_cell(column, shard);
    let mut cell = match length {
        0 => Vec::new(),
        _ => store.get_range(object, begin, length)?,
    };
    cell.resize(cut.cell as usize, 0);
    Ok(cell)
}

/// Reads the head of a pack's parity: the first of the two that is sound.
fn head(store: &dyn Store, pack: &PackId) -> Result<Head, ObjectError> {
    let name = parity_name(pack);
    let size = store.size(&name)?;
    let length = size.min(2 * HEAD_MAX as u64) as usize;
    let end = store.get_range(&name, size - length as u64, length)?;
    let mut failure = FormatError::Short { what: "parity" };
    let mut places = end.windows(MAGIC.len()).enumerate();
    while let Some((at, _)) = places.find(|(_, window)| *window == MAGIC) {
        match Head::decode(&end[at..]) {
            Ok(head) if head.pack == *pack => return Ok(head),
            Ok(_) => failure = FormatError::invalid("parity", "it is of another pack"),
            Err(error) => failure = error,
        }
    }
    Err(ObjectError::from(failure).in_object(name.as_str()))
}

/// Checks that the parity of a pack is as it was written.
///
/// # Errors
/// It is missing or damaged, or the store failed.
pub fn check(store: &dyn Store, pack: &PackId) -> Result<(), ObjectError> {
    let name = parity_name(pack);
    let head = head(store, pack)?;
    let damaged =
        |detail| ObjectError::from(FormatError::invalid("parity", detail)).in_object(name.as_str());
    let twice = head.encode().repeat(2);
    let at = head.cut.parity_place(head.cut.columns(), 0);
    if store.size(&name)? != at + twice.len() as u64
        || store.get_range(&name, at, twice.len())? != twice
    {
        return Err(damaged("one of its heads is not as it was written"));
    }
    for column in 0..head.cut.columns() {
        for extra in 0..head.cut.shape.parity {
            if parity_cell(store, &name, &head, column, extra)?.is_none() {
                return Err(damaged("a cell is not as it was written"));
            }
        }
    }
    Ok(())
}

/// Reads a parity cell; none if it is lost.
fn parity_cell(
    store: &dyn Store,
    name: &Name,
    head: &Head,
    column: u64,
    extra: u16,
) -> Result<Option<Vec<u8>>, ObjectError> {
    let at = head.cut.parity_place(column, extra);
    let cell = readable(store.get_range(name, at, head.cut.cell as usize))?;
    let wanted = head.sum(column, head.cut.shape.data + extra);
    Ok(cell.filter(|cell| Some(&sum(cell)) == wanted))
}

/// Takes bytes that a medium does not give back for lost; a store that does not answer is an error.
fn readable(read: Result<Vec<u8>, StoreError>) -> Result<Option<Vec<u8>>, ObjectError> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Failed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What mending a pack came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    /// What was written is the pack, byte for byte.
    Whole {
        /// Cells that had been lost.
        cells: u64,
    },
    /// More is lost than the parity mends: what was written is worth nothing.
    TooMuch {
        /// Cells that are lost.
        cells: u64,
    },
}

/// Writes a pack as it was, from what is left of it in an object and from its parity.
///
/// # Errors
/// There is no parity that can be read, the store failed, or writing did.
pub fn mend(
    store: &dyn Store,
    pack: &PackId,
    left: &Name,
    to: &mut dyn Write,
) -> Result<Mended, ObjectError> {
    let head = head(store, pack)?;
    let cut = head.cut;
    let mut lost = 0;
    let mut restored = BTreeMap::new();
    let mut is_lost_for_good = false;
    for column in 0..cut.columns() {
        let (cells, back) = mend_column(store, &head, left, column)?;
        lost += cells;
        is_lost_for_good |= cells > back.len() as u64;
        restored.extend(back);
    }
    if is_lost_for_good {
        return Ok(Mended::TooMuch { cells: lost });
    }
    let mut hash = blake3::Hasher::new();
    for shard in 0..cut.shape.data {
        for column in 0..cut.columns() {
            let (begin, length) = cut.locate_cell(column, shard);
            let mended = restored.remove(&(column, shard));
            let bytes = match mended {
                _ if length == 0 => continue,
                Some(mended) => mended,
                None => store.get_range(left, begin, length)?,
            };
            hash.update(&bytes[..length]);
            to.write_all(&bytes[..length])
                .map_err(IoStep::WriteMended.failed())?;
        }
    }
    if hash.finalize() == pack.0 {
        Ok(Mended::Whole { cells: lost })
    } else {
        Ok(Mended::TooMuch { cells: lost })
    }
}

/// Cells that were restored, by column and shard.
type Restored = BTreeMap<(u64, u16), Vec<u8>>;

/// Returns how many cells of a column are lost, and those that come back.
fn mend_column(
    store: &dyn Store,
    head: &Head,
    left: &Name,
    column: u64,
) -> Result<(u64, Restored), ObjectError> {
    let cut = &head.cut;
    let (data, extra) = (cut.shape.data, cut.shape.parity);
    let mut sound = Vec::new();
    for shard in 0..data {
        let cell = readable(cell(store, left, cut, column, shard))?;
        if let Some(cell) = cell.filter(|cell| Some(&sum(cell)) == head.sum(column, shard)) {
            sound.push((shard, cell));
        }
    }
    let lost = usize::from(data) - sound.len();
    if lost == 0 {
        return Ok((0, Restored::new()));
    }
    let name = parity_name(&head.pack);
    let mut parity = Vec::new();
    for extra in 0..extra {
        if parity.len() < lost
            && let Some(cell) = parity_cell(store, &name, head, column, extra)?
        {
            parity.push((extra, cell));
        }
    }
    if parity.len() < lost {
        return Ok((lost as u64, Restored::new()));
    }
    let mut decoder =
        ReedSolomonDecoder::new(data.into(), extra.into(), cut.cell as usize).map_err(coded)?;
    for (shard, cell) in &sound {
        decoder
            .add_original_shard((*shard).into(), cell)
            .map_err(coded)?;
    }
    for (extra, cell) in &parity {
        decoder
            .add_recovery_shard((*extra).into(), cell)
            .map_err(coded)?;
    }
    let decoded = decoder.decode().map_err(coded)?;
    let back = decoded.restored_original_iter();
    let back = back.map(|(shard, cell)| ((column, shard as u16), cell.to_vec()));
    Ok((lost as u64, back.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::error::ObjectFault;
    use holdfast_store::local::LocalStore;

    struct Place {
        _directory: tempfile::TempDir,
        store: LocalStore,
        root: std::path::PathBuf,
        pack: PackId,
        bytes: Vec<u8>,
    }

    fn place(length: usize, shape: &str) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let store = LocalStore::new(root.clone());
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        let pack = PackId(*blake3::hash(&bytes).as_bytes());
        let attempts = holdfast_store::Attempts::Repeated;
        store.create(&pack_name(&pack), &bytes, attempts).unwrap();
        write(&store, &pack, shape.parse().unwrap()).unwrap();
        Place {
            _directory: directory,
            store,
            root,
            pack,
            bytes,
        }
    }

    impl Place {
        /// Changes the pack, and returns what mending makes of it.
        fn mended(&self, change: impl FnOnce(&mut Vec<u8>)) -> (Mended, Vec<u8>) {
            let name = pack_name(&self.pack);
            let mut bytes = self.bytes.clone();
            change(&mut bytes);
            std::fs::write(self.root.join(name.as_str()), bytes).unwrap();
            let mut to = Vec::new();
            (mend(&self.store, &self.pack, &name, &mut to).unwrap(), to)
        }

        fn damage_parity(&self, change: impl FnOnce(&mut Vec<u8>)) {
            let path = self.root.join(parity_name(&self.pack).as_str());
            let mut bytes = std::fs::read(&path).unwrap();
            change(&mut bytes);
            std::fs::write(path, bytes).unwrap();
        }
    }

    #[test]
    fn a_gap_of_the_configured_share_is_mended_wherever_it_lies_and_a_larger_one_is_not() {
        for length in [1, 700, 64_000, 700_001] {
            let place = place(length, "10%");
            let gap = length / 11;
            for begin in [0, length / 3, length - gap] {
                let (mended, bytes) = place.mended(|pack| pack[begin..begin + gap].fill(0xee));
                assert!(
                    matches!(mended, Mended::Whole { .. }),
                    "{length} {begin}: {mended:?}"
                );
                assert!(bytes == place.bytes, "{length} {begin}");
            }
            // A pack of few cells has no more of them than there are parity cells.
            let is_mended = length <= 10 * 64;
            let (mended, _) = place.mended(|pack| pack.iter_mut().for_each(|byte| *byte ^= 0xff));
            let whole = matches!(mended, Mended::Whole { .. });
            assert_eq!(whole, is_mended, "{length}");
        }
    }

    #[test]
    fn a_pack_that_was_cut_or_grew_is_mended() {
        let place = place(300_000, "20+2");
        let (mended, bytes) = place.mended(|pack| pack.truncate(280_000));
        assert!(matches!(mended, Mended::Whole { cells } if cells > 0));
        assert!(bytes == place.bytes);
        let (mended, bytes) = place.mended(|pack| pack.extend([1, 2, 3]));
        assert_eq!(mended, Mended::Whole { cells: 0 });
        assert!(bytes == place.bytes);
    }

    #[test]
    fn parity_that_is_damaged_itself_mends_what_it_still_can_and_nothing_wrongly() {
        let place = place(300_000, "20+2");
        check(&place.store, &place.pack).unwrap();
        // One of two cells of each column: one lost cell of the pack comes back, two do not.
        place.damage_parity(|parity| parity[0] ^= 1);
        assert!(check(&place.store, &place.pack).unwrap_err().is_damage());
        let (mended, bytes) = place.mended(|pack| pack[0] ^= 1);
        assert_eq!(mended, Mended::Whole { cells: 1 });
        assert!(bytes == place.bytes);
        let (mended, _) = place.mended(|pack| pack[..30_000].fill(0));
        assert!(matches!(mended, Mended::TooMuch { .. }));
        place.damage_parity(|parity| parity[0] ^= 1);
        check(&place.store, &place.pack).unwrap();
        // The first head: the second is as good, and a check tells.
        place.damage_parity(|parity| {
            let at = parity.windows(16).position(|w| w == MAGIC).unwrap();
            parity[at + 30] ^= 1;
        });
        assert!(check(&place.store, &place.pack).is_err());
        let (mended, bytes) = place.mended(|pack| pack[40_000] ^= 1);
        assert_eq!(mended, Mended::Whole { cells: 1 });
        assert!(bytes == place.bytes);
    }
}
