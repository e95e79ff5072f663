//! What the system refuses to give: a file less, a run that has to be made another time, or a device that fails.

use crate::support::{Bytes, Place, file};
use holdfast_base::entry::{FileContent, Identity, OpenFile, Warning};
use holdfast_base::error::{Describe, Kind};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{SnapshotWriter, WriteError};
use std::io;

/// EAGAIN, ENOMEM, ENFILE, EMFILE.
const SHORTAGES: [i32; 4] = [11, 12, 23, 24];
const EIO: i32 = 5;
const EACCES: i32 = 13;

/// A file that the system does not open.
struct Refused(i32);

impl FileContent for Refused {
    fn identity(&self) -> Option<Identity> {
        None
    }

    fn open(self: Box<Self>) -> io::Result<Box<dyn OpenFile>> {
        Err(io::Error::from_raw_os_error(self.0))
    }
}

fn add_sound(writer: &SnapshotWriter, count: u32) {
    for n in 0..count {
        let bytes = n.to_le_bytes();
        let entry = file(&format!("sound/{n}"), bytes.len());
        writer
            .add_entry(entry, Some(Box::new(Bytes::of(&bytes))))
            .unwrap();
    }
}

/// Makes a snapshot of some files, of which these are refused when they are opened.
fn back_up(place: &Place, sound: u32, refused: &[i32], size: usize) -> Result<Root, WriteError> {
    let writer = place.begin();
    add_sound(&writer, sound);
    for (n, answer) in refused.iter().enumerate() {
        let entry = file(&format!("refused/{n}"), size);
        writer.add_entry(entry, Some(Box::new(Refused(*answer))))?;
    }
    writer.commit(SourceEnd::seen())
}

#[test]
fn a_file_that_may_not_be_read_is_one_file_less() {
    let place = Place::new();
    let root = back_up(&place, 3, &[EACCES, EACCES], 10).unwrap();
    assert_eq!((root.counts.entries, root.counts.warnings), (3, 2));
}

#[test]
fn a_machine_that_is_short_of_something_commits_nothing() {
    for answer in SHORTAGES {
        for size in [10, 10 << 20] {
            let place = Place::new();
            let error = back_up(&place, 3, &[answer], size).unwrap_err();
            assert_eq!(error.kind(), Kind::Temporary, "{error}");
            assert!(place.open(Role::Write).snapshots().unwrap().0.is_empty());
        }
    }
}

#[test]
fn a_walk_that_is_short_of_something_fails_the_run_even_if_its_source_goes_on() {
    let place = Place::new();
    let writer = place.begin();
    add_sound(&writer, 3);
    let warning = Warning {
        subject: "directory".into(),
        message: "what lies in it cannot be read".into(),
    };
    let refused = writer.leave_out(warning, io::Error::from_raw_os_error(SHORTAGES[0]));
    assert!(refused.is_err());
    let error = writer.commit(SourceEnd::seen()).unwrap_err();
    assert_eq!(error.kind(), Kind::Temporary, "{error}");
}

#[test]
fn a_device_may_fail_once_in_a_thousand_entries_and_a_hundred_times() {
    for (sound, failures, is_committed) in [
        (999, 1, false),
        (1_000, 1, true),
        (1_999, 2, false),
        (100_000, 100, true),
        (110_000, 101, false),
    ] {
        let place = Place::new();
        let result = back_up(&place, sound, &vec![EIO; failures], 10);
        match result {
            Ok(root) => {
                assert!(is_committed, "{sound} {failures}");
                assert_eq!(root.counts.warnings, failures as u64);
            }
            Err(error) => {
                assert!(!is_committed, "{sound} {failures}: {error}");
                assert_eq!(error.kind(), Kind::Temporary, "{error}");
            }
        }
    }
}
