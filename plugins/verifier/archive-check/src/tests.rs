//! Whole files have no findings; what was cut or changed has one, in words.

use super::*;
use holdfast_sdk::testing::{Host, Snapshot};
use serde_json::{Value, json};

const DUMP: &str = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(a);\nCOMMIT;\n";
const BLOCK: usize = 512;

fn verify(settings: Value, snapshot: &Snapshot) -> Result<Vec<Finding>, Failure> {
    let plugin: ArchiveCheck = Host::new().verifier(settings).unwrap();
    plugin.verify(&snapshot.content())
}

/// Judges one entry and returns what is worse than good to know.
fn findings(name: &str, bytes: &[u8]) -> Vec<String> {
    let found = verify(json!({}), &Snapshot::new().with_entry(name, bytes)).unwrap();
    let bad = found
        .into_iter()
        .filter(|finding| finding.severity > Severity::Info);
    bad.map(|finding| finding.message).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn header(kind: u8, size: &str) -> [u8; BLOCK] {
    let mut block = [0_u8; BLOCK];
    block[..4].copy_from_slice(b"file");
    block[124..124 + size.len()].copy_from_slice(size.as_bytes());
    block[156] = kind;
    block[257..262].copy_from_slice(b"ustar");
    block[148..156].copy_from_slice(b"        ");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn tar(members: usize) -> Vec<u8> {
    let mut archive = Vec::new();
    for _ in 0..members {
        archive.extend(header(b'0', "00000000012"));
        archive.extend([7; BLOCK]);
    }
    archive.extend([0; 2 * BLOCK]);
    archive
}

#[test]
fn sound_files_have_no_findings() {
    for (name, bytes) in [
        ("a.sql", DUMP.as_bytes().to_vec()),
        ("a.sql.gz", gzip(DUMP.as_bytes())),
        ("a.sql.zst", zstd(DUMP.as_bytes())),
        ("a.tar", tar(2)),
        ("a.tgz", gzip(&tar(1))),
        ("a.tar.zst", zstd(&tar(1))),
        ("a.gz", gzip(b"anything")),
        ("two-members.gz", [gzip(b"a"), gzip(b"b")].concat()),
        ("two-frames.zst", [zstd(b"a"), zstd(b"b")].concat()),
    ] {
        assert_eq!(findings(name, &bytes), [""; 0], "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_found_out() {
    for (name, whole) in [
        ("a.sql", DUMP.trim_end().as_bytes().to_vec()),
        ("a.sql.gz", gzip(DUMP.as_bytes())),
        ("a.sql.zst", zstd(DUMP.as_bytes())),
        ("a.tar", tar(2)),
        ("a.tar.gz", gzip(&tar(2))),
        ("stdout-of-a-command", gzip(&tar(2))),
    ] {
        let least = if name.contains('.') { 0 } else { 2 };
        let step = (whole.len() / 200).max(1);
        for length in (least..whole.len()).step_by(step) {
            let found = findings(name, &whole[..length]);
            assert_eq!(found.len(), 1, "{name}, {length} of {} bytes", whole.len());
        }
    }
}

#[test]
fn a_bit_flipped_in_what_is_compressed_is_found_out() {
    let plain: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| (n * n).to_le_bytes())
        .collect();
    for (name, whole) in [("a.gz", gzip(&plain)), ("a.zst", zstd(&plain))] {
        // The header of gzip holds a time and a system that nothing checks.
        for at in (10..whole.len()).step_by(whole.len() / 50) {
            let mut changed = whole.clone();
            changed[at] ^= 4;
            assert_eq!(findings(name, &changed).len(), 1, "{name} byte {at}");
        }
    }
}

#[test]
fn what_a_source_wrote_is_looked_into_whatever_its_name() {
    assert_eq!(findings("stdout", &gzip(DUMP.as_bytes())), [""; 0]);
    let cut = &DUMP.as_bytes()[..DUMP.len() - 9];
    let expected = "the SQLite dump has no `COMMIT;` at its end: it was cut short";
    assert_eq!(findings("stdout", cut), [expected]);
    assert_eq!(findings("stdout", &gzip(cut)), [expected]);
    assert_eq!(findings("stdout", b"anything"), [""; 0]);
}

#[test]
fn an_empty_or_foreign_file_is_found_out() {
    assert_eq!(findings("a.sql", b""), ["the dump is empty"]);
    assert_eq!(findings("a.sql", b"hello").len(), 1);
    assert_eq!(findings("a.gz", b"").len(), 1);
    assert_eq!(findings("a.gz", b"hello").len(), 1);
    assert_eq!(findings("a.zst", b""), ["zstd: it is empty"]);
    assert_eq!(findings("a.zst", b"hello").len(), 1);
    assert_eq!(findings("a.tar", &tar(0)), ["the archive has no member"]);
}

#[test]
fn a_dump_that_holds_nothing_is_a_warning() {
    let empty = "-- MySQL dump 10.13\n\n-- Dump completed on 2026-01-01\n";
    assert_eq!(
        findings("a.sql", empty.as_bytes()),
        ["the MySQL dump is whole and holds nothing"]
    );
}

#[test]
fn a_word_in_the_data_is_no_end_mark() {
    let text = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nINSERT INTO t VALUES('\nCOMMIT;\n";
    assert_eq!(
        findings("a.sql", format!("{text}');\n").as_bytes()).len(),
        1
    );
}

#[test]
fn a_cluster_that_ends_after_one_of_its_databases_is_found_out() {
    let inner =
        "-- PostgreSQL database dump\nCREATE TABLE t();\n-- PostgreSQL database dump complete\n";
    let begin = format!("-- PostgreSQL database cluster dump\n{inner}");
    assert_eq!(findings("all.sql", begin.as_bytes()).len(), 1);
    let whole = format!("{begin}-- PostgreSQL database cluster dump complete\n--\n\n");
    assert_eq!(findings("all.sql", whole.as_bytes()), [""; 0]);
}

#[test]
fn a_dump_whose_database_could_not_be_read_says_so() {
    let text = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nROLLBACK; -- due to errors\n";
    assert!(findings("a.sql", text.as_bytes())[0].contains("ROLLBACK"));
}

#[test]
fn the_headers_of_archives_are_checked_and_understood() {
    let mut damaged = tar(2);
    damaged[1024] ^= 1;
    assert_eq!(
        findings("a.tar", &damaged),
        ["a header of the archive is damaged"]
    );
    // An extended header says what has no room in the member's own.
    let record = b"13 size=1030\n";
    let mut extended = header(b'x', "00000000015").to_vec();
    extended.extend(record);
    extended.resize(2 * BLOCK, 0);
    extended.extend(header(b'0', "00000000000"));
    extended.extend([7; 3 * BLOCK]);
    extended.extend([0; 2 * BLOCK]);
    assert_eq!(findings("a.tar", &extended), [""; 0]);
    // A directory has no content, whatever its header says.
    let mut directory = header(b'5', "00000010000").to_vec();
    directory.extend([0; 2 * BLOCK]);
    assert_eq!(findings("a.tar", &directory), [""; 0]);
}

#[test]
fn a_database_file_must_have_the_pages_that_it_says() {
    let mut file = vec![0; 3 * 4096];
    file[..16].copy_from_slice(dump::SQLITE_MAGIC);
    file[16..18].copy_from_slice(&4096_u16.to_be_bytes());
    file[28..32].copy_from_slice(&3_u32.to_be_bytes());
    assert_eq!(findings("a.sqlite", &file), [""; 0]);
    for length in [0, 50, 4096, 8192, 10_000] {
        assert_eq!(findings("a.sqlite", &file[..length]).len(), 1, "{length}");
    }
}

#[test]
fn what_must_be_there_and_is_not_is_an_error() {
    let snapshot = Snapshot::new().with_entry("db/a.sql", DUMP);
    let found = |settings| {
        let findings = verify(settings, &snapshot).unwrap().into_iter();
        let errors = findings.filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| finding.subject).collect::<Vec<_>>()
    };
    assert_eq!(
        found(json!({ "require": ["db/*.sql"], "dumps": ["db/a.sql"] })),
        [""; 0]
    );
    assert_eq!(
        found(json!({ "require": ["b.sql"], "dumps": ["c"] })),
        ["b.sql", "c"]
    );
}

#[test]
fn a_job_can_say_what_entries_must_be() {
    let snapshot = Snapshot::new()
        .with_entry("dump", "hello")
        .with_entry("a.sql", "hello");
    let errors = |expect| {
        let findings = verify(json!({ "expect": expect }), &snapshot).unwrap();
        findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count()
    };
    assert_eq!(errors(json!({})), 1);
    assert_eq!(errors(json!({ "dump": "sql" })), 2);
    assert_eq!(errors(json!({ "*": "skip" })), 0);
    assert_eq!(errors(json!({ "dump": "sql.gz", "a.sql": "skip" })), 1);
    let plugin: ArchiveCheck = Host::new()
        .verifier(json!({ "expect": { "a": "rar" } }))
        .unwrap();
    assert_eq!(plugin.check().unwrap()[0].subject, "expect.a");
}

#[test]
fn damage_that_the_host_finds_is_a_finding_too() {
    let snapshot = Snapshot::new()
        .with_entry("a.gz", gzip(&[7; 100_000]))
        .broken("a.gz", 20);
    let found = verify(json!({}), &snapshot).unwrap();
    assert_eq!(found[0].message, "entry `a.gz` is damaged");
}

#[test]
fn what_was_judged_is_counted() {
    let snapshot = Snapshot::new()
        .with_entry("a.sql", DUMP)
        .with_entry("photo", "jpeg");
    let found = verify(json!({}), &snapshot).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].message.starts_with("1 of 2 entries"));
}

#[test]
fn a_bomb_does_not_fill_the_memory() {
    let sealed = gzip(&vec![0; 64 << 20]);
    assert_eq!(findings("bomb.gz", &gzip(&sealed)), [""; 0]);
    assert_eq!(findings("bomb.tar.gz", &sealed).len(), 1);
}
