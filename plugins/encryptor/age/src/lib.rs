//! Seals to age recipients: what comes out is an ordinary age file, which stock `age` opens.
//!
//! The header and the keys are made here; the payload goes through the host's cipher in segments
//! and never enters the guest.

mod header;
mod keys;

use header::Header;
use holdfast_sdk::host::crypto::{Aead, Key, Segments};
use holdfast_sdk::host::random;
use holdfast_sdk::prelude::*;
use holdfast_sdk::{Blob, Encryptor, Identity, KeyPair, Recipient};
use keys::FileKey;

/// Bytes of plaintext in a segment, as age has it.
const SEGMENT: u64 = 64 << 10;
const TAG: u64 = 16;
const NONCE: usize = 16;
/// Longest header that is read.
const HEADER_MAX: usize = 64 << 10;

/// Nothing can be set: to whom something is sealed is the repository's matter.
#[derive(Debug, serde::Deserialize)]
pub struct Age {}

fn damaged(message: &str) -> Failure {
    Failure::new(FailureKind::Damaged, message)
}

fn whole() -> Segments {
    Segments {
        segment_bytes: SEGMENT as u32,
        nonce_prefix: vec![],
        first: 0,
        to_end: true,
        skip: 0,
        take: None,
    }
}

fn payload_key(file_key: &FileKey, nonce: &[u8]) -> Result<Key, Failure> {
    Key::load(
        Aead::Chacha20Poly1305,
        &file_key.derive(Some(nonce), b"payload"),
    )
}

/// Reads a header byte by byte: what follows it belongs to the host's cipher.
fn read_header(sealed: &Reader) -> Result<Header, Failure> {
    let mut bytes = Vec::new();
    while !header::is_complete(&bytes) {
        match sealed.read(1)? {
            Some(byte) if bytes.len() < HEADER_MAX => bytes.extend(byte),
            _ => return Err(damaged("it is no age file, or its header is cut short")),
        }
    }
    Header::decode(&bytes)
}

fn read_exact(sealed: &Reader, count: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match sealed.read((count - bytes.len()) as u32)? {
            Some(more) => bytes.extend(more),
            None => return Err(damaged("it is cut short")),
        }
    }
    Ok(bytes)
}

impl Encryptor for Age {
    const MANIFEST: Manifest = Manifest::encryptor(
        "age",
        env!("CARGO_PKG_VERSION"),
        "Seals to age recipients and passphrases",
    );

    fn check(&self, recipients: &[Recipient]) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for recipient in recipients {
            if let Recipient::PublicKey(text) = recipient
                && let Err(failure) = keys::parse_recipient(text)
            {
                findings.push(Finding::new(Severity::Error, text.clone(), failure.message));
            }
        }
        Ok(findings)
    }

    fn generate(&self) -> Result<KeyPair, Failure> {
        keys::generate()
    }

    fn seal(&self, recipients: &[Recipient], plain: Reader, sealed: Writer) -> Result<(), Failure> {
        let file_key = FileKey::random();
        let mut stanzas = Vec::new();
        for recipient in recipients {
            stanzas.push(keys::wrap(&file_key, recipient)?);
        }
        header::check_recipients(&stanzas)?;
        let nonce = random::bytes(NONCE as u32);
        let mut head = Header::encode(&stanzas, &file_key);
        head.extend_from_slice(&nonce);
        sealed.write(&head)?;
        payload_key(&file_key, &nonce)?.seal_stream(&whole(), &plain, &sealed)?;
        sealed.commit().map(drop)
    }

    fn open(&self, identities: &[Identity], sealed: Reader, plain: Writer) -> Result<(), Failure> {
        let header = read_header(&sealed)?;
        let file_key = keys::unwrap(&header, identities)?;
        let nonce = read_exact(&sealed, NONCE)?;
        payload_key(&file_key, &nonce)?.open_stream(&whole(), &sealed, &plain)?;
        plain.commit().map(drop)
    }

    fn open_range(
        &self,
        identities: &[Identity],
        sealed: &Blob,
        offset: u64,
        length: u64,
        plain: Writer,
    ) -> Result<(), Failure> {
        let mut bytes = sealed.read_at(0, 1024)?;
        while !header::is_complete(&bytes) {
            let more = sealed.read_at(bytes.len() as u64, 4096)?;
            if more.is_empty() || bytes.len() > HEADER_MAX {
                return Err(damaged("it is no age file, or its header is cut short"));
            }
            bytes.extend(more);
        }
        let header = Header::decode(&bytes)?;
        let file_key = keys::unwrap(&header, identities)?;
        let start = header.length as u64 + NONCE as u64;
        let nonce = sealed.read_at(header.length as u64, NONCE as u32)?;
        let payload = sealed
            .size()
            .checked_sub(start)
            .ok_or_else(|| damaged("it is cut short"))?;
        let range = Range::of(offset, length, payload)?;
        let reader = sealed.open_range(start + range.from, range.length)?;
        let key = payload_key(&file_key, &nonce)?;
        let written = key.open_stream(&range.segments, &reader, &plain)?;
        if written != length {
            return Err(damaged("the range reaches past the end"));
        }
        plain.commit().map(drop)
    }
}

/// The sealed segments that a range of the plaintext lies in.
struct Range {
    from: u64,
    length: u64,
    segments: Segments,
}

impl Range {
    fn of(offset: u64, length: u64, payload: u64) -> Result<Self, Failure> {
        let sealed = SEGMENT + TAG;
        let first = offset / SEGMENT;
        let end = offset
            .checked_add(length)
            .ok_or_else(|| damaged("the range reaches past the end"))?;
        let after = end.div_ceil(SEGMENT).max(first + 1);
        let from = first * sealed;
        if from >= payload {
            return Err(damaged("the range reaches past the end"));
        }
        let to = (after * sealed).min(payload);
        let segments = Segments {
            segment_bytes: SEGMENT as u32,
            nonce_prefix: vec![],
            first,
            to_end: to == payload,
            skip: offset - first * SEGMENT,
            take: Some(length),
        };
        Ok(Self {
            from,
            length: to - from,
            segments,
        })
    }
}

holdfast_sdk::export_encryptor!(Age);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_takes_the_segments_that_it_lies_in() {
        let payload = 3 * (SEGMENT + TAG) + 100;
        let range = Range::of(SEGMENT + 5, 10, payload).unwrap();
        assert_eq!((range.from, range.length), (SEGMENT + TAG, SEGMENT + TAG));
        assert_eq!(
            (
                range.segments.first,
                range.segments.skip,
                range.segments.to_end
            ),
            (1, 5, false)
        );
        let range = Range::of(SEGMENT - 1, 2 * SEGMENT + 50, payload).unwrap();
        assert_eq!(
            (range.from, range.length, range.segments.to_end),
            (0, payload, true)
        );
        assert!(Range::of(4 * SEGMENT, 1, payload).is_err());
    }
}
