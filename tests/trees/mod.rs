//! Trees through the real program: what comes back is what was there, whatever changed between runs.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_filetree::compare::compare;
use holdfast_tests::{TREE, World};
use rustix::fs::{XattrFlags, setxattr};
use std::os::unix::fs::{PermissionsExt, symlink};

fn assert_restored(world: &World) {
    let restored = world.restore("tree");
    let inner = restored.join(world.at("tree").strip_prefix("/").unwrap());
    let differences = compare(&world.at("tree"), &inner).unwrap();
    assert_eq!(differences, Vec::<String>::new());
    std::fs::remove_dir_all(restored).unwrap();
}

#[test]
fn attributes_of_files_that_are_not_read_again_are_kept_and_new_ones_are_noticed() {
    let world = World::ready(TREE, &["files"]);
    for name in ["kept", "changed", "plain"] {
        world.write(&format!("tree/d/{name}"), name);
    }
    symlink("kept", world.at("tree/d/link")).unwrap();
    let set = |name: &str, value: &[u8]| {
        let path = world.at("tree").join(name);
        setxattr(&path, "user.note", value, XattrFlags::empty()).unwrap();
    };
    set("d/kept", b"a");
    set("d/changed", b"b");
    set("d", b"of the directory");
    // What changed in the moment before a run is read again: these are to be old.
    std::thread::sleep(std::time::Duration::from_millis(150));
    world.run(&["run", "tree"]).expect(0);
    let again = world.run(&["run", "tree"]).expect(0);
    assert!(again.stdout.contains("3 files unchanged"), "{again:?}");
    assert_restored(&world);

    set("d/changed", b"c");
    let mode = PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(world.at("tree/d/plain"), mode).unwrap();
    let again = world.run(&["run", "tree"]).expect(0);
    assert!(again.stdout.contains("1 files unchanged"), "{again:?}");
    assert_restored(&world);
}

#[test]
fn a_socket_is_counted_and_is_no_warning() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/file", "x");
    world.write(
        "tree/cache/CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55\n",
    );
    world.write("tree/cache/much", "x");
    let _socket = std::os::unix::net::UnixListener::bind(world.at("tree/s")).unwrap();
    let ended = world.run(&["run", "tree"]).expect(0);
    let said = &ended.stdout;
    assert!(
        said.contains("only their own programs can make again: 1"),
        "{said}"
    );
    assert!(said.contains("left out by the job's settings: 1"), "{said}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn what_stands_there_is_compared_and_not_believed() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/file", "the right content");
    let changed = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    let set_time = |path: &std::path::Path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(changed).unwrap();
    };
    set_time(&world.at("tree/file"));
    world.run(&["run", "tree"]).expect(0);
    let restored = world.restore("tree");
    let file = restored.join(world.at("tree/file").strip_prefix("/").unwrap());
    std::fs::write(&file, "the wrong content").unwrap();
    set_time(&file);
    let target = restored.to_str().unwrap();
    let again = ["restore", "tree", "--target", target];
    let read = || std::fs::read_to_string(&file).unwrap();
    world
        .as_operator(&again)
        .expect(3)
        .says("something stands there already");
    world
        .as_operator(&[&again[..], &["--overwrite", "--trust-times"]].concat())
        .expect(0);
    assert_eq!(read(), "the wrong content");
    world
        .as_operator(&[&again[..], &["--overwrite"]].concat())
        .expect(0);
    assert_eq!(read(), "the right content");
    assert_restored(&world);
}

#[test]
fn a_restore_of_one_file_makes_the_directories_above_it_as_they_were() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a/b/file", "x");
    let set = |name: &str, mode: u32| {
        std::fs::set_permissions(world.at(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    set("tree/a", 0o751);
    set("tree/a/b", 0o2775);
    world.run(&["run", "tree"]).expect(0);
    let target = world.at("one");
    let wanted = world.at("tree/a/b/file");
    let restore = [
        "restore",
        "tree",
        wanted.to_str().unwrap(),
        "--target",
        target.to_str().unwrap(),
    ];
    let said = world.as_operator(&restore).expect(0).stdout;
    assert!(said.contains("1 entries"), "{said}");
    let inner = target.join(world.at("tree").strip_prefix("/").unwrap());
    for (name, mode) in [("a", 0o751), ("a/b", 0o2775)] {
        let found = std::fs::metadata(inner.join(name)).unwrap().permissions();
        assert_eq!(found.mode() & 0o7777, mode, "{name}");
    }
}

#[test]
fn a_restore_in_place_follows_no_link_of_somebody_elses_and_makes_a_lost_root_as_it_was() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::ready(TREE, &["files"]);
    world.write("tree/file", "of the job");
    world.write("elsewhere/file", "precious");
    std::fs::set_permissions(world.at("tree"), PermissionsExt::from_mode(0o710)).unwrap();
    std::os::unix::fs::chown(world.at("tree"), Some(4321), Some(4321)).unwrap();
    world.run(&["run", "tree"]).expect(0);
    std::fs::remove_dir_all(world.at("tree")).unwrap();
    symlink("elsewhere", world.at("tree")).unwrap();
    std::os::unix::fs::lchown(world.at("tree"), Some(4321), Some(4321)).unwrap();
    let back = [
        "restore",
        "tree",
        "--to-source",
        "--overwrite",
        "--no-safety-backup",
    ];
    world
        .as_operator(&back)
        .expect(12)
        .says("is a link of user 4321");
    let precious = std::fs::read_to_string(world.at("elsewhere/file")).unwrap();
    assert_eq!(precious, "precious");
    std::fs::remove_file(world.at("tree")).unwrap();
    world.as_operator(&back).expect(0);
    let root = std::fs::metadata(world.at("tree")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((root.mode() & 0o7777, root.uid()), (0o710, 4321));
}

/// A job over these paths, with something in each place that they lead to.
fn world_of_paths(paths: &str) -> World {
    let jobs = format!("[job.tree]\nsource = \"files\"\n[job.tree.with]\npaths = [{paths}]\n");
    let world = World::ready(&jobs, &["files"]);
    world.write("d/www/page", "of the site");
    world.write("d/db/precious/table", "of the database");
    symlink("../db", world.at("d/www/lnk")).unwrap();
    world
}

#[test]
fn a_path_is_what_it_leads_to_and_not_what_its_name_says() {
    for paths in [
        r#""{w}/d/www", "{w}/d/www/../db""#,
        r#""{w}/d/www", "{w}/d/www/lnk/precious""#,
        r#""{w}/d/www/lnk/../db", "{w}/d/www", "{w}/d/www/""#,
    ] {
        let world = world_of_paths(paths);
        world.run(&["run", "tree"]).expect(0);
        let restored = world.restore("tree");
        for (name, content) in [
            ("d/www/page", "of the site"),
            ("d/db/precious/table", "of the database"),
        ] {
            let file = restored.join(world.at(name).strip_prefix("/").unwrap());
            assert_eq!(std::fs::read_to_string(file).unwrap(), content, "{paths}");
            // And in place, from what the snapshot says of itself.
            std::fs::remove_file(world.at(name)).unwrap();
        }
        world
            .as_operator(&["restore", "tree", "--to-source"])
            .expect(0);
        for name in ["d/www/page", "d/db/precious/table"] {
            assert!(world.at(name).exists(), "{paths}: {name}");
        }
        assert_eq!(
            std::fs::read_link(world.at("d/www/lnk")).unwrap().to_str(),
            Some("../db")
        );
    }
}

#[test]
fn a_path_that_is_not_there_is_named_whatever_it_seems_to_lie_in() {
    let world = world_of_paths(r#""{w}/d/www", "{w}/d/www/typo""#);
    world
        .run(&["run", "tree"])
        .expect(1)
        .says("/d/www/typo")
        .says("nothing was committed");
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_path_on_another_file_system_is_backed_up_though_the_one_around_it_stays_on_its_own() {
    let world = world_of_paths(
        "\"{w}/d\", \"{w}/d/mnt\", \"{w}/d/mnt/deep/down\"]\none-file-system = true\nexclude = [\"/deep\"",
    );
    std::fs::create_dir(world.at("d/mnt")).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(world.at("d/mnt"))
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        return;
    }
    world.write("d/mnt/file", "on another file system");
    world.write("d/mnt/deep/down/file", "below what is left out there");
    let down = PermissionsExt::from_mode(0o751);
    std::fs::set_permissions(world.at("d/mnt/deep/down"), down).unwrap();
    let run = world.run(&["run", "tree"]);
    let listed = world.as_operator(&["ls", "tree"]);
    let restored = world.restore("tree");
    let unmounted = std::process::Command::new("umount")
        .arg(world.at("d/mnt"))
        .status();
    assert!(unmounted.unwrap().success());
    run.expect(0);
    let listed = listed.expect(0).stdout;
    assert_eq!(listed.matches("d/mnt\n").count(), 1, "{listed}");
    let content = read_restored(&world, &restored, "d/mnt/file");
    assert_eq!(content, "on another file system");
    let content = read_restored(&world, &restored, "d/mnt/deep/down/file");
    assert_eq!(content, "below what is left out there");
    let down = restored.join(world.at("d/mnt/deep/down").strip_prefix("/").unwrap());
    let mode = std::fs::metadata(down).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o751);
}

/// The content of a file of the world in a restored snapshot.
fn read_restored(world: &World, restored: &std::path::Path, name: &str) -> String {
    let file = restored.join(world.at(name).strip_prefix("/").unwrap());
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_path_that_the_one_around_it_leaves_out_is_backed_up() {
    for exclude in ["/db", "*/precious", "none"] {
        let world = world_of_paths(&format!(
            "\"{{w}}/d\", \"{{w}}/d/db/precious\"]\nexclude = [\"{exclude}\""
        ));
        if exclude == "none" {
            // Beside a valid tag: `exclude-caches` leaves it out.
            let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
            world.write("d/db/CACHEDIR.TAG", tag);
        }
        world.run(&["run", "tree"]).expect(0);
        let restored = world.restore("tree");
        let content = read_restored(&world, &restored, "d/db/precious/table");
        assert_eq!(content, "of the database", "{exclude}");
    }
}

#[test]
fn a_time_that_no_snapshot_keeps_is_named() {
    let world = World::ready(TREE, &["files"]);
    world.write_far_ahead("tree/late");
    world
        .run(&["run", "tree"])
        .expect(3)
        .says("tree/late: its time lies 10413792000 seconds from 1970");
}
