//! Trees go in once, with what is left out left out, and come back in place.

use super::*;
use holdfast_sdk::testing::{Host, Snapshot, Tree};
use serde_json::{Value, json};

fn plugin(host: &Host, settings: Value) -> Files {
    host.source(settings).unwrap()
}

fn sample() -> Tree {
    Tree::new()
        .with_file("lib/a", "1")
        .with_file("lib/b.tmp", "2")
        .with_file(
            "cache/CACHEDIR.TAG",
            "Signature: 8a477f597d28d172789f06886806bc55",
        )
        .with_file("cache/big", "3")
        .with_symlink("link", "lib/a")
}

#[test]
fn trees_inside_each_other_are_backed_up_once_and_in_order() {
    let paths = json!({ "paths": ["/var/lib", "/etc/", "/var", "/variety", "/var"] });
    let one = || Tree::new().with_file("lib/file", "x");
    let host = Host::new()
        .readable("/etc/", Tree::new())
        .readable("/var", one())
        .readable("/var/lib", Tree::new().with_file("file", "x"))
        .readable("/variety", Tree::new());
    let snapshot = Snapshot::new();
    plugin(&host, paths)
        .backup(&snapshot.draft(), None)
        .unwrap();
    assert_eq!(
        snapshot.entry_names(),
        ["etc", "var", "var/lib", "var/lib/file", "variety"]
    );
}

#[test]
fn a_tree_stands_in_the_snapshot_where_it_stood_on_the_machine() {
    let host = Host::new().readable("/var", sample());
    let snapshot = Snapshot::new();
    let files = plugin(&host, json!({ "paths": ["/var"], "exclude": ["*.tmp"] }));
    files.backup(&snapshot.draft(), None).unwrap();
    assert_eq!(
        snapshot.entry_names(),
        [
            "var",
            "var/cache",
            "var/cache/CACHEDIR.TAG",
            "var/lib",
            "var/lib/a",
            "var/link"
        ]
    );
    assert_eq!(
        snapshot.recorded_fact("files.entries").as_deref(),
        Some("6")
    );
}

#[test]
fn caches_are_taken_along_where_the_job_says_so() {
    let host = Host::new().readable("/var", sample());
    let snapshot = Snapshot::new();
    let files = plugin(&host, json!({ "paths": ["/var"], "exclude-caches": false }));
    files.backup(&snapshot.draft(), None).unwrap();
    assert_eq!(snapshot.entry_bytes("var/cache/big").unwrap(), b"3");
}

#[test]
fn the_root_of_the_machine_needs_no_prefix() {
    let host = Host::new().readable("/", Tree::new().with_file("etc/hosts", "::1"));
    let snapshot = Snapshot::new();
    plugin(&host, json!({ "paths": ["/"] }))
        .backup(&snapshot.draft(), None)
        .unwrap();
    assert_eq!(snapshot.entry_names(), ["etc", "etc/hosts"]);
}

#[test]
fn one_tree_that_cannot_be_read_fails_the_backup() {
    let host = Host::new().readable("/etc", sample());
    let files = plugin(&host, json!({ "paths": ["/etc", "/gone"] }));
    let snapshot = Snapshot::new();
    assert!(files.backup(&snapshot.draft(), None).is_err());
    assert_eq!(files.check().unwrap().len(), 1);
    assert_eq!(files.check().unwrap()[0].subject, "/gone");
}

#[test]
fn a_job_without_paths_is_refused() {
    let files = plugin(&Host::new(), json!({ "paths": [] }));
    assert!(files.backup(&Snapshot::new().draft(), None).is_err());
    assert!(files.check().is_err());
}

#[test]
fn a_restore_writes_each_tree_back_to_its_place() {
    let host = Host::new()
        .writable("/etc", Tree::new())
        .writable("/var/", Tree::new());
    let files = plugin(&host, json!({ "paths": ["/var/", "/etc"] }));
    let snapshot = Snapshot::new()
        .with_entry("etc/hosts", "::1")
        .with_entry("var/lib/a", "1");
    files
        .restore(&snapshot.content(), RestoreRequest::everything())
        .unwrap();
    assert_eq!(
        host.granted_tree("/etc").unwrap().content("hosts").unwrap(),
        b"::1"
    );
    assert_eq!(
        host.granted_tree("/var/")
            .unwrap()
            .content("lib/a")
            .unwrap(),
        b"1"
    );
}

#[test]
fn a_restore_of_one_tree_leaves_the_others_alone() {
    let host = Host::new().writable("/etc", Tree::new());
    let files = plugin(&host, json!({ "paths": ["/var", "/etc"] }));
    let snapshot = Snapshot::new().with_entry("etc/hosts", "::1");
    files
        .restore(&snapshot.content(), RestoreRequest::everything())
        .unwrap();
    assert_eq!(host.granted_tree("/etc").unwrap().paths(), ["hosts"]);
}

#[test]
fn a_restore_that_restores_nothing_is_a_failure() {
    let host = Host::new().writable("/etc", Tree::new());
    let files = plugin(&host, json!({ "paths": ["/etc"] }));
    let result = files.restore(&Snapshot::new().content(), RestoreRequest::everything());
    assert_eq!(result.unwrap_err().kind, FailureKind::NotFound);
}
