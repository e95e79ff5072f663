//! Tells how two trees differ, strictly: names, kinds, content, owners, modes, times, attributes,
//! link targets and hard links. For tests, and for restores that are checked.

use crate::tree::Tree;
use crate::walk::{Found, WalkOptions};
use holdfast_base::entry::{Entry, EntryKind, FileContent};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// Returns one line for each difference; none where the trees are equal.
///
/// # Errors
/// A tree cannot be opened.
pub fn compare(a: &Path, b: &Path) -> io::Result<Vec<String>> {
    let mut differences = Vec::new();
    let mut left = read(a, &mut differences)?;
    for (path, (entry, content)) in read(b, &mut differences)? {
        let Some((expected, expected_content)) = left.remove(&path) else {
            differences.push(format!("{path}: only in {}", b.display()));
            continue;
        };
        if kind_without_holes(&expected.kind) != kind_without_holes(&entry.kind) {
            differences.push(format!(
                "{path}: {:?} is not {:?}",
                entry.kind, expected.kind
            ));
        }
        if expected.ownership != entry.ownership {
            differences.push(format!(
                "{path}: {:?} is not {:?}",
                entry.ownership, expected.ownership
            ));
        }
        if expected.modified != entry.modified {
            differences.push(format!(
                "{path}: time {} is not {}",
                entry.modified.0, expected.modified.0
            ));
        }
        if bytes(expected_content)? != bytes(content)? {
            differences.push(format!("{path}: the content differs"));
        }
    }
    differences.extend(
        left.into_keys()
            .map(|path| format!("{path}: only in {}", a.display())),
    );
    Ok(differences)
}

type Entries = BTreeMap<String, (Entry, Option<Box<dyn FileContent>>)>;

fn read(root: &Path, differences: &mut Vec<String>) -> io::Result<Entries> {
    let mut entries = Entries::new();
    for found in Tree::open(root)?.walk(WalkOptions::default())? {
        match found {
            Found::Entry(entry, content) => {
                entries.insert(entry.path.to_string(), (entry, content));
            }
            Found::Skipped(warning) => {
                differences.push(format!("{}: {}", warning.subject, warning.message))
            }
        }
    }
    Ok(entries)
}

fn kind_without_holes(kind: &EntryKind) -> EntryKind {
    match kind {
        EntryKind::File { size, .. } => EntryKind::File {
            size: *size,
            extents: None,
        },
        other => other.clone(),
    }
}

/// Reads content with its holes, so that files that differ only in holes are equal.
fn bytes(content: Option<Box<dyn FileContent>>) -> io::Result<Vec<u8>> {
    let Some(content) = content else {
        return Ok(Vec::new());
    };
    let mut file = content.open()?;
    let extents = file.extents().map(<[_]>::to_vec);
    let size = file.size() as usize;
    let mut data = Vec::new();
    file.read_to_end(&mut data)?;
    let Some(extents) = extents else {
        return Ok(data);
    };
    let mut whole = vec![0; size];
    let mut rest = data.as_slice();
    for extent in extents {
        let (now, later) = rest.split_at(extent.length as usize);
        whole[extent.offset as usize..][..now.len()].copy_from_slice(now);
        rest = later;
    }
    Ok(whole)
}
