//! The doubles keep the contract's rules.

use super::host::crypto::{Aead, Key, Segments};
use super::host::process::Command;
use super::host::streams::{Writer, splice};
use super::host::{clock, random, secrets, state, trees};
use super::*;
use crate::types::FailureKind;
use std::io::{Read, Write};

fn whole(segment_bytes: u32) -> Segments {
    Segments {
        segment_bytes,
        nonce_prefix: vec![],
        first: 0,
        to_end: true,
        skip: 0,
        take: None,
    }
}

#[test]
fn a_reader_that_breaks_stays_broken_and_never_ends_well() {
    let failure = Failure::damaged("cut");
    let mut broken = reader(broken_after(b"abc", failure.clone()));
    let mut bytes = Vec::new();
    let error = broken.read_to_end(&mut bytes).map_err(Failure::from);
    assert_eq!(
        (bytes.as_slice(), error),
        (&b"abc"[..], Err(failure.clone()))
    );
    assert_eq!(broken.read(1), Err(failure));
}

#[test]
fn a_writer_counts_only_when_it_is_committed() {
    let (mut dropped, seen) = writer(100);
    dropped.write_all(b"abc").unwrap();
    drop(dropped);
    assert_eq!(seen.committed(), None);
    assert_eq!(seen.discarded().as_deref(), Some("the writer was dropped"));
    let (mut committed, seen) = writer(100);
    committed.write_all(b"abc").unwrap();
    assert_eq!(committed.commit(), Ok(3));
    assert_eq!(seen.committed().as_deref(), Some(&b"abc"[..]));
}

#[test]
fn a_writer_that_failed_cannot_be_committed() {
    let (full, seen) = writer(2);
    assert!(Writer::write(&full, b"abc").is_err());
    assert!(full.commit().is_err());
    assert_eq!(seen.committed(), None);
}

#[test]
fn a_splice_that_fails_takes_the_writer_with_it() {
    let (target, seen) = writer(100);
    let broken = reader(broken_after(b"abc", Failure::damaged("cut")));
    assert!(splice(&broken, &target).is_err());
    assert!(target.commit().is_err());
    assert_eq!(seen.committed(), None);
}

#[test]
fn small_reads_and_writes_are_collected() {
    let (target, seen) = writer(100);
    let mut target = target.buffered();
    for byte in reader(&b"abc"[..]).buffered().bytes() {
        target.write_all(&[byte.unwrap()]).unwrap();
    }
    assert_eq!(target.commit(), Ok(3));
    assert_eq!(seen.committed().as_deref(), Some(&b"abc"[..]));
}

#[test]
fn the_output_of_a_command_ends_as_the_command_does() {
    let host = Host::new()
        .unseen_secret("password", "hunter2")
        .command("dump", |call| {
            assert_eq!(call.environment["PGPASSWORD"], "hunter2");
            Exit::with_stdout("rows").status(3).stderr("no disk")
        });
    let dump = Command::new("dump").arguments(["--all"]);
    let child = dump.secret("PGPASSWORD", "password").spawn().unwrap();
    let mut text = String::new();
    let error = child.stdout().unwrap().read_to_string(&mut text);
    assert!(error.unwrap_err().to_string().contains("status 3"));
    let status = child.wait_for_exit().unwrap();
    let message = status.ensure_success("dump").unwrap_err().message;
    assert_eq!(message, "`dump` ended with status 3: no disk");
    assert_eq!(host.command_calls()[0].arguments, ["--all"]);
}

#[test]
fn a_command_that_is_dropped_is_killed() {
    let host = Host::new().command("dump", |_| Exit::with_stdout("rows"));
    let child = super::host::process::spawn(&Command::new("dump")).unwrap();
    let output = child.take_stdout().unwrap();
    drop(child);
    let failure = output.read(10).unwrap_err();
    assert!(failure.message.contains("signal 9"), "{failure}");
    assert_eq!(host.command_calls().len(), 1);
}

#[test]
fn a_command_gets_its_input_only_when_that_is_finished() {
    let host = Host::new().command("load", |call| Exit::with_stdout(call.stdin.clone()));
    for (finishes, expected) in [(true, Some(0)), (false, None)] {
        let child = Command::new("load").with_stdin().spawn().unwrap();
        let mut input = child.stdin().unwrap();
        input.write_all(b"rows").unwrap();
        if finishes {
            input.commit().unwrap();
        } else {
            drop(input);
        }
        assert_eq!(child.wait_for_exit().unwrap().code, expected);
    }
    assert_eq!(host.command_calls().len(), 2);
}

#[test]
fn what_was_not_granted_is_denied() {
    let _host = Host::new()
        .unseen_secret("password", "hunter2")
        .readable("/etc", Tree::new());
    let denied = |kind: Result<(), Failure>| kind.unwrap_err().kind == FailureKind::Denied;
    assert!(denied(Command::new("rm").spawn().map(drop)));
    assert!(denied(secrets::reveal("password").map(drop)));
    assert!(denied(trees::open("/var", trees::Access::Read).map(drop)));
    assert!(denied(trees::open("/etc", trees::Access::Write).map(drop)));
    assert!(trees::open("/etc", trees::Access::Read).is_ok());
}

#[test]
fn settings_are_checked_and_filled_in_as_a_host_does() {
    #[derive(serde::Deserialize)]
    struct Plugin {
        name: String,
        password: Option<String>,
        all: bool,
    }
    let manifest = crate::Manifest::source("x", "1.0.0", "x")
        .setting(crate::Setting::string("name", "who").required())
        .setting(crate::Setting::secret("password", "which"))
        .setting(crate::Setting::boolean("all", "whether").default_flag(true))
        .to_json();
    let host = Host::new();
    let make = |settings| host.plugin::<Plugin>(manifest, settings);
    let secret = serde_json::json!({ "secret": "env:X" });
    let plugin = make(serde_json::json!({ "name": "a", "password": secret })).unwrap();
    assert_eq!(
        (plugin.name.as_str(), plugin.password.as_deref(), plugin.all),
        ("a", Some("password"), true)
    );
    assert!(make(serde_json::json!({})).is_err());
    assert!(make(serde_json::json!({ "name": "a", "nmae": "b" })).is_err());
}

#[test]
fn a_tree_goes_into_a_snapshot_and_comes_back() {
    let tree = Tree::new()
        .with_file("a/b", "1")
        .with_file("a/c.tmp", "2")
        .with_symlink("l", "a/b");
    let host = Host::new()
        .readable("/in", tree)
        .writable("/out", Tree::new());
    let snapshot = Snapshot::new();
    let options = trees::WalkOptions {
        excludes: vec!["*.tmp".into()],
        one_file_system: false,
        exclude_caches: true,
    };
    let opened = trees::open("/in", trees::Access::Read).unwrap();
    snapshot.draft().add_tree(&opened, b"in", &options).unwrap();
    assert_eq!(snapshot.entry_names(), ["in", "in/a", "in/a/b", "in/l"]);
    let target = trees::open("/out", trees::Access::Write).unwrap();
    snapshot.content().extract(b"in", &target).unwrap();
    assert_eq!(
        host.granted_tree("/out").unwrap().paths(),
        ["a", "a/b", "l"]
    );
    let paths = snapshot.content().entries(b"in/a").unwrap();
    assert_eq!(
        paths.map(|entry| entry.unwrap().path).collect::<Vec<_>>(),
        [&b"in/a"[..], b"in/a/b"]
    );
}

#[test]
fn what_was_sealed_opens_and_what_was_cut_does_not() {
    for algorithm in [Aead::Chacha20Poly1305, Aead::Aes256Gcm] {
        let key = Key::load(algorithm, &[7; 32]).unwrap();
        for length in [0, 1, 9, 10, 11, 20, 25] {
            let plain: Vec<u8> = (0..length).collect();
            let (target, seen) = writer(1000);
            let from = sized_reader(plain.clone());
            key.seal_stream(&whole(10), &from, &target).unwrap();
            target.commit().unwrap();
            let sealed = seen.committed().unwrap();
            for cut in 0..=sealed.len() {
                let (target, seen) = writer(1000);
                let opened = key.open_stream(&whole(10), &sized_reader(&sealed[..cut]), &target);
                let committed = opened.and_then(|_| target.commit());
                assert_eq!(
                    committed.is_ok(),
                    cut == sealed.len(),
                    "{cut} of {}",
                    sealed.len()
                );
                if committed.is_ok() {
                    assert_eq!(seen.committed().unwrap(), plain);
                }
            }
        }
    }
}

#[test]
fn chance_and_time_are_the_same_in_every_run_and_never_twice_the_same() {
    let draw = || {
        let _host = Host::new();
        (
            random::bytes(8),
            random::bytes(8),
            clock::now_ns(),
            clock::now_ns(),
        )
    };
    let (first, second, earlier, later) = draw();
    assert!(first != second && earlier < later);
    assert_eq!(draw(), (first, second, earlier, later));
}

#[test]
fn values_of_the_state_are_kept_and_limited() {
    let host = Host::new().state_value("lsn", "1");
    assert_eq!(state::get("lsn"), Ok(Some(b"1".to_vec())));
    state::set("lsn", b"2").unwrap();
    assert_eq!(host.read_state("lsn").as_deref(), Some(&b"2"[..]));
    assert_eq!(
        state::set("big", &[0; 65_537]).unwrap_err().kind,
        FailureKind::Limit
    );
    state::remove("lsn").unwrap();
    assert_eq!(state::keys(), Ok(vec![]));
}

#[test]
fn an_origin_sees_the_secret_that_the_plugin_does_not() {
    let _host =
        Host::new()
            .unseen_secret("token", "t0p")
            .origin("https://hooks.example", |request| {
                let expected = host::http::HeaderValue::Plain("Bearer t0p".into());
                assert_eq!(request.headers[0].1, expected);
                Answer {
                    status: 204,
                    body: Vec::new(),
                }
            });
    let mut request = host::http::Request {
        method: "POST".into(),
        url: "https://hooks.example/x".into(),
        headers: vec![(
            "Authorization".into(),
            host::http::HeaderValue::Secret(("Bearer {}".into(), "token".into())),
        )],
        body: None,
    };
    assert_eq!(host::http::send(&request).unwrap().status, 204);
    request.url = "https://hooks.example.org/".into();
    assert!(host::http::send(&request).is_err());
}

#[test]
fn an_endpoint_shows_what_it_was_sent() {
    let host = Host::new().unseen_secret("password", "hunter2");
    let host = host.endpoint("db:5432", "ready");
    let connection = host::net::connect("db:5432", host::net::Protection::Plain).unwrap();
    let mut greeting = String::new();
    let mut from = connection.take_reader().unwrap();
    from.read_to_string(&mut greeting).unwrap();
    connection.write_secret("password").unwrap();
    connection.take_writer().unwrap().write_all(b"\n").unwrap();
    assert_eq!(greeting, "ready");
    assert_eq!(host.sent_to("db:5432").unwrap(), b"hunter2\n");
}
