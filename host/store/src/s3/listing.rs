//! Listing: pages, several at once if there are many, and checked as they come.
//!
//! Whoever collects garbage believes listings. So a page must start after the end of the last one, in
//! order, and a listing that says it goes on must say after which key.

use super::Bucket;
use super::failure::Failure;
use super::thaw::warmth_of_class;
use crate::cause::Cause;
use crate::{Listed, Name};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::ObjectStorageClass;
use holdfast_base::time::Instant;
use std::sync::Arc;

/// The first letters of names that are spread evenly: hexadecimal digits.
const DIGITS: &str = "0123456789abcdef";

/// A part of a listing.
struct Part {
    /// What names begin with.
    prefix: String,
    /// The key after which it starts.
    after: Option<String>,
}

impl Bucket {
    /// Lists an area.
    pub(super) async fn list_area(self: Arc<Self>, area: String) -> Result<Vec<Listed>, Failure> {
        let prefix = format!("{}{area}/", self.prefix);
        let mut found = Vec::new();
        let first = Part {
            prefix: prefix.clone(),
            after: None,
        };
        let Some(last) = self.list_page(&first, &mut found).await? else {
            return Ok(found);
        };
        let tasks: Vec<_> = split_rest(&prefix, &last)
            .into_iter()
            .map(|part| {
                let bucket = Arc::clone(&self);
                tokio::spawn(async move { bucket.list_rest(part).await })
            })
            .collect();
        for task in tasks {
            let listed = task
                .await
                .map_err(|e| Failure::new(Cause::Broken, e.to_string()))??;
            found.extend(listed);
        }
        Ok(found)
    }

    /// Lists a part to its end.
    async fn list_rest(&self, mut part: Part) -> Result<Vec<Listed>, Failure> {
        let mut found = Vec::new();
        while let Some(last) = self.list_page(&part, &mut found).await? {
            part.after = Some(last);
        }
        Ok(found)
    }

    /// Takes one page; returns the last key on it if more follow.
    ///
    /// Pages are asked for by the last key and not by a token: so that each can be asked for again.
    async fn list_page(
        &self,
        part: &Part,
        found: &mut Vec<Listed>,
    ) -> Result<Option<String>, Failure> {
        let (listed, last) = self
            .shared
            .retrying(0, |client, _| {
                let request = client
                    .list_objects_v2()
                    .bucket(&self.name)
                    .prefix(&part.prefix)
                    .set_start_after(part.after.clone());
                async move {
                    let answer = request.send().await.map_err(Failure::from_sdk)?;
                    self.take_page(part, &answer)
                }
            })
            .await?;
        found.extend(listed);
        Ok(last)
    }

    /// Returns what a page lists, if it is in order.
    fn take_page(
        &self,
        part: &Part,
        answer: &ListObjectsV2Output,
    ) -> Result<(Vec<Listed>, Option<String>), Failure> {
        let contradicts = |words: String| Failure::new(Cause::Broken, words);
        let mut listed = Vec::new();
        let mut last = part.after.clone();
        for object in answer.contents() {
            let key = object.key().unwrap_or_default();
            if !key.starts_with(&part.prefix) {
                return Err(contradicts(format!(
                    "the listing names `{key}`, which was not asked for"
                )));
            }
            if last.as_deref().is_some_and(|last| key <= last) {
                return Err(contradicts(format!(
                    "the listing is not in order at `{key}`"
                )));
            }
            last = Some(key.to_owned());
            // What has no name of ours is not ours.
            let Ok(name) = Name::new(&key[self.prefix.len()..]) else {
                continue;
            };
            let (Some(size), Some(modified)) = (object.size(), object.last_modified()) else {
                return Err(contradicts(format!("the listing says nothing of `{key}`")));
            };
            listed.push(Listed {
                name,
                size: u64::try_from(size).unwrap_or(0),
                received: Instant::from_parts(modified.secs(), i64::from(modified.subsec_nanos())),
                warmth: warmth_of_class(object.storage_class().map(ObjectStorageClass::as_str)),
            });
        }
        if !answer.is_truncated().unwrap_or(false) {
            return Ok((listed, None));
        }
        if last == part.after {
            return Err(contradicts(
                "the listing goes on, and does not say where".into(),
            ));
        }
        Ok((listed, last))
    }
}

/// Cuts what follows `last` into parts that are listed side by side, and together leave nothing out.
fn split_rest(prefix: &str, last: &str) -> Vec<Part> {
    let alone = || {
        vec![Part {
            prefix: prefix.to_owned(),
            after: Some(last.to_owned()),
        }]
    };
    let Some(at) = last[prefix.len()..].chars().next() else {
        return alone();
    };
    let Some(here) = DIGITS.find(at) else {
        return alone();
    };
    let digit = |digit: char| format!("{prefix}{digit}");
    let mut parts = vec![Part {
        prefix: digit(at),
        after: Some(last.to_owned()),
    }];
    parts.extend(DIGITS[here + 1..].chars().map(|next| Part {
        prefix: digit(next),
        after: None,
    }));
    // Names that begin with another letter come after all of these.
    parts.push(Part {
        prefix: prefix.to_owned(),
        after: Some(format!("{prefix}f~")),
    });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_take_every_name_after_the_last_once() {
        let names = [
            "0a", "3b", "3c/1", "3c/2", "9", "a-1", "f", "fzz", "g", "z9",
        ];
        for (at, last) in names.iter().enumerate() {
            let parts = split_rest("p/", &format!("p/{last}"));
            for (number, name) in names.iter().enumerate() {
                let key = format!("p/{name}");
                let takes = |part: &&Part| {
                    key.starts_with(&part.prefix)
                        && part.after.as_ref().is_none_or(|after| key > *after)
                };
                let times = parts.iter().filter(takes).count();
                assert_eq!(times, usize::from(number > at), "{name} after {last}");
            }
        }
    }
}
