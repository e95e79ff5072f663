//! Why a service on the network did not do what it was asked.

use holdfast_base::advice::{Advice, SnapshotAdvice};
use holdfast_base::error::Kind;
use std::fmt;

/// Why a service on the network did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Nobody answers there.
    Unreachable,
    /// The answer takes too long.
    TimedOut,
    /// The answer ended in the middle, or contradicts itself.
    Broken,
    /// The service wants fewer requests.
    Throttled,
    /// The service has a failure of its own.
    Unavailable,
    /// The service takes no more.
    Full,
    /// The bucket is elsewhere.
    Region {
        /// The right one, as far as the service says so.
        right: Option<String>,
    },
    /// No credentials are there.
    NoCredentials,
    /// The service does not know the credentials, or they have expired.
    Credentials,
    /// The service knows the credentials, and does not let them do this.
    Denied,
    /// The clocks differ too much.
    Skewed,
    /// There is no such bucket.
    NoBucket,
    /// An object lies in a cold class and has to be thawed.
    Cold,
    /// An object may not be removed or changed yet.
    Locked,
    /// The service cannot do this at all.
    Unsupported,
    /// Something else is there.
    Occupied,
    /// Something in the store's table does not fit.
    Settings,
    /// Anything else.
    Refused,
}

impl Cause {
    /// Returns whether the same request may go well a moment later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::TimedOut | Self::Broken | Self::Throttled | Self::Unavailable
        )
    }

    pub(crate) fn error_kind(&self) -> Kind {
        match self {
            Self::Unreachable
            | Self::TimedOut
            | Self::Broken
            | Self::Throttled
            | Self::Unavailable
            | Self::Full
            | Self::Skewed
            | Self::Cold => Kind::Temporary,
            Self::Region { .. } | Self::Occupied | Self::Settings => Kind::Usage,
            Self::NoCredentials | Self::Credentials | Self::Denied | Self::Locked => Kind::Denied,
            Self::NoBucket => Kind::NoRepository,
            Self::Unsupported | Self::Refused => Kind::Failed,
        }
    }

    pub(crate) fn advice(&self) -> Advice {
        let text = match self {
            Self::Unreachable => {
                "Look at `endpoint` and at the network; then run it again: what was stored is kept"
            }
            Self::TimedOut => {
                "Run it again: what was stored is kept. For a slow line, raise `timeout-seconds` or lower `connections`"
            }
            Self::Broken => "Run it again: what was stored is kept",
            Self::Throttled => {
                "Run it again later: what was stored is kept. Fewer requests at once: `connections`; slower: `upload-limit`"
            }
            Self::Unavailable => "Run it again later: what was stored is kept",
            Self::Full => {
                "Make room, or have the quota raised, and run it again: what was stored is kept"
            }
            Self::Region { right: Some(right) } => {
                return Advice::Words(format!("Set in the store's table: region = \"{right}\""));
            }
            Self::Region { right: None } => {
                "Set `region` in the store's table to that of the bucket"
            }
            Self::NoCredentials => {
                "Refer to them in the store's table (access-key-id and secret-access-key = { secret = \"…\" }), or give \
                 them the usual way (AWS_ACCESS_KEY_ID, a profile, a role)"
            }
            Self::Credentials => {
                "Look at `access-key-id` and `secret-access-key` in the store's table, or at the profile or role that is used"
            }
            Self::Denied => {
                "Let the key's policy allow it; docs/s3.md has the least that a backup needs"
            }
            Self::Skewed => "Set this machine's clock right (timedatectl status), and run it again",
            Self::NoBucket => "Create the bucket with the service's own tools, or correct `url`",
            Self::Cold => return SnapshotAdvice::RestoreThawed.into(),
            Self::Locked => "Wait until the lock has ended",
            Self::Unsupported => {
                "This service cannot be used so: docs/s3.md says what a store must be able to do"
            }
            Self::Occupied => {
                "Give the repository a part of the bucket to itself: url = \"s3://bucket/holdfast\""
            }
            Self::Settings => "Correct the store's table",
            Self::Refused => "See what the service's documentation says of this answer",
        };
        Advice::Words(text.to_owned())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the service cannot be reached",
            Self::TimedOut => "the service takes too long to answer",
            Self::Broken => "the answer is incomplete",
            Self::Throttled => "the service wants fewer requests",
            Self::Unavailable => "the service has a failure of its own",
            Self::Full => "the service takes no more data",
            Self::Region { .. } => "the bucket is in another region",
            Self::NoCredentials => "no credentials are there",
            Self::Credentials => "the service does not take the credentials",
            Self::Denied => "the credentials do not allow it",
            Self::Skewed => "this machine's clock differs too much from the service's",
            Self::NoBucket => "there is no such bucket",
            Self::Cold => "the object lies in a cold storage class",
            Self::Locked => "the object is locked",
            Self::Unsupported => "the service cannot do it",
            Self::Occupied => "something else is there",
            Self::Settings => "a setting does not fit",
            Self::Refused => "the service refused it",
        })
    }
}

/// What a service answered, and what it comes down to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Answer {
    /// What it comes down to.
    pub cause: Cause,
    /// Its own words.
    pub words: String,
}
