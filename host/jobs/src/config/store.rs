//! The tables of stores: the place of a repository, and how a service is spoken to.

use super::{Config, ConfigError, reference};
use crate::retention::rules::Lifetime;
use holdfast_base::error::Describe;
use holdfast_base::size::ByteSize;
use holdfast_repository::parity::{Shape, ShapeError};
use holdfast_store::s3::{Encryption, S3Options, Style};
use holdfast_store::{Location, RetentionMode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// Tags that S3 lets an object have.
const OBJECT_TAGS_MAX: usize = 10;
/// Bounds of what would otherwise be a way to wait for ever, or to be a nuisance.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;
const ATTEMPTS: std::ops::RangeInclusive<u64> = 1..=100;
const CONNECTIONS: std::ops::RangeInclusive<u64> = 1..=64;
/// The longest that services lock something.
pub const LOCK_MAX_NANOSECONDS: i64 = 100 * 365 * 24 * 3600 * 1_000_000_000;
/// A line that is slower than this would not get a part through.
const LIMIT_MIN: u64 = 1 << 10;

/// A place for a repository.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoreConfig {
    /// Its address.
    pub url: Spanned<String>,
    /// The key file if it is not the usual one.
    pub key: Option<PathBuf>,
    /// The encryptor that seals its objects.
    #[serde(default = "age")]
    pub encryptor: Spanned<String>,
    /// Who can open it, beside whom `init` names.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Whether what a run writes is looked at again before it relies on it.
    #[serde(default = "yes")]
    pub prove: bool,
    /// How much parity lies beside packs, in a directory.
    pub parity: Option<Spanned<String>>,
    /// The service's address; Amazon's if none is given.
    pub endpoint: Option<Spanned<String>>,
    /// The region.
    pub region: Option<Spanned<String>>,
    /// The part of the address that names the bucket.
    pub style: Option<Spanned<StyleName>>,
    /// The class that packs are stored in.
    pub storage_class: Option<Spanned<String>>,
    /// How the service encrypts what it keeps, beside what holdfast seals.
    pub encryption: Option<Spanned<EncryptionName>>,
    /// The key of the service's key management.
    pub encryption_key: Option<Spanned<String>>,
    /// Tags of every object.
    pub object_tags: Option<Spanned<BTreeMap<String, String>>>,
    /// Whose credentials they are.
    pub access_key_id: Option<Spanned<Referred>>,
    /// The credentials' secret.
    pub secret_access_key: Option<Spanned<Referred>>,
    /// What temporary credentials have beside it.
    pub session_token: Option<Spanned<Referred>>,
    /// The profile of Amazon's configuration files.
    pub profile: Option<Spanned<String>>,
    /// Requests that may be under way at once.
    pub connections: Option<Spanned<u64>>,
    /// How often something is tried before it has failed.
    pub attempts: Option<Spanned<u64>>,
    /// How long a small request may take.
    pub timeout_seconds: Option<Spanned<u64>>,
    /// What may go there in a second.
    pub upload_limit: Option<Spanned<String>>,
    /// What may come back in a second.
    pub download_limit: Option<Spanned<String>>,
    /// How long what is committed is locked in the bucket.
    pub lock: Option<Spanned<String>>,
    /// Who can end such a lock before its time.
    pub lock_mode: Option<Spanned<RetentionModeName>>,
}

/// Who can end a lock before its time.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionModeName {
    /// Whom the service has given a right of its own for that.
    Governance,
    /// Nobody.
    Compliance,
}

/// The part of the address that names the bucket.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StyleName {
    /// In its path.
    Path,
    /// In its host name.
    Virtual,
}

/// How the service encrypts.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionName {
    /// With keys of its own.
    Service,
    /// With a key of its key management.
    Kms,
}

/// A reference to a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Referred {
    /// What the reference names.
    pub secret: String,
}

fn yes() -> bool {
    true
}

fn age() -> Spanned<String> {
    Spanned::new(0..0, "age".to_owned())
}

impl StoreConfig {
    /// Refuses what cannot be, and what does not fit together.
    pub(super) fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let location = Location::parse(self.url.get_ref()).map_err(|error| ConfigError::Wrong {
            place: config.place(self.url.span()),
            message: error.to_string(),
            suggestion: error.advice().into_iter().next().map(Box::new),
        })?;
        if let Location::Local(_) = location {
            self.check_parity(config)?;
            return match self.of_services().next() {
                None => Ok(()),
                Some((key, span)) => {
                    let message =
                        format!("`{key}` is for a store in a bucket, and this is a directory");
                    let hint = "Leave it out, or write `url = \"s3://bucket/holdfast\"`";
                    Err(config.wrong(span, message, Some(hint.to_owned())))
                }
            };
        }
        if let Some(parity) = &self.parity {
            let message = "`parity` is for a store in a directory, and this is a bucket".to_owned();
            let hint = "Leave it out: a service keeps what it was given in several places";
            return Err(config.wrong(parity.span(), message, Some(hint.to_owned())));
        }
        self.check_words(config)?;
        self.check_numbers(config)?;
        self.check_lock(config)?;
        self.check_credentials(config)
    }

    fn check_lock(&self, config: &Config) -> Result<(), ConfigError> {
        let Some(lock) = &self.lock else {
            return Ok(());
        };
        let words = lock.get_ref();
        let wrong = |detail: String| {
            let message = format!("`{words}` is no time to lock something: {detail}");
            config.wrong(lock.span(), message, None)
        };
        let lifetime = Lifetime::new(words).map_err(|error| wrong(error.detail().to_owned()))?;
        if lifetime.nanoseconds() > LOCK_MAX_NANOSECONDS {
            return Err(wrong("services lock for a hundred years at most".into()));
        }
        Ok(())
    }

    /// Returns how long what is committed is locked in the bucket.
    #[must_use]
    pub fn lock_time(&self) -> Option<Lifetime> {
        Lifetime::new(self.lock.as_ref()?.get_ref()).ok()
    }

    /// Returns who can end a lock before its time.
    #[must_use]
    pub fn lock_mode(&self) -> RetentionMode {
        match self.lock_mode.as_ref().map(Spanned::get_ref) {
            Some(RetentionModeName::Compliance) => RetentionMode::Compliance,
            Some(RetentionModeName::Governance) | None => RetentionMode::Governance,
        }
    }

    /// Returns the keys that are set and mean nothing to a directory.
    fn of_services(&self) -> impl Iterator<Item = (&'static str, Range<usize>)> {
        fn at<T>(
            key: &'static str,
            set: Option<&Spanned<T>>,
        ) -> Option<(&'static str, Range<usize>)> {
            set.map(|set| (key, set.span()))
        }
        [
            at("endpoint", self.endpoint.as_ref()),
            at("region", self.region.as_ref()),
            at("style", self.style.as_ref()),
            at("storage-class", self.storage_class.as_ref()),
            at("encryption", self.encryption.as_ref()),
            at("encryption-key", self.encryption_key.as_ref()),
            at("object-tags", self.object_tags.as_ref()),
            at("access-key-id", self.access_key_id.as_ref()),
            at("secret-access-key", self.secret_access_key.as_ref()),
            at("session-token", self.session_token.as_ref()),
            at("profile", self.profile.as_ref()),
            at("connections", self.connections.as_ref()),
            at("attempts", self.attempts.as_ref()),
            at("timeout-seconds", self.timeout_seconds.as_ref()),
            at("upload-limit", self.upload_limit.as_ref()),
            at("download-limit", self.download_limit.as_ref()),
            at("lock", self.lock.as_ref()),
            at("lock-mode", self.lock_mode.as_ref()),
        ]
        .into_iter()
        .flatten()
    }

    fn check_parity(&self, config: &Config) -> Result<(), ConfigError> {
        match &self.parity {
            Some(parity) => match parity.get_ref().parse::<Shape>() {
                Ok(_) => Ok(()),
                Err(error) => {
                    let hint = Some(ShapeError::HINT.to_owned());
                    Err(config.wrong(parity.span(), error.to_string(), hint))
                }
            },
            None => Ok(()),
        }
    }

    /// Returns how much parity lies beside packs.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        self.parity.as_ref()?.get_ref().parse().ok()
    }

    fn check_words(&self, config: &Config) -> Result<(), ConfigError> {
        if let Some(endpoint) = &self.endpoint {
            let host = endpoint.get_ref().split_once("://");
            let is_address = matches!(host, Some(("http" | "https", host)) if !host.is_empty())
                && !endpoint.get_ref().contains(char::is_whitespace);
            if !is_address {
                let hint = "Write the whole address: endpoint = \"https://s3.example.net\"";
                let message = format!("`{}` is no address of a service", endpoint.get_ref());
                return Err(config.wrong(endpoint.span(), message, Some(hint.to_owned())));
            }
        }
        if let (Some(key), None | Some(EncryptionName::Service)) = (
            &self.encryption_key,
            self.encryption.as_ref().map(|e| *e.get_ref()),
        ) {
            let message = "`encryption-key` goes with `encryption = \"kms\"`".to_owned();
            return Err(config.wrong(key.span(), message, None));
        }
        if let Some(tags) = &self.object_tags
            && tags.get_ref().len() > OBJECT_TAGS_MAX
        {
            let message = format!("an object has {OBJECT_TAGS_MAX} tags at most");
            return Err(config.wrong(tags.span(), message, None));
        }
        Ok(())
    }

    fn check_numbers(&self, config: &Config) -> Result<(), ConfigError> {
        for (key, set, bounds) in [
            ("connections", &self.connections, CONNECTIONS),
            ("attempts", &self.attempts, ATTEMPTS),
            ("timeout-seconds", &self.timeout_seconds, TIMEOUT_SECONDS),
        ] {
            if let Some(number) = set
                && !bounds.contains(number.get_ref())
            {
                let (least, most) = (bounds.start(), bounds.end());
                let message = format!("{key} is {least} to {most}, not {}", number.get_ref());
                return Err(config.wrong(number.span(), message, None));
            }
        }
        for (key, set) in [
            ("upload-limit", &self.upload_limit),
            ("download-limit", &self.download_limit),
        ] {
            if let Some(limit) = set
                && bytes_a_second(limit.get_ref()).is_none()
            {
                let message = format!(
                    "{key} is a size that may pass in a second, 1 KiB at least, not `{}`",
                    limit.get_ref()
                );
                let hint = format!("Write it so: {key} = \"10 MiB\"");
                return Err(config.wrong(limit.span(), message, Some(hint)));
            }
        }
        Ok(())
    }

    fn check_credentials(&self, config: &Config) -> Result<(), ConfigError> {
        let (id, secret) = (&self.access_key_id, &self.secret_access_key);
        for (key, referred) in [
            ("access-key-id", id),
            ("secret-access-key", secret),
            ("session-token", &self.session_token),
        ] {
            if let Some(referred) = referred
                && !reference::is_reference(&referred.get_ref().secret)
            {
                // It may be the secret itself: it is not shown.
                let message = format!("`{key}` refers to no secret");
                let hint = format!(
                    "A secret is named, never written down: {}",
                    reference::FORMS
                );
                return Err(config.wrong(referred.span(), message, Some(hint)));
            }
        }
        let alone = match (id, secret, &self.session_token) {
            (Some(id), None, _) => Some(("access-key-id", id, "secret-access-key")),
            (None, Some(secret), _) => Some(("secret-access-key", secret, "access-key-id")),
            (None, None, Some(token)) => Some(("session-token", token, "access-key-id")),
            _ => None,
        };
        if let Some((key, referred, other)) = alone {
            let message = format!("`{key}` goes with `{other}`");
            let hint = format!("Add it to the table: {other} = {{ secret = \"env:NAME\" }}");
            return Err(config.wrong(referred.span(), message, Some(hint)));
        }
        if let (Some(profile), Some(_)) = (&self.profile, id) {
            let message = "`profile` and `access-key-id` are two ways to say the same".to_owned();
            return Err(config.wrong(
                profile.span(),
                message,
                Some("Leave one of them out".to_owned()),
            ));
        }
        Ok(())
    }

    /// Returns all that is said of a store in a bucket, but for its credentials.
    #[must_use]
    pub fn s3_options(&self, spool: PathBuf) -> S3Options {
        let usual = S3Options::new(spool);
        let text = |set: &Option<Spanned<String>>| set.as_ref().map(|set| set.get_ref().clone());
        let number = |set: &Option<Spanned<u64>>| set.as_ref().map(|set| *set.get_ref());
        let limit = |set: &Option<Spanned<String>>| bytes_a_second(set.as_ref()?.get_ref());
        S3Options {
            endpoint: text(&self.endpoint),
            region: text(&self.region),
            style: self.style.as_ref().map(|style| match style.get_ref() {
                StyleName::Path => Style::Path,
                StyleName::Virtual => Style::Virtual,
            }),
            storage_class: text(&self.storage_class),
            encryption: self
                .encryption
                .as_ref()
                .map(|encryption| match encryption.get_ref() {
                    EncryptionName::Service => Encryption::Service,
                    EncryptionName::Kms => Encryption::KeyManagement(text(&self.encryption_key)),
                }),
            tags: self
                .object_tags
                .iter()
                .flat_map(|tags| tags.get_ref().clone())
                .collect(),
            profile: text(&self.profile),
            connections: number(&self.connections).map_or(usual.connections, |n| n as usize),
            attempts: number(&self.attempts).map_or(usual.attempts, |n| n as u32),
            timeout: number(&self.timeout_seconds).map_or(usual.timeout, Duration::from_secs),
            upload_limit: limit(&self.upload_limit),
            download_limit: limit(&self.download_limit),
            ..usual
        }
    }
}

fn bytes_a_second(text: &str) -> Option<u64> {
    let size: ByteSize = text.parse().ok()?;
    Some(size.bytes()).filter(|bytes| *bytes >= LIMIT_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_base::advice::Advice;
    use std::path::Path;

    fn parse(table: &str) -> Result<Config, ConfigError> {
        let text = format!("[store.offsite]\nurl = \"s3://backups/holdfast\"\n{table}\n");
        Config::parse(Path::new("holdfast.toml"), text)
    }

    #[test]
    fn what_a_service_needs_is_read() {
        let config = parse(
            "endpoint = \"https://s3.example.net\"\nstorage-class = \"STANDARD_IA\"\nstyle = \"virtual\"\n\
             encryption = \"kms\"\nencryption-key = \"arn:1\"\nobject-tags = { team = \"db\" }\nupload-limit = \"2 MiB\"\n\
             connections = 3\naccess-key-id = { secret = \"env:ID\" }\nsecret-access-key = { secret = \"env:SECRET\" }",
        )
        .unwrap();
        let options = config.store("offsite").unwrap().s3_options("/spool".into());
        assert_eq!(options.style, Some(Style::Virtual));
        assert_eq!(
            options.encryption,
            Some(Encryption::KeyManagement(Some("arn:1".into())))
        );
        assert_eq!(options.tags, [("team".to_owned(), "db".to_owned())]);
        assert_eq!(
            (options.upload_limit, options.connections),
            (Some(2 << 20), 3)
        );
    }

    #[test]
    fn what_cannot_be_is_named_with_its_place() {
        for (table, expected) in [
            (
                "endpoint = \"s3.example.net\"",
                "3:12: `s3.example.net` is no address of a service",
            ),
            ("style = \"paths\"", "3:9: unknown"),
            ("connections = 0", "3:15: connections is 1 to 64, not 0"),
            (
                "upload-limit = \"fast\"",
                "3:16: upload-limit is a size that may pass in a second",
            ),
            (
                "access-key-id = { secret = \"env:ID\" }",
                "3:17: `access-key-id` goes with `secret-access-key`",
            ),
            ("encryption-key = \"k\"", "3:18: `encryption-key` goes with"),
            (
                "lock = \"soon\"",
                "3:8: `soon` is no time to lock something: write numbers",
            ),
            ("lock = \"0d\"", "3:8: `0d` is no time to lock something"),
            (
                "lock = \"101y\"",
                "3:8: `101y` is no time to lock something: services lock for a hundred",
            ),
            ("lock-mode = \"strict\"", "3:13: unknown"),
        ] {
            let error = parse(table).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("holdfast.toml:{expected}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_secret_that_was_written_down_is_refused_and_not_shown() {
        let error = parse("access-key-id = { secret = \"AKIDEXAMPLE\" }").unwrap_err();
        let shown = format!("{error} {:?}", error.advice());
        assert!(
            shown.contains("refers to no secret") && !shown.contains("AKIDEXAMPLE"),
            "{shown}"
        );
    }

    #[test]
    fn parity_is_for_directories_and_has_a_share_or_shards() {
        let local = |parity: &str| {
            let text = format!("[store.local]\nurl = \"file:///b\"\nparity = {parity}\n");
            Config::parse(Path::new("holdfast.toml"), text)
        };
        let shape = local("\"20+2\"").unwrap().store("local").unwrap().shape();
        assert_eq!(
            shape,
            Some(Shape {
                data: 20,
                parity: 2
            })
        );
        for nonsense in ["\"0%\"", "\"200%\"", "\"2+20\"", "\"much\"", "\"\""] {
            let error = local(nonsense).unwrap_err();
            let place = format!(
                "holdfast.toml:3:10: `{}` is no parity",
                nonsense.trim_matches('"')
            );
            assert_eq!(error.to_string(), place);
            assert!(matches!(&error.advice()[..], [Advice::Words(words)] if words.contains("10%")));
        }
        let error = parse("parity = \"10%\"").unwrap_err().to_string();
        assert!(
            error.contains("3:10: `parity` is for a store in a directory"),
            "{error}"
        );
    }

    #[test]
    fn a_lock_has_a_time_and_a_mode_and_a_bucket() {
        let store = |table: &str| parse(table).unwrap().store("offsite").unwrap().clone();
        let locked = store("lock = \"30d\"\nlock-mode = \"compliance\"");
        assert_eq!(locked.lock_time(), Some(Lifetime::new("30d").unwrap()));
        assert_eq!(locked.lock_mode(), RetentionMode::Compliance);
        assert_eq!(
            store("lock = \"1y\"").lock_mode(),
            RetentionMode::Governance
        );
        assert_eq!(store("").lock_time(), None);
        let text = "[store.local]\nurl = \"file:///b\"\nlock = \"30d\"\n";
        let error = Config::parse(Path::new("holdfast.toml"), text.to_owned()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "holdfast.toml:3:8: `lock` is for a store in a bucket, and this is a directory"
        );
    }

    #[test]
    fn a_directory_has_no_region() {
        let text = "[store.local]\nurl = \"file:///b\"\nregion = \"eu-west-1\"\n";
        let error = Config::parse(Path::new("holdfast.toml"), text.to_owned()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "holdfast.toml:3:10: `region` is for a store in a bucket, and this is a directory"
        );
    }
}
