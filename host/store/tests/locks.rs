//! Object lock on real services: what a lock keeps, from whom, and how what a thief hid comes back.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_store::s3::S3Store;
use holdfast_store::{
    Abilities, Ability, Attempts, Cause, Extension, Name, ObjectLock, Probe, RetentionMode, Store,
    conformance,
};
use holdfast_testkit::proxy::{Fate, Proxy};
use holdfast_testkit::servers::{self, Server};

const LOCKING: [&str; 2] = ["-h", "x-amz-bucket-object-lock-enabled:true"];
const HOUR: i64 = 3_600_000_000_000;

fn at(endpoint: &str, server: &Server, bucket: &str) -> S3Store {
    S3Store::new(bucket, "part/", server.options(endpoint)).unwrap()
}

/// Makes a store in a new bucket with object lock, of which that is known.
fn store(server: &Server) -> (S3Store, String) {
    let bucket = server.bucket_with(&LOCKING);
    let store = at(&server.endpoint, server, &bucket);
    store.assume_abilities(Abilities {
        object_lock: Ability::Real,
        conditional_create_in_parts: Ability::Missing,
        ..Abilities::LOCAL
    });
    (store, bucket)
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn hours(least: i64, until: i64, mode: RetentionMode) -> Extension {
    let now = SystemClock.now().0;
    Extension {
        least: Instant(now + least * HOUR),
        until: Instant(now + until * HOUR),
        mode,
    }
}

/// Returns what a listing of versions says is there: its kind, key and version.
fn versions(server: &Server, bucket: &str) -> Vec<(String, String, String)> {
    let listed = server.ask(&["GET", &format!("/{bucket}?versions=")]);
    let mut found = Vec::new();
    for kind in ["Version", "DeleteMarker"] {
        for part in listed.split(&format!("<{kind}>")).skip(1) {
            let part = part.split(&format!("</{kind}>")).next().unwrap();
            let of = |field: &str| {
                let (_, rest) = part.split_once(&format!("<{field}>")).unwrap();
                rest.split('<').next().unwrap().to_owned()
            };
            found.push((kind.to_owned(), of("Key"), of("VersionId")));
        }
    }
    found
}

#[test]
fn locks_keep_the_contract_on_ceph() {
    let (store, _) = store(servers::ceph());
    conformance::check_object_lock(&store, SystemClock.now());
}

#[test]
fn locks_keep_the_contract_on_moto() {
    let (store, _) = store(servers::moto());
    conformance::check_object_lock(&store, SystemClock.now());
}

#[test]
fn a_bucket_with_object_lock_keeps_the_contract_of_stores_and_no_versions() {
    let server = servers::moto();
    let (store, bucket) = store(server);
    conformance::check_store(&store);
    for area in ["a", "b", "c", "d", "e", "ee", "f", "g"] {
        for listed in store.list(area).unwrap() {
            store.delete(&listed.name).unwrap();
        }
    }
    assert_eq!(versions(server, &bucket), []);
}

#[test]
fn trying_a_bucket_with_object_lock_leaves_neither_versions_nor_markers() {
    // In a bucket with versions, Ceph heeds no condition and makes one more version: that is found out.
    for (server, creates) in [
        (servers::ceph(), Ability::Missing),
        (servers::moto(), Ability::Real),
    ] {
        let bucket = server.bucket_with(&LOCKING);
        let store = at(&server.endpoint, server, &bucket);
        let found = store.find_abilities().unwrap();
        assert_eq!(found.object_lock, Ability::Real);
        assert_eq!(found.conditional_create, creates, "{}", server.endpoint);
        assert_eq!(versions(server, &bucket), []);
    }
}

#[test]
fn what_is_locked_is_refused_without_a_marker_that_would_hide_it() {
    for server in [servers::ceph(), servers::moto()] {
        let (store, bucket) = store(server);
        let object = name("packs/00/kept");
        store.create(&object, b"kept", Attempts::Repeated).unwrap();
        store
            .retain(&object, &hours(1, 2, RetentionMode::Governance))
            .unwrap();
        let error = store.delete(&object).unwrap_err();
        assert_eq!(error.cause(), Some(&Cause::Locked), "{error}");
        let found = versions(server, &bucket);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "Version");
        assert_eq!(store.get(&object).unwrap(), b"kept");
    }
}

#[test]
fn a_stricter_mode_stays_and_a_laxer_one_lasts_longer_at_least() {
    for server in [servers::ceph(), servers::moto()] {
        let (store, _) = store(server);
        let (lax, strict) = (RetentionMode::Governance, RetentionMode::Compliance);
        for (first, then) in [(strict, lax), (lax, strict)] {
            let object = name(&format!("a/{}", first.as_word()));
            store.create(&object, b"kept", Attempts::Repeated).unwrap();
            store.retain(&object, &hours(1, 2, first)).unwrap();
            let said = store.retain(&object, &hours(3, 4, then)).unwrap();
            let held = store.protection(&object).unwrap().term.unwrap();
            assert_eq!(said, held);
            assert!(held.mode >= first);
            assert!(held.until.0 > SystemClock.now().0 + 3 * HOUR);
        }
    }
}

#[test]
fn who_may_remove_hides_what_is_locked_and_the_markers_can_be_taken_away() {
    for server in [servers::ceph(), servers::moto()] {
        let (store, bucket) = store(server);
        let (kept, lost) = (name("packs/00/kept"), name("packs/00/lost"));
        for object in [&kept, &lost] {
            store.create(object, b"bytes", Attempts::Repeated).unwrap();
        }
        store
            .retain(&kept, &hours(1, 2, RetentionMode::Governance))
            .unwrap();
        // The thief removes each name, and then every version that goes.
        for object in [&kept, &lost] {
            server.ask(&["DELETE", &format!("/{bucket}/part/{object}")]);
        }
        for (kind, key, version) in versions(server, &bucket) {
            if kind == "Version" {
                let target = format!("/{bucket}/{key}?versionId={version}");
                let (status, _) = server.ask_as(&server.key, &["DELETE", &target]);
                assert_eq!(status >= 400, key.ends_with("kept"), "{key}: {status}");
            }
        }
        assert!(store.get(&kept).unwrap_err().is_absent());
        assert!(store.list("packs").unwrap().is_empty());
        // What docs/s3.md says: the markers go, and what they hid is there.
        for (kind, key, version) in versions(server, &bucket) {
            if kind == "DeleteMarker" {
                server.ask(&["DELETE", &format!("/{bucket}/{key}?versionId={version}")]);
            }
        }
        assert_eq!(store.get(&kept).unwrap(), b"bytes");
        assert!(store.get(&lost).unwrap_err().is_absent());
        assert!(store.protection(&kept).unwrap().holds_at(SystemClock.now()));
    }
}

#[test]
fn a_bucket_without_object_lock_says_that_it_cannot() {
    let server = servers::ceph();
    let store = at(&server.endpoint, server, &server.bucket());
    let found = store.find_abilities().unwrap();
    assert_eq!(found.object_lock, Ability::Missing);
    let object = name("a/one");
    store.create(&object, b"1", Attempts::Repeated).unwrap();
    let refused = store.retain(&object, &hours(1, 2, RetentionMode::Governance));
    assert!(refused.is_err());
    assert!(store.set_hold(&object, true).is_err());
    store.delete(&object).unwrap();
}

#[test]
fn an_answer_to_a_lock_that_was_lost_is_asked_for_again() {
    let server = servers::ceph();
    let bucket = server.bucket_with(&LOCKING);
    let proxy = Proxy::before(&server.endpoint);
    let store = at(&proxy.endpoint, server, &bucket);
    let object = name("a/one");
    store.create(&object, b"1", Attempts::Repeated).unwrap();
    for query in ["retention", "legal-hold"] {
        let mut lost = false;
        proxy.decide(move |asked| {
            if asked.target.contains(query) && !std::mem::replace(&mut lost, true) {
                Fate::LoseAnswer
            } else {
                Fate::Pass
            }
        });
        match query {
            "retention" => drop(store.retain(&object, &hours(1, 2, RetentionMode::Governance))),
            _ => drop(store.set_hold(&object, true)),
        }
    }
    let lock = store.protection(&object).unwrap();
    assert!(lock.is_held && lock.term.is_some());
    let asked = proxy.seen();
    let puts = asked
        .iter()
        .filter(|asked| asked.target.contains("retention"));
    assert_eq!(puts.count(), 2, "a lost answer is asked for once more");
}
