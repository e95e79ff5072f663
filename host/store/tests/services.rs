//! The S3 store against real services: the suite of all stores, and what each of them is found to do.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_store::cold::Tier;
use holdfast_store::s3::{S3Options, S3Store};
use holdfast_store::{
    Abilities, Ability, Attempts, Cause, ColdStorage, Created, Name, Placement, Probe, Store, Thaw,
    Thawing, Warmth, conformance,
};
use holdfast_testkit::proxy::{Fate, Proxy};
use holdfast_testkit::servers::{self, Server};
use std::io::Write;
use std::time::{Duration, Instant};

fn store(endpoint: &str, server: &Server) -> S3Store {
    S3Store::new(&server.bucket(), "part/", server.options(endpoint)).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Bytes that no two places of a part share.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at / 7) ^ (at >> 13)) as u8)
        .collect()
}

fn upload(
    store: &S3Store,
    object: &Name,
    bytes: &[u8],
) -> Result<Created, holdfast_store::StoreError> {
    let mut upload = store.upload(Placement::Standard)?;
    for piece in bytes.chunks(300_000) {
        upload.write_all(piece).unwrap();
    }
    upload.commit(object)
}

#[test]
fn the_s3_store_keeps_the_contract_on_ceph() {
    let server = servers::ceph();
    conformance::check_store(&store(&server.endpoint, server));
}

#[test]
fn the_s3_store_keeps_the_contract_on_moto() {
    let server = servers::moto();
    conformance::check_store(&store(&server.endpoint, server));
}

#[test]
fn the_s3_store_keeps_the_contract_in_a_part_of_a_bucket_and_in_all_of_one() {
    let server = servers::moto();
    let bucket = server.bucket();
    let at =
        |prefix: &str| S3Store::new(&bucket, prefix, server.options(&server.endpoint)).unwrap();
    let (all, part) = (at(""), at("part/"));
    part.create(&name("a/one"), b"1", Attempts::Repeated)
        .unwrap();
    assert!(all.list("a").unwrap().is_empty());
    all.create(&name("a/two"), b"22", Attempts::Repeated)
        .unwrap();
    assert_eq!(part.list("a").unwrap().len(), 1);
    assert_eq!(all.list("part").unwrap().len(), 1);
}

#[test]
fn ceph_is_found_to_create_conditionally_but_not_in_parts() {
    let server = servers::ceph();
    let found = store(&server.endpoint, server).find_abilities().unwrap();
    assert_eq!(found.conditional_create, Ability::Real);
    assert_eq!(found.conditional_create_in_parts, Ability::Missing);
    assert_eq!(found.strong_listing, Ability::Real);
    assert_eq!(found.checksums, Ability::Real);
    assert_eq!(found.object_lock, Ability::Missing);
}

#[test]
fn moto_is_found_to_keep_checksums_without_comparing_them() {
    let server = servers::moto();
    let found = store(&server.endpoint, server).find_abilities().unwrap();
    assert_eq!(found.checksums, Ability::Missing);
    assert_eq!(found.strong_listing, Ability::Real);
}

#[test]
fn a_service_whose_race_has_several_winners_is_found_out() {
    let server = servers::s3s();
    let store = store(&server.endpoint, server);
    let found = store.find_abilities().unwrap();
    assert_eq!(found.conditional_create, Ability::Claimed);
    assert_eq!(store.abilities(), found);
}

#[test]
fn a_service_that_ignores_conditions_is_found_out() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    proxy.decide(|_| Fate::Without(&["if-none-match", "if-match"]));
    let store = store(&proxy.endpoint, server);
    let found = store.find_abilities().unwrap();
    assert_eq!(found.conditional_create, Ability::Missing);
    assert_eq!(found.conditional_create_in_parts, Ability::Missing);
    assert_eq!(found.conditional_replace, Ability::Missing);
    // And what it lacks is looked for.
    let (object, large) = (name("b/once"), pattern(14 << 20));
    assert_eq!(
        store.create(&object, b"first", Attempts::Repeated).unwrap(),
        Created::New
    );
    assert_eq!(
        store
            .create(&object, b"second", Attempts::Repeated)
            .unwrap(),
        Created::Existed
    );
    assert_eq!(upload(&store, &object, &large).unwrap(), Created::Existed);
    assert_eq!(store.get(&object).unwrap(), b"first");
}

#[test]
fn trying_leaves_nothing_behind() {
    let server = servers::ceph();
    let store = store(&server.endpoint, server);
    store.find_abilities().unwrap();
    assert!(store.list("probe").unwrap().is_empty());
}

#[test]
fn a_place_that_holds_something_else_is_refused() {
    let server = servers::moto();
    let bucket = server.bucket();
    server.ask(&["PUT", &format!("/{bucket}/part/photos/1.jpg"), "-b", "x"]);
    let store = S3Store::new(&bucket, "part/", server.options(&server.endpoint)).unwrap();
    let error = store.find_abilities().unwrap_err();
    assert!(
        error.to_string().contains("something else is there"),
        "{error}"
    );
}

#[test]
fn large_packs_go_in_parts_and_come_back_whole() {
    for server in [servers::ceph(), servers::moto()] {
        let store = store(&server.endpoint, server);
        let (object, bytes) = (name("packs/00/large"), pattern((29 << 20) + 12_345));
        assert_eq!(upload(&store, &object, &bytes).unwrap(), Created::New);
        assert_eq!(store.size(&object).unwrap(), bytes.len() as u64);
        assert!(store.get(&object).unwrap() == bytes);
        let (from, length) = ((8 << 20) - 10, 30);
        assert_eq!(
            store.get_range(&object, from as u64, length).unwrap(),
            bytes[from..from + length]
        );
    }
}

#[test]
fn a_large_pack_does_not_replace_an_object_of_its_name() {
    for server in [servers::ceph(), servers::moto()] {
        let store = store(&server.endpoint, server);
        store.find_abilities().unwrap();
        let object = name("packs/00/taken");
        store.create(&object, b"first", Attempts::Repeated).unwrap();
        assert_eq!(
            upload(&store, &object, &pattern(14 << 20)).unwrap(),
            Created::Existed
        );
        assert_eq!(store.get(&object).unwrap(), b"first");
    }
}

#[test]
fn listings_of_many_pages_leave_nothing_out() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    let names: Vec<Name> = (0..1300_u32)
        .map(|number| {
            name(&format!(
                "packs/{:02x}/{number}",
                number.wrapping_mul(2_654_435_761) >> 24
            ))
        })
        .collect();
    std::thread::scope(|scope| {
        for part in names.chunks(200) {
            scope.spawn(|| {
                part.iter()
                    .for_each(|name| assert!(store.create(name, b"x", Attempts::Repeated).is_ok()))
            });
        }
    });
    let mut listed: Vec<Name> = store
        .list("packs")
        .unwrap()
        .into_iter()
        .map(|l| l.name)
        .collect();
    let mut expected = names;
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn a_listing_that_is_not_in_order_is_not_believed() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    for object in ["a/1", "a/2"] {
        store
            .create(&name(object), b"x", Attempts::Repeated)
            .unwrap();
    }
    proxy.decide(|_| Fate::Swap("part/a/1".into(), "part/a/3".into()));
    let error = store.list("a").unwrap_err();
    assert!(
        error.to_string().contains("the answer is incomplete"),
        "{error}"
    );
}

#[test]
fn an_answer_that_was_lost_is_looked_for() {
    let server = servers::ceph();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    store.assume_abilities(Abilities::LOCAL);
    let once = |method: &'static str| {
        let mut lost = false;
        move |asked: &holdfast_testkit::proxy::Asked| {
            if asked.method == method && !std::mem::replace(&mut lost, true) {
                Fate::LoseAnswer
            } else {
                Fate::Pass
            }
        }
    };
    proxy.decide(once("PUT"));
    assert_eq!(
        store
            .create(&name("a/one"), b"1", Attempts::Repeated)
            .unwrap(),
        Created::New
    );
    // Complete, whose answer says that a name is taken: by whom is the question.
    proxy.decide(once("PUT"));
    assert_eq!(
        store
            .create(&name("a/one"), b"2", Attempts::Repeated)
            .unwrap(),
        Created::Existed
    );
    assert_eq!(store.get(&name("a/one")).unwrap(), b"1");
}

#[test]
fn what_is_created_once_is_asked_for_once_whatever_happens() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    store.assume_abilities(Abilities::LOCAL);
    let puts = |proxy: &Proxy| proxy.seen().iter().filter(|a| a.method == "PUT").count();
    for (number, fate, is_there) in [
        (1, Fate::LoseAnswer, true),
        (2, Fate::Drop, false),
        (3, Fate::Answer(503, "SlowDown", &[]), false),
        (4, Fate::Answer(500, "InternalError", &[]), false),
    ] {
        let object = name(&format!("a/{number}"));
        proxy.decide(move |asked| match asked.method.as_str() {
            "PUT" => fate.clone(),
            _ => Fate::Pass,
        });
        let before = puts(&proxy);
        let error = store.create(&object, b"1", Attempts::Single).unwrap_err();
        assert!(error.cause().unwrap().is_passing(), "{error}");
        assert_eq!(puts(&proxy), before + 1, "{error}");
        assert_eq!(store.get(&object).is_ok(), is_there);
    }
    proxy.decide(|_| Fate::Pass);
    assert_eq!(
        store.create(&name("a/5"), b"1", Attempts::Single).unwrap(),
        Created::New
    );
    let again = store.create(&name("a/5"), b"1", Attempts::Single).unwrap();
    assert_eq!(again, Created::Existed);
}

#[test]
fn what_is_created_once_where_conditions_are_ignored_replaces_nothing() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    proxy.decide(|_| Fate::Without(&["if-none-match", "if-match"]));
    let store = store(&proxy.endpoint, server);
    assert_eq!(
        store.create(&name("a/1"), b"1", Attempts::Single).unwrap(),
        Created::New
    );
    let again = store.create(&name("a/1"), b"2", Attempts::Single).unwrap();
    assert_eq!(again, Created::Existed);
    assert_eq!(store.get(&name("a/1")).unwrap(), b"1");
}

/// How tests have objects thawed.
const SLOWLY: Thawing = Thawing {
    days: 3,
    tier: Tier::Bulk,
};

/// Returns how often the service was asked to thaw something.
fn asked_for(proxy: &Proxy) -> usize {
    let seen = proxy.seen().into_iter();
    seen.filter(|asked| asked.method == "POST" && asked.target.contains("restore"))
        .count()
}

#[test]
fn what_lies_in_a_cold_class_is_told_and_thawed_once() {
    let server = servers::own_moto();
    server.thaw_in_steps();
    let proxy = Proxy::before(&server.endpoint);
    let cold = S3Options {
        storage_class: Some("DEEP_ARCHIVE".into()),
        ..server.options(&proxy.endpoint)
    };
    let store = S3Store::new(&server.bucket(), "part/", cold).unwrap();
    let (small, large) = (name("packs/00/small"), name("packs/00/large"));
    for (object, length) in [(&small, 10), (&large, 14 << 20)] {
        let mut upload = store.upload(Placement::Bulk).unwrap();
        upload.write_all(&pattern(length)).unwrap();
        upload.commit(object).unwrap();
    }
    upload(&store, &name("packs/00/lists"), b"read often").unwrap();
    store
        .create(&name("packs/00/other"), b"read often", Attempts::Repeated)
        .unwrap();
    for listed in store.list("packs").unwrap() {
        let is_cold = listed.name == small || listed.name == large;
        let expected = if is_cold { Warmth::Cold } else { Warmth::Warm };
        assert_eq!(listed.warmth, expected, "{}", listed.name);
        let state = if is_cold { Thaw::Cold } else { Thaw::Ready };
        assert_eq!(store.thaw_state(&listed.name).unwrap(), state);
    }
    let error = store.get_range(&small, 0, 5).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::Cold));
    assert_eq!(store.size(&small).unwrap(), 10);

    assert_eq!(store.request_thaw(&small, SLOWLY).unwrap(), Thaw::Asked);
    assert_eq!(store.request_thaw(&small, SLOWLY).unwrap(), Thaw::Going);
    assert_eq!(store.request_thaw(&small, SLOWLY).unwrap(), Thaw::Ready);
    assert_eq!(asked_for(&proxy), 1);
    assert_eq!(store.get(&small).unwrap(), pattern(10));
    assert_eq!(store.thaw_state(&large).unwrap(), Thaw::Cold);
    let warm = name("packs/00/other");
    assert_eq!(store.request_thaw(&warm, SLOWLY).unwrap(), Thaw::Ready);
    assert_eq!(asked_for(&proxy), 1);
}

#[test]
fn to_ask_for_what_somebody_else_has_just_asked_for_is_no_error() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let cold = S3Options {
        storage_class: Some("GLACIER".into()),
        ..server.options(&proxy.endpoint)
    };
    let store = S3Store::new(&server.bucket(), "part/", cold).unwrap();
    let object = name("packs/00/cold");
    let mut upload = store.upload(Placement::Bulk).unwrap();
    upload.write_all(b"cold").unwrap();
    upload.commit(&object).unwrap();
    for (status, code, expected) in [
        (409, "RestoreAlreadyInProgress", Thaw::Going),
        (403, "ObjectAlreadyInActiveTierError", Thaw::Ready),
    ] {
        proxy.decide(move |asked| match asked.method.as_str() {
            "POST" => Fate::Answer(status, code, &[]),
            _ => Fate::Pass,
        });
        assert_eq!(store.request_thaw(&object, SLOWLY).unwrap(), expected);
    }
    proxy.decide(|asked| match asked.method.as_str() {
        "POST" => Fate::Answer(503, "GlacierExpeditedRetrievalNotAvailable", &[]),
        _ => Fate::Pass,
    });
    let error = store.request_thaw(&object, SLOWLY).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::Unavailable));
}

#[test]
fn half_an_answer_is_asked_for_again() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    let bytes = pattern(100_000);
    store
        .create(&name("a/one"), &bytes, Attempts::Repeated)
        .unwrap();
    let mut cut = 0;
    proxy.decide(move |_| {
        cut += 1;
        if cut % 2 == 1 {
            Fate::CutAnswer(5_000)
        } else {
            Fate::Pass
        }
    });
    assert!(store.get(&name("a/one")).unwrap() == bytes);
    assert!(store.get_range(&name("a/one"), 50, 60_000).unwrap() == bytes[50..60_050]);
}

#[test]
fn what_a_service_asks_to_wait_is_waited() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    proxy.decide(|asked| match asked.number {
        0 => Fate::Answer(503, "SlowDown", &[("retry-after", "2")]),
        _ => Fate::Pass,
    });
    let begun = Instant::now();
    store
        .create(&name("a/one"), b"1", Attempts::Repeated)
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[test]
fn bytes_pass_no_faster_than_the_limits() {
    let server = servers::moto();
    let limited = S3Options {
        upload_limit: Some(1 << 20),
        download_limit: Some(2 << 20),
        ..server.options(&server.endpoint)
    };
    let store = S3Store::new(&server.bucket(), "", limited).unwrap();
    let bytes = pattern(2 << 20);
    let begun = Instant::now();
    store
        .create(&name("a/one"), &bytes, Attempts::Repeated)
        .unwrap();
    assert!(
        begun.elapsed() >= Duration::from_millis(1700),
        "{:?}",
        begun.elapsed()
    );
    let begun = Instant::now();
    assert!(store.get(&name("a/one")).unwrap() == bytes);
    assert!(
        begun.elapsed() >= Duration::from_millis(700),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn no_more_requests_are_under_way_than_there_may_be() {
    const DELAY: Duration = Duration::from_millis(200);
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let narrow = S3Options {
        connections: 1,
        ..server.options(&proxy.endpoint)
    };
    let store = S3Store::new(&server.bucket(), "part/", narrow).unwrap();
    store
        .create(&name("a/one"), b"1", Attempts::Repeated)
        .unwrap();
    proxy.decide(|_| Fate::Delay(DELAY));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(store.get(&name("a/one")).unwrap(), b"1"));
        }
    });
    assert!(begun.elapsed() >= DELAY * 4, "{:?}", begun.elapsed());
}

#[test]
fn an_upload_that_the_service_lost_is_begun_anew() {
    let server = servers::ceph();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    let mut lost = false;
    proxy.decide(move |asked| {
        if asked.target.contains("partNumber=2") && !std::mem::replace(&mut lost, true) {
            Fate::Answer(404, "NoSuchUpload", &[])
        } else {
            Fate::Pass
        }
    });
    let (object, bytes) = (name("packs/00/again"), pattern(20 << 20));
    assert_eq!(upload(&store, &object, &bytes).unwrap(), Created::New);
    assert!(store.get(&object).unwrap() == bytes);
}

#[test]
fn an_upload_that_dies_is_not_to_be_seen_and_is_taken_back() {
    let server = servers::ceph();
    let proxy = Proxy::before(&server.endpoint);
    let store = store(&proxy.endpoint, server);
    proxy.decide(|asked| {
        if asked.target.contains("partNumber=2") {
            Fate::Drop
        } else {
            Fate::Pass
        }
    });
    let object = name("packs/00/dead");
    let error = upload(&store, &object, &pattern(20 << 20)).unwrap_err();
    assert!(
        error.cause().is_some_and(|cause| cause.is_passing()),
        "{error}"
    );
    assert!(store.list("packs").unwrap().is_empty());
    assert!(
        proxy
            .seen()
            .iter()
            .any(|asked| asked.method == "DELETE" && asked.target.contains("uploadId"))
    );
}
