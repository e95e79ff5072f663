//! Who is trusted: the repository's own key, and the hosts that it certified.
//!
//! - The root of trust is the key that the header names. Its private half is with the operators.
//! - A host signs with a key of its own. What it signs carries its certificate, signed by the root: so a
//!   host that has its write key cannot sign for another.
//! - A certificate belongs to one repository, and names one host.
//! - A certificate can be revoked. Then the snapshots still count that the revocation lists by their ids,
//!   and nothing else that its key signed. No clock decides: whoever holds the key could set it.

use crate::format::FormatError;
use crate::format::certificate::{CERTIFICATE, Certificate, Revocation};
use crate::format::header::{FORMAT_OBJECT, Header};
use crate::format::signed::{Author, Sign, SignedObject, VerifySignature};
use crate::keys::signer::Signer;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use holdfast_base::id::{RepositoryId, SnapshotId};
use holdfast_base::sync::Unpoisoned;
use std::collections::HashMap;
use std::sync::Mutex;

/// What signatures are checked against.
#[derive(Debug)]
pub struct Trust {
    root: VerifyingKey,
    repository: RepositoryId,
    revoked: Vec<Revocation>,
    /// Certificates that were found good, so that ten thousand snapshots of a host cost one check.
    certified: Mutex<HashMap<Vec<u8>, Certified>>,
}

/// A certificate that was found good.
#[derive(Debug, Clone)]
struct Certified {
    author: Author,
    key: VerifyingKey,
    revoked: Option<usize>,
}

impl Trust {
    /// Trusts the root of a repository, and whom it certifies for that repository.
    #[must_use]
    pub fn new(root: VerifyingKey, repository: RepositoryId) -> Self {
        Self {
            root,
            repository,
            revoked: Vec::new(),
            certified: Mutex::default(),
        }
    }

    /// Stops trusting what was revoked.
    #[must_use]
    pub fn without(self, mut revoked: Vec<Revocation>) -> Self {
        for revocation in &mut revoked {
            revocation.snapshots.sort_unstable();
        }
        Self {
            revoked,
            certified: Mutex::default(),
            ..self
        }
    }

    /// Trusts the root that a header names.
    ///
    /// # Errors
    /// The header names no key.
    pub fn named_by(header: &Header) -> Result<Self, FormatError> {
        Ok(Self::new(header_key(header)?, header.repository))
    }

    /// Makes sure that a signer is not revoked, before anything is made that nobody would accept.
    ///
    /// # Errors
    /// It is revoked, or has no certificate of this repository.
    pub fn ensure_usable(&self, signer: &Signer) -> Result<(), FormatError> {
        match signer.certificate() {
            None => Ok(()),
            Some(certificate) => {
                let certified = self.certify(certificate.as_bytes())?;
                self.ensure_valid(CERTIFICATE, &certified, None)
            }
        }
    }

    fn ensure_valid(
        &self,
        what: &'static str,
        certified: &Certified,
        snapshot: Option<&SnapshotId>,
    ) -> Result<(), FormatError> {
        let Some(revocation) = certified.revoked.and_then(|at| self.revoked.get(at)) else {
            return Ok(());
        };
        if snapshot.is_some_and(|id| revocation.snapshots.binary_search(id).is_ok()) {
            return Ok(());
        }
        Err(FormatError::Revoked {
            what,
            host: revocation.host.clone(),
            when: revocation.when,
        })
    }

    fn certify(&self, bytes: &[u8]) -> Result<Certified, FormatError> {
        let mut certified = self.certified.lock_unpoisoned();
        if let Some(found) = certified.get(bytes) {
            return Ok(found.clone());
        }
        let object = SignedObject::parse(CERTIFICATE, bytes)?;
        verify_alone(&object, &self.root)?;
        let certificate: Certificate = object.decode_unverified()?;
        if certificate.repository != self.repository {
            return Err(FormatError::invalid(
                CERTIFICATE,
                "it belongs to another repository",
            ));
        }
        let key = VerifyingKey::from_bytes(&certificate.key_bytes()?)
            .map_err(|_| FormatError::invalid(CERTIFICATE, "its key is none"))?;
        let mut revocations = self.revoked.iter();
        let found = Certified {
            key,
            revoked: revocations.position(|revocation| revocation.covers(&certificate)),
            author: Author::Host {
                name: certificate.host,
                key: certificate.key,
            },
        };
        certified.insert(bytes.to_vec(), found.clone());
        Ok(found)
    }
}

impl VerifySignature for Trust {
    fn verify_signature(&self, object: &SignedObject<'_>) -> Result<Author, FormatError> {
        if object.certificate.is_empty() {
            verify(object, &self.root)?;
            return Ok(Author::Root);
        }
        let certified = self.certify(object.certificate)?;
        verify(object, &certified.key)?;
        self.ensure_valid(object.what, &certified, object.snapshot.as_ref())?;
        Ok(certified.author)
    }
}

/// Reads the object `format`, and checks that the key that it names signed it.
///
/// # Errors
/// The bytes are no such object, are damaged, or come from a newer version.
pub fn decode_header(bytes: &[u8]) -> Result<Header, FormatError> {
    let object = SignedObject::parse(FORMAT_OBJECT, bytes)?;
    let header = Header::decode_unverified(&object)?;
    verify_alone(&object, &header_key(&header)?)?;
    Ok(header)
}

/// Returns the root of trust that a header names.
///
/// # Errors
/// The text is no such key.
pub fn header_key(header: &Header) -> Result<VerifyingKey, FormatError> {
    VerifyingKey::from_bytes(&header.key_bytes()?)
        .map_err(|_| FormatError::invalid(FORMAT_OBJECT, "verifying-key is no key"))
}

fn verify(object: &SignedObject<'_>, key: &VerifyingKey) -> Result<(), FormatError> {
    key.verify(&object.message(), &Signature::from_bytes(&object.signature))
        .map_err(|_| FormatError::Signature { what: object.what })
}

/// Verifies an object that only the root may sign, and below which nothing stands.
fn verify_alone(object: &SignedObject<'_>, key: &VerifyingKey) -> Result<(), FormatError> {
    if !object.certificate.is_empty() {
        return Err(FormatError::invalid(
            object.what,
            "something stands below it",
        ));
    }
    verify(object, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::header::{Features, VERSION};
    use crate::format::mark::{Hold, Mark, Tombstone};
    use ed25519_dalek::SigningKey;
    use holdfast_base::hex;
    use holdfast_base::time::Instant;
    use serde::de::DeserializeOwned;

    const REPOSITORY: RepositoryId = RepositoryId([1; 16]);

    /// Reads a value whose signature counts.
    fn decode<T: DeserializeOwned>(
        trust: &Trust,
        what: &'static str,
        bytes: &[u8],
    ) -> Result<(T, Author), FormatError> {
        SignedObject::parse(what, bytes)?.decode(trust)
    }

    fn certificate(key: &SigningKey, host: &str) -> Certificate {
        Certificate {
            repository: REPOSITORY,
            host: host.into(),
            key: hex::encode(key.verifying_key().to_bytes()),
            epoch: 1,
            issued: Instant(7),
        }
    }

    fn keys() -> (SigningKey, SigningKey, Trust) {
        let root = SigningKey::from_bytes(&[3; 32]);
        let trust = Trust::new(root.verifying_key(), REPOSITORY);
        (root, SigningKey::from_bytes(&[4; 32]), trust)
    }

    #[test]
    fn what_a_certified_host_signs_is_its_own_and_a_changed_byte_is_noticed() {
        let (root, host, trust) = keys();
        let text = certificate(&host, "web1")
            .encode(&Signer::root(root.clone()))
            .unwrap();
        let signer = Signer::host(host, text).unwrap();
        let bytes = signer.sign("snapshot", &vec![1, 2]).unwrap();
        let (value, author): (Vec<u8>, _) = decode(&trust, "snapshot", &bytes).unwrap();
        assert_eq!((value, &author), (vec![1, 2], signer.author()));
        assert!(author.to_string().starts_with("host web1 (key "));
        assert!(decode::<Vec<u8>>(&trust, "record", &bytes).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = decode::<Vec<u8>>(&trust, "snapshot", &changed);
            assert!(read.is_err(), "byte {at}");
            let cut = decode::<Vec<u8>>(&trust, "snapshot", &bytes[..at]);
            // Without its certificate it would be the root's, which did not sign it.
            assert!(cut.is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_the_root_signs_is_the_roots() {
        let (root, host, trust) = keys();
        let bytes = Signer::root(root).sign("snapshot", &7).unwrap();
        assert_eq!(decode(&trust, "snapshot", &bytes), Ok((7, Author::Root)));
        let bytes = Signer::root(host).sign("snapshot", &7).unwrap();
        assert!(decode::<i32>(&trust, "snapshot", &bytes).is_err());
    }

    #[test]
    fn a_host_can_certify_nobody_and_use_no_certificate_of_another() {
        let (root, host, trust) = keys();
        let other = SigningKey::from_bytes(&[5; 32]);
        // A host that certifies itself under another's name.
        let own = certificate(&host, "db1")
            .encode(&Signer::root(host.clone()))
            .unwrap();
        let bytes = Signer::host(host.clone(), own).unwrap();
        let bytes = bytes.sign("snapshot", &7).unwrap();
        assert!(decode::<i32>(&trust, "snapshot", &bytes).is_err());
        // A host that puts another's certificate below what it signs.
        let theirs = certificate(&other, "db1")
            .encode(&Signer::root(root.clone()))
            .unwrap();
        assert!(Signer::host(host.clone(), theirs.clone()).is_err());
        let mut bytes = Signer::root(host.clone()).sign("snapshot", &7).unwrap();
        bytes.extend_from_slice(theirs.as_bytes());
        assert!(decode::<i32>(&trust, "snapshot", &bytes).is_err());
        // A certificate that the same root gave for another repository.
        let elsewhere = Certificate {
            repository: RepositoryId([2; 16]),
            ..certificate(&host, "web1")
        };
        let signer =
            Signer::host(host, elsewhere.encode(&Signer::root(root.clone())).unwrap()).unwrap();
        let bytes = signer.sign("snapshot", &7).unwrap();
        let error = decode::<i32>(&trust, "snapshot", &bytes).unwrap_err();
        assert!(error.to_string().contains("another repository"), "{error}");
    }

    #[test]
    fn a_revoked_key_counts_for_what_was_there_and_a_newer_one_for_all() {
        let (root, host, trust) = keys();
        let there = SnapshotId([7; 16]);
        let trust = trust.without(vec![Revocation {
            host: "web1".into(),
            when: Instant(10),
            snapshots: vec![there],
        }]);
        let signed = |issued, name: &str| {
            let certificate = Certificate {
                issued: Instant(issued),
                ..certificate(&host, name)
            };
            let text = certificate.encode(&Signer::root(root.clone())).unwrap();
            Signer::host(host.clone(), text).unwrap()
        };
        let read = |signer: &Signer, id: Option<&SnapshotId>| {
            let bytes = signer.sign("snapshot", &7).unwrap();
            let object = SignedObject::parse("snapshot", &bytes).unwrap();
            let object = match id {
                Some(id) => object.with_snapshot(*id),
                None => object,
            };
            object.decode::<i32>(&trust).is_ok()
        };
        let old = signed(10, "web1");
        assert!(read(&old, Some(&there)) && trust.ensure_usable(&old).is_err());
        assert!(!read(&old, Some(&SnapshotId([8; 16]))) && !read(&old, None));
        for sound in [signed(11, "web1"), signed(10, "db1")] {
            assert!(read(&sound, None) && trust.ensure_usable(&sound).is_ok());
        }
    }

    #[test]
    fn names_that_no_host_can_have_are_refused() {
        let (root, host, _) = keys();
        for bad in ["", "a\nb", "\u{1b}[2J", &"x".repeat(300)] {
            assert!(
                certificate(&host, bad)
                    .encode(&Signer::root(root.clone()))
                    .is_err(),
                "{}",
                bad.len()
            );
        }
    }

    #[test]
    fn a_changed_byte_or_another_kind_of_object_is_noticed() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let trust = Trust::new(key.verifying_key(), REPOSITORY);
        let bytes = Signer::root(key).sign("snapshot", &vec![1, 2]).unwrap();
        assert_eq!(
            decode::<Vec<u8>>(&trust, "snapshot", &bytes),
            Ok((vec![1, 2], Author::Root))
        );
        assert!(decode::<Vec<u8>>(&trust, "record", &bytes).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(
                decode::<Vec<u8>>(&trust, "snapshot", &changed).is_err(),
                "byte {at}"
            );
        }
    }

    fn header() -> (Header, SigningKey) {
        let key = SigningKey::from_bytes(&[5; 32]);
        let header = Header {
            holdfast: VERSION,
            repository: RepositoryId([1; 16]),
            created: Instant(7),
            encryptor: "age".into(),
            verifying_key: hex::encode(key.verifying_key().to_bytes()),
            features: Features::default(),
            splitters: vec![],
            service: None,
        };
        (header, key)
    }

    #[test]
    fn a_newer_version_is_named_before_anything_else_is_read() {
        let (mut header, key) = header();
        header.holdfast = 9;
        let bytes = header.encode(&Signer::root(key)).unwrap();
        assert_eq!(
            decode_header(&bytes).unwrap_err().to_string(),
            "the format object has version 9, and this holdfast reads up to 1"
        );
    }

    fn tombstone() -> Tombstone {
        Tombstone {
            snapshot: SnapshotId([1; 16]),
            repository: RepositoryId([2; 16]),
            why: "no rule keeps it".into(),
            host: "here".into(),
            written: Instant(3),
            program: "0".into(),
        }
    }

    #[test]
    fn a_mark_is_taken_only_under_its_own_name_kind_repository_and_signature() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let mark = tombstone();
        let (name, repository) = mark.subject();
        let public = Trust::new(key.verifying_key(), repository);
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        let other = Trust::new(other, repository);
        let bytes = mark.encode(&Signer::root(key)).unwrap();
        let read = |key, repository, name| Tombstone::decode(&bytes, key, repository, name);
        assert_eq!(read(&public, repository, name), Ok((mark, Author::Root)));
        assert!(read(&other, repository, name).is_err());
        assert!(read(&public, RepositoryId([9; 16]), name).is_err());
        assert!(read(&public, repository, SnapshotId([9; 16])).is_err());
        assert!(Hold::decode(&bytes, &public, repository, name).is_err());
    }
}
