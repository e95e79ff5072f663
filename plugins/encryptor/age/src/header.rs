//! The header of an age file: a line for the version, a stanza for each recipient, and a MAC.
//!
//! Written here and not taken from the `age` crate: that one keeps its header to itself, and with it
//! come a second cipher, translations and post-quantum keys. The tests hold this against the crate
//! and against the stock program, in both directions.

use crate::file_key::FileKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hmac::{Hmac, Mac};
use holdfast_sdk::{Failure, FailureKind, Recipient};
use sha2::Sha256;

const VERSION: &str = "age-encryption.org/v1";
/// Letters of base64 in a line of a stanza's body.
const COLUMNS: usize = 64;
/// Most stanzas of a header that is read.
const STANZAS_MAX: usize = 1024;

/// How the file key is wrapped for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stanza {
    pub(crate) kind: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// A header that was read.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) stanzas: Vec<Stanza>,
    /// What the MAC covers.
    covered: Vec<u8>,
    mac: Vec<u8>,
    /// Its length in bytes.
    pub(crate) length: usize,
}

/// A passphrase must be the only recipient: the format says so.
pub(crate) fn check_recipients(recipients: &[Recipient]) -> Result<(), Failure> {
    let is_passphrase = |recipient: &Recipient| matches!(recipient, Recipient::Passphrase(_));
    match recipients {
        [] => Err(Failure::invalid("there is nobody to seal to")),
        [_, _, ..] if recipients.iter().any(is_passphrase) => {
            let message = "age seals to a passphrase alone, and not to others beside it";
            Err(Failure::invalid(message))
        }
        _ => Ok(()),
    }
}

/// Returns whether the bytes hold the whole header.
pub(crate) fn is_complete(bytes: &[u8]) -> bool {
    find_end(bytes).is_some()
}

/// Returns whether a line is the last one of a header.
pub(crate) fn is_last_line(line: &[u8]) -> bool {
    line.starts_with(b"--- ") && line.ends_with(b"\n")
}

/// Finds the end of the line that begins with `---`.
fn find_end(bytes: &[u8]) -> Option<usize> {
    let mac = bytes.windows(5).position(|window| window == b"\n--- ")? + 1;
    let line = bytes[mac..].iter().position(|byte| *byte == b'\n')?;
    Some(mac + line + 1)
}

fn start_mac(file_key: &FileKey, covered: &[u8]) -> Result<Hmac<Sha256>, Failure> {
    let key = file_key.derive(None, b"header");
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key)
        .map_err(|_| Failure::failed("the header's key cannot be used"))?;
    mac.update(covered);
    Ok(mac)
}

impl Header {
    pub(crate) fn encode(stanzas: &[Stanza], file_key: &FileKey) -> Result<Vec<u8>, Failure> {
        let mut text = format!("{VERSION}\n");
        for stanza in stanzas {
            text.push_str("-> ");
            text.push_str(&stanza.kind);
            for argument in &stanza.arguments {
                text.push(' ');
                text.push_str(argument);
            }
            text.push('\n');
            let body = BASE64.encode(&stanza.body);
            let mut rest = body.as_str();
            // The last line is always shorter than the others, and empty if need be.
            loop {
                let (line, after) = rest.split_at(rest.len().min(COLUMNS));
                text.push_str(line);
                text.push('\n');
                rest = after;
                if line.len() < COLUMNS {
                    break;
                }
            }
        }
        text.push_str("---");
        let mac = start_mac(file_key, text.as_bytes())?
            .finalize()
            .into_bytes();
        text.push(' ');
        text.push_str(&BASE64.encode(mac));
        text.push('\n');
        Ok(text.into_bytes())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let unfit = || Failure::damaged("its header is no header of an age file");
        let length = find_end(bytes).ok_or_else(unfit)?;
        let text = std::str::from_utf8(&bytes[..length]).map_err(|_| unfit())?;
        let mut lines = text.trim_end_matches('\n').split('\n');
        match lines.next() {
            Some(VERSION) => {}
            Some(other) if other.starts_with("age-encryption.org/") => {
                return Err(Failure::new(
                    FailureKind::Unsupported,
                    format!("`{other}` is no version that is known"),
                ));
            }
            _ => return Err(unfit()),
        }
        let mut stanzas: Vec<Stanza> = Vec::new();
        let mut is_open = false;
        let mut body = String::new();
        let mut mac = None;
        for line in lines {
            if is_open {
                body.push_str(line);
                if line.len() < COLUMNS {
                    let stanza = stanzas.last_mut().ok_or_else(unfit)?;
                    stanza.body = BASE64.decode(&body).map_err(|_| unfit())?;
                    body.clear();
                    is_open = false;
                }
            } else if let Some(rest) = line.strip_prefix("-> ") {
                let mut words = rest.split(' ').map(str::to_owned);
                let kind = words.next().ok_or_else(unfit)?;
                stanzas.push(Stanza {
                    kind,
                    arguments: words.collect(),
                    body: Vec::new(),
                });
                is_open = true;
            } else if let Some(rest) = line.strip_prefix("--- ") {
                mac = Some(BASE64.decode(rest).map_err(|_| unfit())?);
            } else {
                return Err(unfit());
            }
        }
        let mac = mac
            .filter(|_| !is_open && stanzas.len() <= STANZAS_MAX)
            .ok_or_else(unfit)?;
        let covered_end = text.rfind("\n---").ok_or_else(unfit)? + 4;
        Ok(Self {
            stanzas,
            covered: bytes[..covered_end].to_vec(),
            mac,
            length,
        })
    }

    /// Checks that the header is the one that the holder of the file key made.
    pub(crate) fn verify(&self, file_key: &FileKey) -> Result<(), Failure> {
        let fits = start_mac(file_key, &self.covered)?.verify_slice(&self.mac);
        fits.map_err(|_| Failure::damaged("its header was changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_and_changes_are_noticed() {
        let key = FileKey::from_bytes([7; 16]);
        for length in [0, 32, 47, 48, 49, 96, 100] {
            let stanza = Stanza {
                kind: "X25519".into(),
                arguments: vec!["abc".into()],
                body: vec![3; length],
            };
            let bytes = Header::encode(std::slice::from_ref(&stanza), &key).unwrap();
            assert!(is_complete(&bytes) && !is_complete(&bytes[..bytes.len() - 1]));
            let header = Header::decode(&bytes).unwrap();
            assert_eq!(header.stanzas, [stanza]);
            assert_eq!(header.length, bytes.len());
            header.verify(&key).unwrap();
            assert!(header.verify(&FileKey::from_bytes([8; 16])).is_err());
        }
    }
}
