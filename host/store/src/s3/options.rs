//! What one can say about an S3 store, beside its location.

use holdfast_base::cancel::Cancel;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Requests that may be under way at once, unless the store's table says otherwise.
const CONNECTIONS: usize = 8;
/// How often something is tried, unless the store's table says otherwise.
const ATTEMPTS: u32 = 10;
/// How long a small request may take, unless the store's table says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How the bucket stands in the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `https://endpoint/bucket/object`
    Path,
    /// `https://bucket.endpoint/object`
    Virtual,
}

/// How the service encrypts what it keeps, beside what holdfast seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// With keys of the service.
    Service,
    /// With a key of its key management; its usual one if none is named.
    KeyManagement(Option<String>),
}

/// Credentials that the configuration refers to.
#[derive(Clone)]
pub struct Credentials {
    /// Whose they are.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// What temporary ones have beside it.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// What one can say about an S3 store, beside its location.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The service's address; Amazon's if none is given.
    pub endpoint: Option<String>,
    /// The region; that of the environment if none is given.
    pub region: Option<String>,
    /// How the bucket stands in the address; in the path if an endpoint is given.
    pub style: Option<Style>,
    /// The class that packs of content are stored in.
    pub storage_class: Option<String>,
    /// How the service encrypts what it keeps.
    pub encryption: Option<Encryption>,
    /// Tags of every object.
    pub tags: Vec<(String, String)>,
    /// Credentials; those of the environment if none are given.
    pub credentials: Option<Credentials>,
    /// The profile of Amazon's own configuration files.
    pub profile: Option<String>,
    /// Requests that may be under way at once.
    pub connections: usize,
    /// How often something is tried before it has failed.
    pub attempts: u32,
    /// How long a small request may take; a large one may take longer.
    pub timeout: Duration,
    /// Bytes a second that go there.
    pub upload_limit: Option<u64>,
    /// Bytes a second that come back.
    pub download_limit: Option<u64>,
    /// The directory in which sealed packs wait for their names, in files without a name.
    pub spool: PathBuf,
    /// Ends whatever is going on.
    pub cancel: Cancel,
}

impl S3Options {
    /// Takes what is usual.
    #[must_use]
    pub fn new(spool: PathBuf) -> Self {
        Self {
            endpoint: None,
            region: None,
            style: None,
            storage_class: None,
            encryption: None,
            tags: Vec::new(),
            credentials: None,
            profile: None,
            connections: CONNECTIONS,
            attempts: ATTEMPTS,
            timeout: TIMEOUT,
            upload_limit: None,
            download_limit: None,
            spool,
            cancel: Cancel::new(),
        }
    }

    /// Returns whether the bucket stands in the path.
    pub(super) fn is_path_style(&self) -> bool {
        match self.style {
            Some(style) => style == Style::Path,
            None => self.endpoint.is_some(),
        }
    }
}
