//! Seals to age recipients: what comes out is an ordinary age file, which stock `age` opens.
//!
//! - The header and the keys are made here; the payload goes through the host's cipher in segments
//!   and never enters the guest.
//! - A file that was cut short, even between two segments, does not open: its last segment bears a
//!   mark, and the host demands it.

mod file_key;
mod header;
mod keys;
mod scrypt;

use file_key::FileKey;
use header::Header;
use holdfast_sdk::host::crypto::{Aead, Key, Segments};
use holdfast_sdk::host::random;
use holdfast_sdk::prelude::*;
use holdfast_sdk::{Blob, Encryptor, Identity, KeyPair, Recipient};

/// Bytes of plaintext in a segment, as age has it.
const SEGMENT: u64 = 64 << 10;
const TAG: u64 = 16;
const NONCE: usize = 16;
/// Longest header that is read.
const HEADER_MAX: usize = 64 << 10;

/// Nothing can be set: to whom something is sealed is the repository's matter.
#[derive(Debug, serde::Deserialize)]
pub struct Age {}

fn whole_stream() -> Segments {
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

const NO_HEADER: &str = "it is no age file, or its header is cut short";

/// Reads a header byte by byte: what follows it belongs to the host's cipher.
fn read_header(sealed: &Reader) -> Result<Header, Failure> {
    let (mut bytes, mut line) = (Vec::new(), 0);
    while !header::is_last_line(&bytes[line..]) {
        if bytes.ends_with(b"\n") {
            line = bytes.len();
        }
        match sealed.read(1)? {
            Some(byte) if bytes.len() < HEADER_MAX => bytes.extend(byte),
            _ => return Err(Failure::damaged(NO_HEADER)),
        }
    }
    Header::decode(&bytes)
}

/// Reads the header at the beginning of a blob.
fn header_of(sealed: &Blob) -> Result<Header, Failure> {
    let mut bytes = sealed.read_at(0, 1024)?;
    while !header::is_complete(&bytes) {
        let more = sealed.read_at(bytes.len() as u64, 16 << 10)?;
        if more.is_empty() || bytes.len() > HEADER_MAX {
            return Err(Failure::damaged(NO_HEADER));
        }
        bytes.extend(more);
    }
    Header::decode(&bytes)
}

fn read_exact(sealed: &Reader, count: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match sealed.read((count - bytes.len()) as u32)? {
            Some(more) => bytes.extend(more),
            None => return Err(Failure::damaged("it is cut short")),
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
        if let Err(failure) = header::check_recipients(recipients) {
            findings.push(Finding::error("recipients", failure.message));
        }
        for recipient in recipients {
            if let Recipient::PublicKey(text) = recipient
                && let Err(failure) = keys::parse_recipient(text)
            {
                findings.push(Finding::error(text, failure.message));
            }
        }
        Ok(findings)
    }

    fn generate(&self) -> Result<KeyPair, Failure> {
        keys::generate()
    }

    fn seal(&self, recipients: &[Recipient], plain: Reader, sealed: Writer) -> Result<(), Failure> {
        header::check_recipients(recipients)?;
        let file_key = FileKey::random();
        let wrap = |recipient| keys::wrap(&file_key, recipient, keys::SCRYPT_LOG_N);
        let stanzas: Vec<_> = recipients.iter().map(wrap).collect::<Result<_, _>>()?;
        let nonce = random::bytes(NONCE as u32);
        let mut head = Header::encode(&stanzas, &file_key)?;
        head.extend_from_slice(&nonce);
        sealed.write(&head)?;
        payload_key(&file_key, &nonce)?.seal_stream(&whole_stream(), &plain, &sealed)?;
        sealed.commit().map(drop)
    }

    fn open(&self, identities: &[Identity], sealed: Reader, plain: Writer) -> Result<(), Failure> {
        let header = read_header(&sealed)?;
        let file_key = keys::unwrap(&header, identities)?;
        let nonce = read_exact(&sealed, NONCE)?;
        payload_key(&file_key, &nonce)?.open_stream(&whole_stream(), &sealed, &plain)?;
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
        let header = header_of(sealed)?;
        let file_key = keys::unwrap(&header, identities)?;
        let start = header.length as u64 + NONCE as u64;
        let nonce = sealed.read_at(header.length as u64, NONCE as u32)?;
        let payload = sealed
            .size()
            .checked_sub(start)
            .ok_or_else(|| Failure::damaged("it is cut short"))?;
        let range = Range::covering(offset, length, payload)?;
        let reader = sealed.open_range(start + range.from, range.length)?;
        let key = payload_key(&file_key, &nonce)?;
        let written = key.open_stream(&range.segments, &reader, &plain)?;
        if written != length {
            return Err(Failure::damaged("the range reaches past the end"));
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
    fn covering(offset: u64, length: u64, payload: u64) -> Result<Self, Failure> {
        let beyond = || Failure::damaged("the range reaches past the end");
        let sealed = SEGMENT + TAG;
        let end = offset.checked_add(length).ok_or_else(beyond)?;
        let plain = payload
            .checked_sub(payload.div_ceil(sealed) * TAG)
            .ok_or_else(beyond)?;
        if end > plain || payload == 0 {
            return Err(beyond());
        }
        // An empty range at the very end lies in the last segment, too.
        let last = (payload - 1) / sealed;
        let first = (offset / SEGMENT).min(last);
        let from = first * sealed;
        let to = (end.div_ceil(SEGMENT).max(first + 1) * sealed).min(payload);
        let segments = Segments {
            first,
            to_end: to == payload,
            skip: offset - first * SEGMENT,
            take: Some(length),
            ..whole_stream()
        };
        Ok(Self {
            from,
            length: to - from,
            segments,
        })
    }
}

holdfast_sdk::export!(Age as Encryptor);

#[cfg(test)]
mod tests;
