//! The name of every object, and the area that it lies in.
//!
//! Ids are written in hexadecimal and numbers in digits, so each of these texts is a valid name: [`Name`] is checked
//! once, here, and no caller has to handle an error that cannot come.

use holdfast_base::id::{PackId, SegmentId, SnapshotId};
use holdfast_store::Name;
use holdfast_store::name::NameError;

/// Sealed packs, in 256 folders by the first digits of their ids.
pub const PACKS: &str = "packs";
/// Parity beside packs, in the same folders.
pub const PARITY: &str = "parity";
/// Index segments.
pub const INDEX: &str = "index";
/// Roots of snapshots, and what collection puts in their place.
pub const SNAPSHOTS: &str = "snapshots";
/// Sessions of runs that may not have ended.
pub const SESSIONS: &str = "sessions";
/// Tombstones of snapshots and packs, and marks of removals.
pub const TOMBSTONES: &str = "tombstones";
/// Holds of snapshots.
pub const HOLDS: &str = "holds";
/// Epochs, sealed to the operators.
pub const EPOCHS: &str = "epochs";
/// What operators tell every host.
pub const ANNOUNCEMENTS: &str = "announcements";
/// Identities that passphrases open.
pub const IDENTITIES: &str = "identities";
/// Second copies of what opens a repository.
pub const SPARES: &str = "spares";
/// Damaged objects that a repair has set aside.
pub const QUARANTINE: &str = "quarantine";

/// The areas whose objects have spares; `format` has one, too.
pub const AREAS_WITH_SPARES: [&str; 3] = [EPOCHS, ANNOUNCEMENTS, IDENTITIES];

/// What a tombstone of a snapshot begins with …
pub const SNAPSHOT_TOMBSTONE_PREFIX: &str = "s-";
/// … a tombstone of packs …
pub const PACK_TOMBSTONE_PREFIX: &str = "p-";
/// … and the mark of a removal that has begun.
pub const REMOVAL_PREFIX: &str = "r-";

/// Returns the name of the object that says what a repository is.
#[must_use]
pub fn header_name() -> Name {
    valid("format".into())
}

/// Returns the name of a pack.
#[must_use]
pub fn pack_name(id: &PackId) -> Name {
    in_folders(PACKS, id)
}

/// Returns the name of the parity of a pack.
#[must_use]
pub fn parity_name(pack: &PackId) -> Name {
    in_folders(PARITY, pack)
}

/// Returns the name of an index segment.
#[must_use]
pub fn segment_name(id: &SegmentId) -> Name {
    valid(format!("{INDEX}/{id}"))
}

/// Returns the name of a snapshot.
#[must_use]
pub fn snapshot_name(id: &SnapshotId) -> Name {
    valid(format!("{SNAPSHOTS}/{id}"))
}

/// Returns the name of a session.
#[must_use]
pub fn session_name(id: &SnapshotId) -> Name {
    valid(format!("{SESSIONS}/{id}"))
}

/// Returns the name of the tombstone of a snapshot.
#[must_use]
pub fn snapshot_tombstone_name(id: &SnapshotId) -> Name {
    valid(format!("{TOMBSTONES}/{SNAPSHOT_TOMBSTONE_PREFIX}{id}"))
}

/// Returns the name of a tombstone of packs; `unique` is random.
#[must_use]
pub fn pack_tombstone_name(generation: u32, unique: [u8; 8]) -> Name {
    valid(format!(
        "{TOMBSTONES}/{PACK_TOMBSTONE_PREFIX}{generation:08}-{:016x}",
        u64::from_be_bytes(unique)
    ))
}

/// Returns the name of the object that says that collection is removing a snapshot.
#[must_use]
pub fn removal_name(id: &SnapshotId) -> Name {
    valid(format!("{TOMBSTONES}/{REMOVAL_PREFIX}{id}"))
}

/// Returns the name of the hold of a snapshot.
#[must_use]
pub fn hold_name(id: &SnapshotId) -> Name {
    valid(format!("{HOLDS}/{id}"))
}

/// Returns the name of an announcement.
#[must_use]
pub fn announcement_name(number: u32) -> Name {
    valid(format!("{ANNOUNCEMENTS}/{number:08}"))
}

/// Returns the name of an epoch that was sealed for the `revision`th time, counted from zero.
#[must_use]
pub fn epoch_name(epoch: u32, revision: u32) -> Name {
    valid(match revision {
        0 => format!("{EPOCHS}/{epoch:08}"),
        revision => format!("{EPOCHS}/{epoch:08}-{revision}"),
    })
}

/// Returns the name of an identity that a passphrase opens; `unique` is random.
#[must_use]
pub fn identity_name(unique: [u8; 8]) -> Name {
    valid(format!("{IDENTITIES}/{:016x}", u64::from_be_bytes(unique)))
}

/// Returns the name of the spare of an object.
///
/// # Errors
/// Somebody has given the object a name that leaves no room for a longer one.
pub fn spare_name(object: &Name) -> Result<Name, NameError> {
    Name::new(format!("{SPARES}/{object}"))
}

/// Returns whether an object below `tombstones` is one of packs.
#[must_use]
pub fn names_packs(tombstone: &Name) -> bool {
    tombstone.last().starts_with(PACK_TOMBSTONE_PREFIX)
}

/// Returns the id of the pack that lies under a name, if a pack does.
#[must_use]
pub fn pack_named(name: &Name) -> Option<PackId> {
    let below = name.as_str().strip_prefix("packs/")?;
    below.split_once('/')?.1.parse().ok()
}

fn in_folders(area: &str, id: &PackId) -> Name {
    let hex = id.to_string();
    valid(format!("{area}/{}/{hex}", &hex[..2]))
}

#[expect(
    clippy::expect_used,
    reason = "a name that is made here and is none is a fault of this file"
)]
fn valid(text: String) -> Name {
    Name::new(text).expect("areas, hexadecimal digits and dashes form a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_valid_and_lies_in_its_area() {
        let (pack, snapshot) = (PackId([0xab; 32]), SnapshotId([0xcd; 16]));
        for (name, area) in [
            (pack_name(&pack), "packs/ab"),
            (parity_name(&pack), "parity/ab"),
            (segment_name(&SegmentId([1; 32])), INDEX),
            (snapshot_name(&snapshot), SNAPSHOTS),
            (session_name(&snapshot), SESSIONS),
            (snapshot_tombstone_name(&snapshot), "tombstones"),
            (pack_tombstone_name(u32::MAX, [0xff; 8]), TOMBSTONES),
            (removal_name(&snapshot), TOMBSTONES),
            (hold_name(&snapshot), HOLDS),
            (announcement_name(u32::MAX), ANNOUNCEMENTS),
            (epoch_name(u32::MAX, u32::MAX), EPOCHS),
            (identity_name([0xff; 8]), IDENTITIES),
        ] {
            let below = name.as_str().strip_prefix(area).unwrap();
            assert!(below.starts_with('/'), "{name}");
            assert_eq!(
                spare_name(&name).unwrap().as_str(),
                format!("spares/{name}")
            );
        }
        assert_eq!(header_name().as_str(), "format");
        assert_eq!(pack_named(&pack_name(&pack)), Some(pack));
        assert_eq!(pack_named(&parity_name(&pack)), None);
    }
}
