//! Parity objects: how much of a pack may be lost, and what shows which parts are.
//!
//! A pack is cut into as many *shards* as the shape says, one after the other, and each shard into
//! *cells*. Cells at the same place of all shards make a *column*, to which parity cells are added. So
//! each column mends as many lost cells as it has parity cells, and a gap of that many whole shards
//! costs no column more than that.

use crate::format::FormatError;
use crate::format::wire::{Wire, put_u64};
use holdfast_base::id::PackId;
use std::fmt;
use std::str::FromStr;

/// Bytes of a checksum: enough against accidents. What is mended is checked by the pack's name.
pub const SUM_BYTES: usize = 16;
/// Largest cell: what is lost with one bad sector.
const CELL_MAX: u64 = 64 << 10;
/// Lengths of cells are multiples of this, as the code wants them.
const CELL_UNIT: u64 = 64;
/// Most shards of both kinds in one column.
const SHARDS_MAX: u16 = 1_000;
/// Longest head: one of the largest pack that there can be has a quarter of it.
pub const HEAD_MAX: usize = 16 << 20;
/// What a head begins with.
pub const MAGIC: &[u8; 16] = b"holdfast parity\n";
const VERSION: u64 = 1;
const WHAT: &str = "parity";

/// How much parity there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Shards that a pack is cut into.
    pub data: u16,
    /// Shards of parity that are added.
    pub parity: u16,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.data, self.parity)
    }
}

/// Says why a text is no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no parity")]
pub struct ShapeError(String);

impl ShapeError {
    /// What can be written instead.
    pub const HINT: &'static str = "Write a share of 1% to 100%, such as \"10%\", or shards such as \
                                    \"20+2\": 1000 of both at most, of parity no more than of data";
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let number = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse::<u16>().ok()).flatten()
        };
        let shape = match text.split_once('+') {
            Some((data, parity)) => number(data).zip(number(parity)),
            None => text
                .strip_suffix('%')
                .and_then(number)
                .map(|share| (100, share)),
        };
        shape
            .filter(|(data, parity)| {
                *parity >= 1
                    && parity <= data
                    && u32::from(*data) + u32::from(*parity) <= u32::from(SHARDS_MAX)
            })
            .map(|(data, parity)| Self { data, parity })
            .ok_or_else(|| ShapeError(text.to_owned()))
    }
}

/// How a pack is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Its length in bytes.
    pub bytes: u64,
    /// The shards.
    pub shape: Shape,
    /// The length of a cell in bytes.
    pub cell: u32,
}

impl Cut {
    /// Cuts a pack of so many bytes.
    #[must_use]
    pub fn for_pack(bytes: u64, shape: Shape) -> Self {
        let shard = bytes.div_ceil(u64::from(shape.data));
        let cell = shard.next_multiple_of(CELL_UNIT).clamp(CELL_UNIT, CELL_MAX);
        Self {
            bytes,
            shape,
            cell: cell as u32,
        }
    }

    /// Returns how many columns there are.
    #[must_use]
    pub fn columns(&self) -> u64 {
        let row = u64::from(self.cell) * u64::from(self.shape.data);
        self.bytes.div_ceil(row)
    }

    /// Returns the offset of a cell of the pack, and how many bytes of it the pack has: what lies past
    /// its end counts as zeros.
    #[must_use]
    pub fn locate_cell(&self, column: u64, shard: u16) -> (u64, usize) {
        let number = u64::from(shard) * self.columns() + column;
        let begin = number * u64::from(self.cell);
        let left = self.bytes.saturating_sub(begin);
        (begin, left.min(u64::from(self.cell)) as usize)
    }

    /// Returns the offset of a parity cell in its object.
    #[must_use]
    pub fn parity_place(&self, column: u64, shard: u16) -> u64 {
        (column * u64::from(self.shape.parity) + u64::from(shard)) * u64::from(self.cell)
    }
}

/// A checksum.
pub type Sum = [u8; SUM_BYTES];

/// Returns the checksum of a cell.
#[must_use]
pub fn sum(cell: &[u8]) -> Sum {
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&blake3::hash(cell).as_bytes()[..SUM_BYTES]);
    sum
}

/// What a parity object says of itself and of its pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The pack.
    pub pack: PackId,
    /// How it is cut.
    pub cut: Cut,
    /// Checksums of the pack's cells, and then of the parity cells, column by column.
    pub sums: Vec<Sum>,
}

impl Head {
    /// Returns the checksum of a cell of the pack, or, past those, of a parity cell.
    #[must_use]
    pub fn sum(&self, column: u64, shard: u16) -> Option<&Sum> {
        let shape = self.cut.shape;
        let row = u64::from(shape.data) + u64::from(shape.parity);
        self.sums.get((column * row + u64::from(shard)) as usize)
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        put_u64(&mut bytes, VERSION);
        bytes.extend_from_slice(self.pack.as_bytes());
        put_u64(&mut bytes, self.cut.bytes);
        put_u64(&mut bytes, u64::from(self.cut.shape.data));
        put_u64(&mut bytes, u64::from(self.cut.shape.parity));
        put_u64(&mut bytes, u64::from(self.cut.cell));
        bytes.extend(self.sums.iter().flatten());
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// Reads one from its first byte on; more may follow it.
    ///
    /// # Errors
    /// There is none, it is damaged, or it comes from a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut wire = Wire::new(bytes, WHAT);
        if &wire.read_array::<16>()? != MAGIC {
            return Err(wire.invalid("no head"));
        }
        let version = wire.read_u64()?;
        if version > VERSION {
            return Err(FormatError::Newer {
                what: WHAT,
                found: version,
                known: VERSION,
            });
        }
        let pack = PackId(wire.read_array()?);
        let length = wire.read_u64()?;
        let narrow = |wire: &mut Wire<'_>| -> Result<u16, FormatError> {
            u16::try_from(wire.read_u64()?).map_err(|_| wire.invalid("too many shards"))
        };
        let shape = Shape {
            data: narrow(&mut wire)?,
            parity: narrow(&mut wire)?,
        };
        let cell = wire.read_u32()?;
        let shards = u32::from(shape.data) + u32::from(shape.parity);
        let is_shape =
            shape.parity >= 1 && shape.parity <= shape.data && shards <= u32::from(SHARDS_MAX);
        let cut = Cut {
            bytes: length,
            shape,
            cell,
        };
        if !is_shape || cut != Cut::for_pack(length, shape) {
            return Err(wire.invalid("a pack that is cut otherwise"));
        }
        let count = cut.columns().saturating_mul(u64::from(shards));
        if count > (HEAD_MAX / SUM_BYTES) as u64 {
            return Err(wire.invalid("more checksums than there can be"));
        }
        let sums = (0..count)
            .map(|_| wire.read_array())
            .collect::<Result<_, _>>()?;
        let taken = bytes.len() - wire.bytes_left();
        if wire.read_array::<32>()? != *blake3::hash(&bytes[..taken]).as_bytes() {
            return Err(wire.invalid("a head that is not as it was written"));
        }
        Ok(Self { pack, cut, sums })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_or_shards_are_parity_and_nonsense_is_not() {
        let shape = |data, parity| Ok(Shape { data, parity });
        assert_eq!("10%".parse(), shape(100, 10));
        assert_eq!("100%".parse(), shape(100, 100));
        assert_eq!("20+2".parse(), shape(20, 2));
        for bad in [
            "", "%", "0%", "101%", "10", "-5%", "1.5%", "20+0", "0+0", "2+3", "+2", "20+", "999+2",
            "70000+1", " 10%", "20+2+2", "ten", "+5%",
        ] {
            assert!(bad.parse::<Shape>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_byte_of_a_pack_lies_in_one_cell() {
        for bytes in [1_u64, 63, 64, 65, 6_400, 6_401, 700_000, 33 << 20] {
            for (data, parity) in [(100, 10), (20, 2), (1, 1), (3, 3)] {
                let cut = Cut::for_pack(bytes, Shape { data, parity });
                let all = (0..cut.columns())
                    .flat_map(|column| (0..data).map(move |shard| (column, shard)));
                let mut places: Vec<_> = all
                    .map(|(column, shard)| cut.locate_cell(column, shard))
                    .collect();
                places.sort_unstable();
                let mut at = 0;
                for (begin, length) in places.into_iter().filter(|(_, length)| *length > 0) {
                    assert_eq!(begin, at);
                    at += length as u64;
                }
                assert_eq!(at, bytes);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_head_or_an_error(mut bytes: Vec<u8>) {
            let _ = Head::decode(&bytes);
            bytes.splice(0..0, MAGIC.iter().copied());
            let _ = Head::decode(&bytes);
        }

        #[test]
        fn a_head_comes_back(bytes in 1_u64..500_000, data in 1_u16..30) {
            let cut = Cut::for_pack(bytes, Shape { data, parity: 1 });
            let count = cut.columns() * (u64::from(data) + 1);
            let head = Head { pack: PackId([7; 32]), cut, sums: vec![[3; SUM_BYTES]; count as usize] };
            let mut encoded = head.encode();
            prop_assert_eq!(Head::decode(&encoded).unwrap(), head);
            let middle = encoded.len() / 2;
            encoded[middle] ^= 1;
            prop_assert!(Head::decode(&encoded).is_err());
        }
    }
}
