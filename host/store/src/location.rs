//! The location of a store, from its URL.

use crate::StoreError;
use std::path::PathBuf;

/// The location of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory on this machine.
    Local(PathBuf),
    /// A part of a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// What the names of all objects begin with: empty, or ending in a slash.
        prefix: String,
    },
}

impl Location {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is of no kind that is known, or names no place.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let wrong = || StoreError::Url {
            url: url.to_owned(),
        };
        let path = match url.split_once("://") {
            Some(("s3", rest)) => return Self::bucket(rest).ok_or_else(wrong),
            Some(("file", path)) => path,
            Some(_) => return Err(wrong()),
            None => url,
        };
        if !path.starts_with('/') {
            return Err(StoreError::RelativePath {
                url: url.to_owned(),
            });
        }
        Ok(Self::Local(PathBuf::from(path)))
    }

    fn bucket(rest: &str) -> Option<Self> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.' || b == b'_'
            });
        // Signed as they stand: no character that somebody on the way might write in another form.
        let is_prefix = prefix.len() <= 500
            && (prefix.is_empty()
                || prefix.split('/').all(|part| {
                    !matches!(part, "" | "." | "..")
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                }));
        (is_bucket && is_prefix).then(|| Self::S3 {
            bucket: bucket.to_owned(),
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_have_a_part_for_the_repository() {
        for (url, prefix) in [
            ("s3://backups", ""),
            ("s3://backups/", ""),
            ("s3://backups/hosts/db1/", "hosts/db1/"),
        ] {
            let expected = Location::S3 {
                bucket: "backups".into(),
                prefix: prefix.into(),
            };
            assert_eq!(Location::parse(url).unwrap(), expected);
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for url in [
            "s3://",
            "s3:///a",
            "s3://Up",
            "s3://ba/ck",
            "s3://backups/a//b",
            "s3://backups/../b",
            "s3://backups/a b",
            "ftp://x",
            "backups",
        ] {
            assert!(Location::parse(url).is_err(), "{url}");
        }
    }
}
