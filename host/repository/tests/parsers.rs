//! Whatever stands in an object or a key file, reading it gives a value or an error: no panic, and no
//! more memory than the bytes justify. What is accepted is written again as it was read.
//!
//! Bytes are made from sound ones by a few changes, so that they come past the first checks.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use ed25519_dalek::SigningKey;
use holdfast_base::entry::{Entry, EntryKind, EntryPath, Extent, Ownership};
use holdfast_base::hex;
use holdfast_base::id::{ChunkId, PackId, RepositoryId, SnapshotId};
use holdfast_base::time::Instant;
use holdfast_repository::format::header::{Features, Header, VERSION};
use holdfast_repository::format::item::Item;
use holdfast_repository::format::pack::{Frame, Part, decode_table, encode_tail, table_length};
use holdfast_repository::format::refs::{Reference, decode_ids};
use holdfast_repository::format::root::{Counts, Root, SourceNote, Trunk};
use holdfast_repository::format::segment::{self, IndexedPack, PackKind};
use holdfast_repository::format::signed::{Author, Sign as _};
use holdfast_repository::keys::{KeyFile, Role, Signer, Trust, decode_header};
use holdfast_repository::seal::{Recipient, Sealer, Secret};
use holdfast_repository::{Repository, Setup};
use holdfast_store::local::LocalStore;
use holdfast_testkit::sealer::NativeAge;
use proptest::prelude::*;
use proptest::sample::Index;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::sync::{Arc, LazyLock};

/// More address space than this needs nobody; a count that is believed without a look would.
const MEMORY_MAX: u64 = 4 << 30;

/// Ends the process where something takes memory without bound.
static BOUNDED: LazyLock<()> = LazyLock::new(|| {
    let limit = Rlimit {
        current: Some(MEMORY_MAX),
        maximum: Some(MEMORY_MAX),
    };
    setrlimit(Resource::As, limit).unwrap();
});

/// One change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let telling = prop_oneof![Just(0), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    let inserted = prop_oneof![
        // The longest numbers that there are: counts that nothing can fill.
        Just(vec![
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
        ]),
        Just(b"[[[[[[[[[[[[[[[[".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let change = prop_oneof![
        4 => (any::<Index>(), telling).prop_map(|(at, to)| Change::Set(at, to)),
        1 => any::<Index>().prop_map(Change::Cut),
        2 => (any::<Index>(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ];
    prop::collection::vec(change, 0..5)
}

fn changed(sound: &[u8], changes: &[Change]) -> Vec<u8> {
    LazyLock::force(&BOUNDED);
    let mut bytes = sound.to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Set(at, to) => bytes[at.index(length)] = *to,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Insert(at, inserted) => {
                let at = at.index(length);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Change::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(part);
            }
        }
    }
    bytes
}

fn frames() -> Vec<Frame> {
    let part = |n: u8, offset, length| Part {
        id: ChunkId([n; 32]),
        offset,
        length,
    };
    let frame = |offset, length, expanded, parts| Frame {
        offset,
        length,
        expanded,
        parts,
    };
    vec![
        frame(0, 90, 300, vec![part(1, 0, 100), part(2, 100, 200)]),
        frame(90, 10, 5, vec![part(3, 0, 5)]),
    ]
}

fn table() -> Vec<u8> {
    let tail = encode_tail(&frames(), 100);
    let length = table_length(*tail.last_chunk().unwrap(), 100 + tail.len() as u64).unwrap();
    tail[tail.len() - length..].to_vec()
}

fn packs() -> Vec<IndexedPack> {
    let pack = |n: u8, kind| IndexedPack {
        id: PackId([n; 32]),
        kind,
        epoch: 1,
        sealed_bytes: 1000,
        frames: frames(),
    };
    vec![pack(1, PackKind::Content), pack(2, PackKind::Catalog)]
}

fn items() -> Vec<u8> {
    let mut bytes = Vec::new();
    let extents = Some(vec![Extent {
        offset: 4096,
        length: 10,
    }]);
    let kinds = [
        EntryKind::File {
            size: 10_000,
            extents,
        },
        EntryKind::Symlink {
            target: b"../\xfe".to_vec(),
        },
        EntryKind::HardLink {
            target: EntryPath::new("a/b").unwrap(),
        },
        EntryKind::BlockDevice { major: 8, minor: 1 },
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        let entry = Entry {
            path: EntryPath::new(format!("etc/{n}")).unwrap(),
            kind,
            modified: Instant(-5),
            ownership: Some(Ownership {
                mode: 0o4755,
                uid: 7,
                gid: 8,
                xattrs: vec![(b"user.a".to_vec(), vec![0, 1])],
            }),
            attributes: vec![("format".into(), "sql".into())],
        };
        let item = Item {
            entry,
            content_bytes: 10,
            chunks: 1,
        };
        item.encode(&mut bytes);
    }
    bytes
}

fn references() -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..4 {
        Reference::Items(ChunkId([n; 32])).encode(&mut bytes);
        Reference::Content(ChunkId([n + 9; 32])).encode(&mut bytes);
    }
    bytes
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn header() -> Header {
    Header {
        holdfast: VERSION,
        repository: RepositoryId([1; 16]),
        created: Instant(7),
        encryptor: "age".into(),
        verifying_key: hex::encode(signer().verifying_key().to_bytes()),
        features: Features::default(),
        splitters: vec![],
        service: None,
    }
}

fn root() -> Root {
    Root {
        snapshot: SnapshotId([2; 16]),
        repository: RepositoryId([1; 16]),
        job: "orders".into(),
        host: "here".into(),
        started: Instant(1),
        finished: Instant(2),
        source: SourceNote::default(),
        counts: Counts::default(),
        facts: vec![("lsn".into(), "0/16".into())],
        warnings: vec![],
        tags: vec!["daily".into()],
        references: Trunk {
            levels: 1,
            ids: vec![ChunkId([3; 32])],
        },
        program: "0.1.0".into(),
        author: Author::Root,
        origin: None,
    }
}

/// What signs for a host that the root certified.
fn host_signer() -> Signer {
    let read = KeyFile {
        repository: root().repository,
        root_key: Some(Secret::new(hex::encode(signer().to_bytes()))),
        ..KEY.clone()
    };
    let host = read.for_host("here", Instant(3), &[6; 32]).unwrap();
    host.signer().unwrap()
}

/// A key of a repository that was really made.
static KEY: LazyLock<KeyFile> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let setup = Setup {
        store: Arc::new(LocalStore::new(place.path().to_owned())),
        sealer: Arc::new(NativeAge),
        cache: None,
        clock: Arc::new(holdfast_base::time::SystemClock),
    };
    let operator = Recipient::PublicKey(NativeAge.generate().unwrap().public_key);
    Repository::init(&setup, &[operator]).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_pack_table_is_read_or_refused(changes in changes()) {
        let bytes = changed(&table(), &changes);
        if let Ok(frames) = decode_table(&bytes) {
            let parts = frames.iter().flat_map(|frame| frame.parts.iter().map(move |part| (frame, part)));
            for (frame, part) in parts {
                prop_assert!(part.offset.checked_add(part.length).is_some_and(|end| end <= frame.expanded));
            }
        }
    }

    #[test]
    fn a_segment_is_read_or_refused(changes in changes()) {
        let bytes = changed(&segment::encode(&packs()), &changes);
        if let Ok(packs) = segment::decode(&bytes) {
            prop_assert_eq!(segment::decode(&segment::encode(&packs)), Ok(packs));
        }
    }

    #[test]
    fn items_are_read_or_refused(changes in changes()) {
        let bytes = changed(&items(), &changes);
        if let Ok(items) = Item::decode_all(&bytes) {
            let mut again = Vec::new();
            items.iter().for_each(|item| item.encode(&mut again));
            prop_assert_eq!(Item::decode_all(&again), Ok(items));
        }
    }

    #[test]
    fn references_are_read_or_refused(changes in changes()) {
        let bytes = changed(&references(), &changes);
        if let Ok(references) = Reference::decode_all(&bytes) {
            let mut again = Vec::new();
            references.iter().for_each(|reference| reference.encode(&mut again));
            prop_assert_eq!(again, bytes.clone());
        }
        let _ = decode_ids(&bytes);
    }

    #[test]
    fn a_format_object_is_what_was_signed_or_refused(changes in changes()) {
        let bytes = changed(&header().encode(&Signer::root(signer())).unwrap(), &changes);
        if let Ok(read) = decode_header(&bytes) {
            prop_assert_eq!(read, header());
        }
    }

    #[test]
    fn a_snapshot_is_what_was_signed_or_refused(changes in changes()) {
        let trust = Trust::new(signer().verifying_key(), root().repository);
        for signer in [Signer::root(signer()), host_signer()] {
            let bytes = changed(&root().encode(&signer).unwrap(), &changes);
            if let Ok(read) = Root::decode(&bytes, &trust, root().repository, root().snapshot) {
                let signed = Root { author: signer.author().clone(), ..root() };
                prop_assert_eq!(read, signed);
            }
        }
    }

    #[test]
    fn a_key_file_or_an_epoch_is_read_or_refused(changes in changes()) {
        let bytes = changed(&KEY.encode().unwrap(), &changes);
        if let Ok(key) = KeyFile::decode(&bytes) {
            let _ = key.verifying_key();
            let _ = key.epoch(1);
            let _ = key.narrowed(Role::Audit);
            if let Ok(keys) = key.writing() {
                let _ = (keys.id_secret(), keys.split_secret());
            }
            let _ = (key.root().is_ok(), key.signer().is_ok());
            let _ = key.for_host("here", Instant(3), &[6; 32]);
        }
    }
}
