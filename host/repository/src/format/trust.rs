//! Who signed an object: the repository's own key, or a host that it certified.
//!
//! - The root of trust is the key that the header names. Its private half is with the operators.
//! - A host signs with a key of its own. What it signs carries its certificate, signed by the root: so a
//!   host that has its write key cannot sign for another.
//! - A certificate belongs to one repository, and names one host.
//! - A certificate can be revoked. Then its snapshots count that were there when it was, by their ids, and
//!   nothing else that its key signed: no clock decides, which whoever holds the key could set.

use crate::format::{FormatError, signed};
use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_base::hex;
use holdfast_base::id::{RepositoryId, SnapshotId};
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

const WHAT: &str = "host certificate";
/// Longest name of a host, in bytes: what DNS allows.
const HOST_BYTES_MAX: usize = 255;

/// What the root says of a host's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Certificate {
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// The host.
    pub host: String,
    /// The public half of the host's key, in hexadecimal.
    pub key: String,
    /// The epoch in which it was made.
    pub epoch: u32,
    /// When it was made.
    pub issued: Instant,
}

/// Says that keys of a host no longer count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Revocation {
    /// The host.
    pub host: String,
    /// Its certificates up to this moment, by the clock of the operator who made both, are revoked.
    pub when: Instant,
    /// The snapshots that they had signed then: these stay valid.
    pub snapshots: Vec<SnapshotId>,
}

impl Revocation {
    fn covers(&self, certificate: &Certificate) -> bool {
        self.host == certificate.host && certificate.issued <= self.when
    }
}

/// Who signed an object, as far as its signature proves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Author {
    /// Nobody yet.
    #[default]
    Nobody,
    /// The repository's own key: an operator, or any host with a write key of version 1.
    Root,
    /// A host that the root certified.
    Host {
        /// Its name.
        name: String,
        /// The public half of its key, in hexadecimal.
        key: String,
    },
}

impl Author {
    /// Makes sure that a host signs only what it is said to have made itself.
    ///
    /// # Errors
    /// It is another host's, by what the object says.
    pub(super) fn made(&self, what: &'static str, claimed: &str) -> Result<(), FormatError> {
        match self {
            Self::Host { name, .. } if name != claimed => Err(FormatError::Impostor {
                what,
                claimed: claimed.to_owned(),
                signed: name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Returns the first digits of the host's key, or what stands for the root.
    #[must_use]
    pub fn short(&self) -> &str {
        match self {
            Self::Nobody => "nobody",
            Self::Root => "root",
            Self::Host { key, .. } => key.get(..16).unwrap_or(key),
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Root => f.write_str("the repository's own key, which proves no host"),
            Self::Host { name, .. } => write!(f, "host {name} (key {})", self.short()),
        }
    }
}

/// What signs objects: a private key, and the certificate of the host that it belongs to.
#[derive(Debug, Clone)]
pub struct Signer {
    key: SigningKey,
    certificate: Option<String>,
    author: Author,
}

impl Signer {
    /// Signs as the repository itself.
    #[must_use]
    pub fn root(key: SigningKey) -> Self {
        Self {
            key,
            certificate: None,
            author: Author::Root,
        }
    }

    /// Signs as a host.
    ///
    /// # Errors
    /// The certificate is none, or one of another key.
    pub fn host(key: SigningKey, certificate: String) -> Result<Self, FormatError> {
        let read: Certificate = signed::peek(WHAT, certificate.as_bytes())?;
        if read.key != hex::encode(key.verifying_key().to_bytes()) {
            return Err(FormatError::invalid(WHAT, "it belongs to another key"));
        }
        let (name, public) = (read.host, read.key);
        Ok(Self {
            key,
            certificate: Some(certificate),
            author: Author::Host { name, key: public },
        })
    }

    /// Returns as whom it signs.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// Writes a value, its signature, and the certificate that goes with it.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn sign<T: Serialize>(
        &self,
        what: &'static str,
        value: &T,
    ) -> Result<Vec<u8>, FormatError> {
        let mut bytes = signed::sign(what, value, &self.key)?;
        if let Some(certificate) = &self.certificate {
            bytes.extend_from_slice(certificate.as_bytes());
        }
        Ok(bytes)
    }
}

impl Certificate {
    /// Writes and signs it: two lines, as they stand below what the host signs.
    ///
    /// # Errors
    /// No host can have that name.
    pub fn encode(&self, root: &SigningKey) -> Result<String, FormatError> {
        self.sound()?;
        let bytes = signed::sign(WHAT, self, root)?;
        String::from_utf8(bytes).map_err(|e| FormatError::invalid(WHAT, e.to_string()))
    }

    fn sound(&self) -> Result<VerifyingKey, FormatError> {
        let name = &self.host;
        if name.is_empty() || name.len() > HOST_BYTES_MAX || name.contains(char::is_control) {
            let detail = format!("no host can be called `{}`", name.escape_default());
            return Err(FormatError::invalid(WHAT, detail));
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.key, &mut bytes)
            .map_err(|_| FormatError::invalid(WHAT, "its key is not hexadecimal"))?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| FormatError::invalid(WHAT, "its key is none"))
    }
}

/// What signatures are checked against.
#[derive(Debug)]
pub struct Trust {
    root: VerifyingKey,
    repository: RepositoryId,
    revoked: Vec<Revocation>,
    /// Certificates that were found good, so that ten thousand snapshots of a host cost one check.
    known: Mutex<HashMap<Vec<u8>, Certified>>,
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
            known: Mutex::default(),
        }
    }

    /// Trusts no longer what was revoked.
    #[must_use]
    pub fn without(self, mut revoked: Vec<Revocation>) -> Self {
        for revocation in &mut revoked {
            revocation.snapshots.sort_unstable();
        }
        Self {
            revoked,
            known: Mutex::default(),
            ..self
        }
    }

    /// Makes sure that what signs is not revoked, before anything is made that nobody would accept.
    ///
    /// # Errors
    /// It is revoked, or no certificate of this repository.
    pub fn usable(&self, signer: &Signer) -> Result<(), FormatError> {
        match &signer.certificate {
            None => Ok(()),
            Some(certificate) => {
                let certified = self.certified(certificate.as_bytes())?;
                self.valid(WHAT, &certified, None)
            }
        }
    }

    /// Reads a value whose signature fits, and says whose it is.
    ///
    /// # Errors
    /// The bytes are not such an object, or were signed by somebody who is not trusted.
    pub fn verify<T: DeserializeOwned>(
        &self,
        what: &'static str,
        bytes: &[u8],
    ) -> Result<(T, Author), FormatError> {
        self.verify_one(what, bytes, None)
    }

    /// Does the same for a snapshot, which stays valid where it was there before a key was revoked.
    ///
    /// # Errors
    /// The bytes are not such an object, or were signed by somebody who is not trusted.
    pub(super) fn verify_one<T: DeserializeOwned>(
        &self,
        what: &'static str,
        bytes: &[u8],
        snapshot: Option<&SnapshotId>,
    ) -> Result<(T, Author), FormatError> {
        let parts = signed::parts(what, bytes)?;
        if parts.below.is_empty() {
            return Ok((parts.verified(what, &self.root)?, Author::Root));
        }
        let certified = self.certified(parts.below)?;
        let value = parts.verified(what, &certified.key)?;
        self.valid(what, &certified, snapshot)?;
        Ok((value, certified.author))
    }

    fn valid(
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

    fn certified(&self, bytes: &[u8]) -> Result<Certified, FormatError> {
        let mut known = self.known.lock_unpoisoned();
        if let Some(found) = known.get(bytes) {
            return Ok(found.clone());
        }
        let certificate: Certificate = signed::verify(WHAT, bytes, &self.root)?;
        if certificate.repository != self.repository {
            return Err(FormatError::invalid(
                WHAT,
                "it belongs to another repository",
            ));
        }
        let certified = Certified {
            key: certificate.sound()?,
            revoked: self.revoked.iter().position(|one| one.covers(&certificate)),
            author: Author::Host {
                name: certificate.host,
                key: certificate.key,
            },
        };
        known.insert(bytes.to_vec(), certified.clone());
        Ok(certified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOSITORY: RepositoryId = RepositoryId([1; 16]);

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
        let text = certificate(&host, "web1").encode(&root).unwrap();
        let signer = Signer::host(host, text).unwrap();
        let bytes = signer.sign("snapshot", &vec![1, 2]).unwrap();
        let (value, author): (Vec<u8>, _) = trust.verify("snapshot", &bytes).unwrap();
        assert_eq!((value, &author), (vec![1, 2], signer.author()));
        assert!(author.to_string().starts_with("host web1 (key "));
        assert!(trust.verify::<Vec<u8>>("record", &bytes).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = trust.verify::<Vec<u8>>("snapshot", &changed);
            assert!(read.is_err(), "byte {at}");
            let cut = trust.verify::<Vec<u8>>("snapshot", &bytes[..at]);
            // Without its certificate it would be the root's, which did not sign it.
            assert!(cut.is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_the_root_signs_is_the_roots() {
        let (root, host, trust) = keys();
        let bytes = Signer::root(root).sign("snapshot", &7).unwrap();
        assert_eq!(trust.verify("snapshot", &bytes), Ok((7, Author::Root)));
        let bytes = Signer::root(host).sign("snapshot", &7).unwrap();
        assert!(trust.verify::<i32>("snapshot", &bytes).is_err());
    }

    #[test]
    fn a_host_can_certify_nobody_and_use_no_certificate_of_another() {
        let (root, host, trust) = keys();
        let other = SigningKey::from_bytes(&[5; 32]);
        // A host that certifies itself under another's name.
        let own = certificate(&host, "db1").encode(&host).unwrap();
        let bytes = Signer::host(host.clone(), own).unwrap();
        let bytes = bytes.sign("snapshot", &7).unwrap();
        assert!(trust.verify::<i32>("snapshot", &bytes).is_err());
        // A host that puts another's certificate below what it signs.
        let theirs = certificate(&other, "db1").encode(&root).unwrap();
        assert!(Signer::host(host.clone(), theirs.clone()).is_err());
        let mut bytes = Signer::root(host.clone()).sign("snapshot", &7).unwrap();
        bytes.extend_from_slice(theirs.as_bytes());
        assert!(trust.verify::<i32>("snapshot", &bytes).is_err());
        // A certificate that the same root gave for another repository.
        let elsewhere = Certificate {
            repository: RepositoryId([2; 16]),
            ..certificate(&host, "web1")
        };
        let signer = Signer::host(host, elsewhere.encode(&root).unwrap()).unwrap();
        let bytes = signer.sign("snapshot", &7).unwrap();
        let error = trust.verify::<i32>("snapshot", &bytes).unwrap_err();
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
            let text = certificate.encode(&root).unwrap();
            Signer::host(host.clone(), text).unwrap()
        };
        let read = |signer: &Signer, id| {
            let bytes = signer.sign("snapshot", &7).unwrap();
            trust.verify_one::<i32>("snapshot", &bytes, id).is_ok()
        };
        let old = signed(10, "web1");
        assert!(read(&old, Some(&there)) && trust.usable(&old).is_err());
        assert!(!read(&old, Some(&SnapshotId([8; 16]))) && !read(&old, None));
        for sound in [signed(11, "web1"), signed(10, "db1")] {
            assert!(read(&sound, None) && trust.usable(&sound).is_ok());
        }
    }

    #[test]
    fn names_that_no_host_can_have_are_refused() {
        let (root, host, _) = keys();
        for bad in ["", "a\nb", "\u{1b}[2J", &"x".repeat(300)] {
            assert!(
                certificate(&host, bad).encode(&root).is_err(),
                "{}",
                bad.len()
            );
        }
    }
}
