//! Why somebody cannot open a repository, or cannot be let open it.

use holdfast_base::advice::{AccessAdvice, Advice};
use holdfast_base::error::{Describe, Kind};
use holdfast_repository::keys::Role;
use std::fmt;

/// What an operator gave to open a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// A passphrase alone.
    Passphrase,
    /// One identity.
    Identity,
    /// Several of them.
    Several,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase => "the passphrase",
            Self::Identity => "the identity",
            Self::Several => "what was given",
        })
    }
}

/// Why somebody cannot open a repository, or cannot be let open it.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// What the operator gave does not open the repository.
    #[error("{given} does not open the repository in {place}")]
    WrongOperator {
        /// What was given.
        given: Given,
        /// The store.
        place: String,
    },
    /// Nobody could open a new repository after a disaster.
    #[error("nobody is named who could open the repository after a disaster")]
    NoOperator,
    /// Nobody is named who shall be able to open the repository.
    #[error("nobody is named who shall be able to open the repository")]
    NoNewOperator,
    /// The encryptor cannot use a recipient.
    #[error("a recipient cannot be used: {reason}")]
    InvalidRecipient {
        /// What the encryptor says.
        reason: String,
    },
    /// A host is named for a key that signs for none.
    #[error("a key of role {role} is no host's: it signs nothing for one")]
    HostlessRole {
        /// The role.
        role: Role,
    },
    /// No host can have that name.
    #[error("{reason}")]
    InvalidHost {
        /// What is wrong with the name.
        reason: String,
    },
    /// Two repositories have different keys, and the key at hand does not read.
    #[error(
        "the repositories of `{from}` and `{to}` have different keys: content must be read to be copied"
    )]
    DifferentKeys {
        /// The store that is copied from.
        from: String,
        /// The store that is copied to.
        to: String,
    },
}

impl Describe for AccessError {
    fn kind(&self) -> Kind {
        match self {
            Self::WrongOperator { .. } | Self::DifferentKeys { .. } => Kind::Key,
            _ => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        vec![match self {
            Self::WrongOperator { .. } => AccessAdvice::UseOperatorCredentials.into(),
            Self::NoOperator => AccessAdvice::NameFirstOperator.into(),
            Self::NoNewOperator => AccessAdvice::NameNewOperator.into(),
            Self::InvalidRecipient { .. } => AccessAdvice::ReviewRecipients.into(),
            Self::HostlessRole { .. } => AccessAdvice::OmitHost.into(),
            Self::InvalidHost { .. } => AccessAdvice::NameHost.into(),
            Self::DifferentKeys { .. } => AccessAdvice::ReadOrShareKeys.into(),
        }]
    }
}
