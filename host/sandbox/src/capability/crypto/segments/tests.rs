//! Sealed segments: what comes back, and what must not.

use super::*;
use crate::ports::StreamSink;
use ring::aead::{CHACHA20_POLY1305, UnboundKey};
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl StreamSink for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<u64> {
        Ok(0)
    }
}

const SEGMENT: usize = 1000;

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).unwrap())
}

fn segments(first: u64, to_end: bool, skip: u64, take: Option<u64>) -> Segments {
    let nonce_prefix = b"abc".to_vec();
    Segments {
        segment_bytes: SEGMENT as u32,
        nonce_prefix,
        first,
        to_end,
        skip,
        take,
    }
}

type Step = fn(&LessSafeKey, Segments, &Cancel, &mut Reader, &mut Writer) -> Result<u64, Failure>;

fn run(step: Step, segments: Segments, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let memory = Memory::default();
    let mut to = Writer::new(Box::new(memory.clone()));
    let mut from = Reader::new(io::Cursor::new(input.to_vec()));
    let count = step(&key(), segments, &Cancel::new(), &mut from, &mut to)?;
    let bytes = memory.0.lock().unwrap().clone();
    assert_eq!(count, bytes.len() as u64);
    Ok(bytes)
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

fn all() -> Segments {
    segments(0, true, 0, None)
}

#[test]
fn what_was_sealed_opens_again_whatever_its_length() {
    let batch = BATCH_BYTES / (SEGMENT + TAG_BYTES) * SEGMENT;
    for length in [
        0,
        1,
        999,
        1000,
        1001,
        2000,
        2500,
        batch - 1,
        batch,
        batch + 1,
        batch + SEGMENT,
        3 * batch,
    ] {
        let sealed = run(seal_segments, all(), &plain(length)).unwrap();
        let count = length.div_ceil(SEGMENT).max(1);
        assert_eq!(sealed.len(), length + count * TAG_BYTES, "{length}");
        assert!(
            run(open_segments, all(), &sealed).unwrap() == plain(length),
            "{length}"
        );
    }
}

#[test]
fn the_nonce_is_the_prefix_the_number_and_the_mark_of_the_end() {
    let sealed = run(seal_segments, all(), &plain(1500)).unwrap();
    let mut nonce = *b"abc\0\0\0\0\0\0\0\0\0";
    let mut first = sealed[..SEGMENT + TAG_BYTES].to_vec();
    let opened = key().open_in_place(
        Nonce::assume_unique_for_key(nonce),
        Aad::empty(),
        &mut first,
    );
    assert_eq!(opened.unwrap(), plain(1000));
    (nonce[10], nonce[11]) = (1, 1);
    let mut second = sealed[SEGMENT + TAG_BYTES..].to_vec();
    let opened = key().open_in_place(
        Nonce::assume_unique_for_key(nonce),
        Aad::empty(),
        &mut second,
    );
    assert_eq!(opened.unwrap(), &plain(1500)[1000..]);
}

#[test]
fn a_stream_cut_anywhere_is_damaged() {
    let sealed = run(seal_segments, all(), &plain(2500)).unwrap();
    for length in [0, 1, 15, 16, 1015, 1016, 1017, 2031, 2032, sealed.len() - 1] {
        let failure = run(open_segments, all(), &sealed[..length]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Damaged, "{length}");
    }
}

#[test]
fn a_changed_bit_a_swapped_segment_and_an_appended_one_are_damage() {
    let sealed = run(seal_segments, all(), &plain(3000)).unwrap();
    for at in [0, 500, 1015, 2040, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(
            run(open_segments, all(), &changed).unwrap_err().kind,
            FailureKind::Damaged
        );
    }
    let mut swapped = sealed[1016..2032].to_vec();
    swapped.extend_from_slice(&sealed[..1016]);
    swapped.extend_from_slice(&sealed[2032..]);
    assert!(run(open_segments, all(), &swapped).is_err());
    let longer = [&sealed[..], &sealed[..1016]].concat();
    assert!(run(open_segments, all(), &longer).is_err());
}

#[test]
fn a_range_is_given_in_full_or_not_at_all() {
    let sealed = run(seal_segments, all(), &plain(3500)).unwrap();
    let from_second = &sealed[1016..];
    let got = run(
        open_segments,
        segments(1, true, 100, Some(1500)),
        from_second,
    )
    .unwrap();
    assert_eq!(got, &plain(3500)[1100..2600]);
    let middle = &sealed[1016..2 * 1016];
    let got = run(open_segments, segments(1, false, 10, Some(20)), middle).unwrap();
    assert_eq!(got, &plain(3500)[1010..1030]);
    assert!(run(open_segments, segments(1, false, 10, Some(2000)), middle).is_err());
    assert!(run(open_segments, segments(1, true, 10, Some(20)), middle).is_err());
    assert!(run(open_segments, segments(0, true, 9000, None), &sealed).is_err());
}

#[test]
fn segments_that_cannot_be_are_refused() {
    let wrong = |segment_bytes, prefix: usize| Segments {
        segment_bytes,
        nonce_prefix: vec![0; prefix],
        ..all()
    };
    for segments in [wrong(0, 0), wrong(u32::MAX, 0), wrong(1000, 8)] {
        assert_eq!(
            run(seal_segments, segments, b"x").unwrap_err().kind,
            FailureKind::Invalid
        );
    }
    let far = Segments {
        nonce_prefix: vec![1; 7],
        ..segments(1 << 40, false, 0, None)
    };
    assert_eq!(
        run(open_segments, far, &[0; 32]).unwrap_err().kind,
        FailureKind::Limit
    );
}
