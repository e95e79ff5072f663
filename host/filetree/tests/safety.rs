//! What a restore must not touch, and what it takes up again.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::entry::{EntryKind, RestoreTarget};
use holdfast_filetree::{ExtractOptions, Extractor, WalkOptions};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use std::cell::Cell;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use support::{assert_equal, copy, overwriting, places, rich_tree, set_time, start_new, walk};

/// The steps of a restore, of which a kill lets only the first ones happen.
fn copy_steps(from: &Path, to: &Path, steps: usize) -> io::Result<bool> {
    let target = Extractor::new(to, ExtractOptions::default())?;
    let left = Cell::new(steps);
    let step = || left.replace(left.get().saturating_sub(1)) > 0;
    let mut links = Vec::new();
    for (entry, content) in walk(from, WalkOptions::default()).0 {
        let Some(content) = content else {
            if matches!(entry.kind, EntryKind::HardLink { .. }) {
                links.push(entry);
            } else if !step() {
                return Ok(false);
            } else {
                target.make(&entry)?;
            }
            continue;
        };
        let mut bytes = Vec::new();
        let mut file = content.open()?;
        file.read_to_end(&mut bytes)?;
        let entry = support::completed(entry, file.as_ref());
        let start = file
            .extents()
            .and_then(<[_]>::first)
            .map_or(0, |it| it.offset);
        if !step() {
            return Ok(false);
        }
        let Some(written) = start_new(&target, &entry, file.size())? else {
            continue;
        };
        if !step() {
            return Ok(false);
        }
        let half = bytes.len() / 2;
        written.write_at(start, &bytes[..half])?;
        if !step() {
            return Ok(false);
        }
        written.write_at(start + half as u64, &bytes[half..])?;
        if !step() {
            return Ok(false);
        }
        written.finish(&entry)?;
    }
    for entry in links {
        if !step() {
            return Ok(false);
        }
        target.make(&entry)?;
    }
    if !step() {
        return Ok(false);
    }
    target.finish()?;
    Ok(true)
}

fn small_tree(root: &Path) {
    std::fs::create_dir_all(root.join("dir/below")).unwrap();
    std::fs::write(root.join("dir/below/file"), b"content").unwrap();
    std::fs::write(root.join("dir/none"), b"no permissions at all").unwrap();
    std::fs::hard_link(root.join("dir/none"), root.join("other name")).unwrap();
    symlink("dir", root.join("link")).unwrap();
    rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let sparse = std::fs::File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(b"data", 4 << 20).unwrap();
    // Nobody but root could read it without any.
    let none = if rustix::process::geteuid().is_root() {
        0o000
    } else {
        0o400
    };
    std::fs::set_permissions(root.join("dir/none"), PermissionsExt::from_mode(none)).unwrap();
    std::fs::write(root.join("acl"), b"x").unwrap();
    let acl = support::acl(3);
    let flags = XattrFlags::empty();
    rustix::fs::setxattr(root.join("acl"), "system.posix_acl_access", &acl, flags).unwrap();
    rustix::fs::setxattr(root.join("dir"), "system.posix_acl_default", &acl, flags).unwrap();
    for name in [
        "dir/below/file",
        "link",
        "fifo",
        "sparse",
        "acl",
        "dir/below",
        "dir",
    ] {
        set_time(&root.join(name), 1_234_567_890, 987_654_321);
    }
}

#[test]
fn a_restore_that_was_killed_after_any_step_goes_on_when_it_is_run_again() {
    for steps in 0.. {
        let (_place, [from, to, _]) = places();
        small_tree(&from);
        let is_done = copy_steps(&from, &to, steps).unwrap();
        copy(&from, &to, ExtractOptions::default())
            .unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        assert_equal(&from, &to);
        if is_done {
            assert!(steps > 20);
            break;
        }
    }
}

#[test]
fn a_file_whose_mode_was_not_set_yet_is_not_taken_for_complete() {
    let (_place, [from, to, _]) = places();
    small_tree(&from);
    copy(&from, &to, ExtractOptions::default()).unwrap();
    // As a kill leaves them before the last step, and one step earlier with an ACL.
    std::fs::set_permissions(to.join("sparse"), PermissionsExt::from_mode(0o1200)).unwrap();
    std::fs::set_permissions(to.join("acl"), PermissionsExt::from_mode(0o1740)).unwrap();
    std::fs::set_permissions(to.join("dir/below"), PermissionsExt::from_mode(0o1700)).unwrap();
    std::fs::set_permissions(to.join("fifo"), PermissionsExt::from_mode(0o1200)).unwrap();
    copy(&from, &to, ExtractOptions::default()).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn foreign_files_stay_even_those_without_any_permission() {
    let (_place, [from, to, _]) = places();
    std::fs::write(from.join("shadow"), b"from the snapshot").unwrap();
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("shadow"), b"somebody's").unwrap();
    std::fs::set_permissions(to.join("shadow"), PermissionsExt::from_mode(0o000)).unwrap();
    let refused = copy(&from, &to, ExtractOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    std::fs::set_permissions(to.join("shadow"), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(std::fs::read(to.join("shadow")).unwrap(), b"somebody's");
    copy(&from, &to, overwriting()).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn a_directory_of_somebody_else_keeps_its_mode_and_an_empty_one_is_adopted() {
    let (_place, [from, to, _]) = places();
    for (root, mode) in [(&from, 0o750), (&to, 0o711)] {
        for name in ["used", "empty"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
            std::fs::set_permissions(root.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
    }
    std::fs::write(to.join("used/theirs"), b"x").unwrap();
    let mode = |name| {
        std::fs::metadata(to.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    let target = Extractor::new(&to, ExtractOptions::default()).unwrap();
    for (entry, _) in walk(&from, WalkOptions::default()).0 {
        target.make(&entry).unwrap();
    }
    target.finish().unwrap();
    assert_eq!((mode("used"), mode("empty")), (0o711, 0o750));
    assert_eq!(target.notes().len(), 1);
    copy(&from, &to, overwriting()).unwrap();
    assert_eq!(mode("used"), 0o750);
    assert_eq!(std::fs::read(to.join("used/theirs")).unwrap(), b"x");
}

#[test]
fn overwriting_unlinks_first_and_never_removes_a_directory_with_something_in_it() {
    let (_place, [from, to, outside]) = places();
    std::fs::write(from.join("shared"), b"new").unwrap();
    std::fs::write(from.join("directory"), b"new").unwrap();
    std::fs::write(outside.join("precious"), b"precious").unwrap();
    std::fs::create_dir_all(to.join("directory/full")).unwrap();
    std::fs::hard_link(outside.join("precious"), to.join("shared")).unwrap();
    let refused = copy(&from, &to, overwriting()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::DirectoryNotEmpty);
    std::fs::remove_dir(to.join("directory/full")).unwrap();
    copy(&from, &to, overwriting()).unwrap();
    assert_eq!(
        std::fs::read(outside.join("precious")).unwrap(),
        b"precious"
    );
    assert_equal(&from, &to);
}

#[test]
fn what_is_replaced_stays_until_what_comes_is_whole() {
    let (_place, [from, to, _]) = places();
    std::fs::write(from.join("a"), b"new").unwrap();
    std::fs::hard_link(from.join("a"), from.join("b")).unwrap();
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("a"), b"old and longer").unwrap();
    let (first, link) = {
        let mut entries = walk(&from, WalkOptions::default()).0.into_iter();
        (entries.next().unwrap().0, entries.next().unwrap().0)
    };
    let overwrite = overwriting();
    let target = Extractor::new(&to, overwrite).unwrap();
    let begun = start_new(&target, &first, 3).unwrap().unwrap();
    begun.write_at(0, b"ne").unwrap();
    // Its content turned out to be damaged.
    drop(begun);
    assert!(target.make(&link).is_err());
    target.finish().unwrap();
    assert_eq!(std::fs::read(to.join("a")).unwrap(), b"old and longer");
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1);
    // A killed restore leaves what it had begun; the next one takes it away.
    std::mem::forget(start_new(&target, &first, 3).unwrap());
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 2);
    copy(&from, &to, overwrite).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn overwriting_sets_mode_and_owner_of_a_file_whose_content_is_right() {
    let (_place, [from, to, _]) = places();
    std::fs::write(from.join("file"), b"x").unwrap();
    copy(&from, &to, ExtractOptions::default()).unwrap();
    std::fs::set_permissions(to.join("file"), PermissionsExt::from_mode(0o666)).unwrap();
    copy(&from, &to, overwriting()).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn what_the_target_hands_on_is_taken_away_again() {
    let (_place, [from, to, _]) = places();
    rich_tree(&from);
    std::fs::create_dir(&to).unwrap();
    let (acl, flags) = (support::acl(9), XattrFlags::empty());
    rustix::fs::setxattr(&to, "system.posix_acl_default", &acl, flags).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&to, None, Some(4242)).unwrap();
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o2775)).unwrap();
    }
    copy(&from, &to, ExtractOptions::default()).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn no_link_is_made_to_a_file_that_was_refused_or_is_not_whole() {
    let (_place, [from, to, _]) = places();
    std::fs::write(from.join("a"), b"from the snapshot").unwrap();
    std::fs::hard_link(from.join("a"), from.join("b")).unwrap();
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("a"), b"somebody's").unwrap();
    let (first, link) = {
        let mut entries = walk(&from, WalkOptions::default()).0.into_iter();
        (entries.next().unwrap().0, entries.next().unwrap().0)
    };
    let target = Extractor::new(&to, ExtractOptions::default()).unwrap();
    assert!(target.start(&first, 17).is_err());
    let refused = target.make(&link).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`a`, of which it is another name, was not restored"
    );
    std::fs::remove_file(to.join("a")).unwrap();
    let target = Extractor::new(&to, ExtractOptions::default()).unwrap();
    let begun = start_new(&target, &first, 17).unwrap();
    assert!(target.make(&link).is_err());
    drop(begun);
    assert!(!to.join("b").exists());
}

#[test]
fn a_selected_file_gets_its_parents_and_nobody_else_sees_into_them() {
    let (_place, [from, to, _]) = places();
    std::fs::create_dir_all(from.join("a/b")).unwrap();
    std::fs::write(from.join("a/b/file"), b"x").unwrap();
    let (entry, content) = walk(&from, WalkOptions::default()).0.remove(2);
    let target = Extractor::new(&to, ExtractOptions::default()).unwrap();
    support::write(&target, entry, content.unwrap().open().unwrap()).unwrap();
    target.finish().unwrap();
    for name in ["a", "a/b"] {
        let mode = std::fs::metadata(to.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o700);
    }
    assert_eq!(std::fs::read(to.join("a/b/file")).unwrap(), b"x");
}

#[test]
fn a_planted_link_is_not_followed_out_of_the_target() {
    let place = tempfile::tempdir().unwrap();
    let (from, to, outside) = (
        place.path().join("from"),
        place.path().join("to"),
        place.path().join("outside"),
    );
    for directory in [&from.join("dir"), &to, &outside] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(from.join("dir/file"), b"x").unwrap();
    std::fs::write(outside.join("file"), b"precious").unwrap();
    symlink(&outside, to.join("dir")).unwrap();
    let target = Extractor::new(&to, overwriting()).unwrap();
    let entry = walk(&from, WalkOptions::default()).0.remove(1).0;
    assert!(target.start(&entry, 1).is_err());
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"precious");
    // A link where a file belongs is replaced, not written through.
    std::fs::remove_file(to.join("dir")).unwrap();
    std::fs::create_dir(to.join("dir")).unwrap();
    symlink(outside.join("file"), to.join("dir/file")).unwrap();
    copy(&from, &to, overwriting()).unwrap();
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"precious");
    assert_eq!(std::fs::read(to.join("dir/file")).unwrap(), b"x");
}

#[test]
fn a_file_of_the_right_size_and_time_is_left_alone_only_if_its_content_is_right() {
    let (_place, [from, to, _]) = places();
    std::fs::write(from.join("file"), b"right").unwrap();
    set_time(&from.join("file"), 1_000, 5);
    copy(&from, &to, ExtractOptions::default()).unwrap();
    std::fs::write(to.join("file"), b"wrong").unwrap();
    set_time(&to.join("file"), 1_000, 5);
    let refused = copy(&from, &to, ExtractOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    let trusting = ExtractOptions {
        overwrite: true,
        trust_times: true,
    };
    copy(&from, &to, trusting).unwrap();
    assert_eq!(std::fs::read(to.join("file")).unwrap(), b"wrong");
    copy(&from, &to, overwriting()).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn what_runs_as_its_owner_does_so_only_if_the_owner_came_back() {
    let (_place, [from, to, _]) = places();
    for (name, mode, owner) in [
        ("user", 0o4755, 4321),
        ("group", 0o2755, 4321),
        ("own", 0o6755, 0),
    ] {
        std::fs::write(from.join(name), name).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(from.join(name), Some(owner), Some(owner)).unwrap();
        }
        std::fs::set_permissions(from.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let target = Extractor::new(&to, ExtractOptions::default())
        .unwrap()
        .with_owner(false);
    for (entry, content) in walk(&from, WalkOptions::default()).0 {
        support::write(&target, entry, content.unwrap().open().unwrap()).unwrap();
    }
    target.finish().unwrap();
    let mode = |name| {
        std::fs::metadata(to.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("own"), 0o6755);
    if rustix::process::geteuid().is_root() {
        assert_eq!((mode("user"), mode("group")), (0o755, 0o755));
        assert_eq!(target.notes().len(), 2);
    }
}

#[test]
fn directories_above_what_was_chosen_are_made_as_they_were_and_left_as_they_are() {
    let (_place, [from, to, _]) = places();
    std::fs::create_dir_all(from.join("a/b")).unwrap();
    std::fs::set_permissions(from.join("a/b"), PermissionsExt::from_mode(0o750)).unwrap();
    std::fs::create_dir_all(to.join("a")).unwrap();
    std::fs::set_permissions(to.join("a"), PermissionsExt::from_mode(0o711)).unwrap();
    let target = Extractor::new(&to, ExtractOptions::default()).unwrap();
    for (entry, _) in walk(&from, WalkOptions::default()).0 {
        target.make_parent(&entry).unwrap();
    }
    target.finish().unwrap();
    let mode = |name| {
        std::fs::metadata(to.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!((mode("a"), mode("a/b")), (0o711, 0o750));
}

#[test]
fn a_file_of_somebody_elses_that_is_named_like_ours_stays() {
    let (_place, [from, to, _]) = places();
    std::fs::write(from.join("file"), b"new").unwrap();
    symlink("new", from.join("link")).unwrap();
    std::fs::create_dir(&to).unwrap();
    for name in ["file", "link"] {
        std::fs::write(to.join(name), b"old content").unwrap();
        let ours = format!(
            ".holdfast-{}",
            &blake3::hash(name.as_bytes()).to_hex()[..16]
        );
        std::fs::write(to.join(ours), b"precious").unwrap();
    }
    copy(&from, &to, overwriting()).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(&to)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    left.sort();
    assert_eq!(left.len(), 4);
    assert!(
        left[..2]
            .iter()
            .all(|path| std::fs::read(path).unwrap() == b"precious")
    );
    assert_eq!(std::fs::read(to.join("file")).unwrap(), b"new");
    assert_eq!(
        std::fs::read_link(to.join("link")).unwrap(),
        Path::new("new")
    );
}

#[test]
fn a_directory_that_a_restore_makes_itself_is_what_it_was() {
    let (_place, [from, to, _]) = places();
    std::fs::set_permissions(&from, PermissionsExt::from_mode(0o710)).unwrap();
    let options = WalkOptions {
        prefix: Some(holdfast_base::entry::EntryPath::new("root").unwrap()),
        ..WalkOptions::default()
    };
    let root = walk(&from, options).0.remove(0).0;
    let mode = || std::fs::metadata(&to).unwrap().permissions().mode() & 0o7777;
    for (before, after) in [(None, 0o710), (Some(0o777), 0o777)] {
        if let Some(mode) = before {
            std::fs::set_permissions(&to, PermissionsExt::from_mode(mode)).unwrap();
        }
        let target = Extractor::new(&to, ExtractOptions::default()).unwrap();
        target.set_root(&root).unwrap();
        target.finish().unwrap();
        assert_eq!(mode(), after);
    }
}
