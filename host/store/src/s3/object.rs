//! One object: reading it, creating it, looking at it, removing it.

use super::Bucket;
use super::failure::{Failure, Why};
use super::options::Encryption;
use crate::cause::Cause;
use crate::{Created, Name};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption, StorageClass};
use bytes::Bytes;

/// The checksum that the service compares, and keeps.
pub(super) const CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc32C;

impl Bucket {
    /// Reads an object, or a range of it; never less than that.
    pub(super) async fn read_object(
        &self,
        name: &Name,
        range: Option<(u64, usize)>,
    ) -> Result<Vec<u8>, Failure> {
        let expected = range.map_or(0, |(_, length)| length as u64);
        self.shared
            .retrying(expected, |client, _| {
                let mut request = client
                    .get_object()
                    .bucket(&self.name)
                    .key(self.object_key(name));
                if let Some((offset, length)) = range {
                    request =
                        request.range(format!("bytes={offset}-{}", offset + length as u64 - 1));
                }
                async move {
                    let answer = request.send().await.map_err(Failure::from_sdk)?;
                    read_body(answer, range).await
                }
            })
            .await
    }

    /// Returns an object's length.
    pub(super) async fn object_size(&self, name: &Name) -> Result<u64, Failure> {
        let asked = self.shared.retrying(0, |client, _| {
            let request = client
                .head_object()
                .bucket(&self.name)
                .key(self.object_key(name));
            async move {
                let answer = request.send().await.map_err(Failure::from_sdk)?;
                let length = answer.content_length().and_then(|n| u64::try_from(n).ok());
                length.ok_or_else(|| Failure::new(Cause::Broken, "it gave no length"))
            }
        });
        match asked.await {
            // The answer to this question has no body that would say whether it is the bucket that is absent.
            Err(failure) if failure.why == Why::Absent => {
                match self.read_object(name, Some((0, 1))).await {
                    Err(told) if told.why != Why::Short => Err(told),
                    _ => Err(failure),
                }
            }
            other => other,
        }
    }

    /// Returns whether an object is there.
    pub(super) async fn exists(&self, name: &Name) -> Result<bool, Failure> {
        match self.object_size(name).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.why == Why::Absent => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Creates an object unless one of that name exists.
    ///
    /// If the service does not heed the condition, the name is looked up before and read back after: of two
    /// that write at the same moment at least one learns it. All names but a few are by chance or by
    /// content, so that no two ever write one of them.
    pub(super) async fn create(
        &self,
        name: &Name,
        bytes: Bytes,
        class: Option<StorageClass>,
    ) -> Result<Created, Failure> {
        let is_kept_to = self.shared.abilities().conditional_create.is_real();
        if !is_kept_to && self.exists(name).await? {
            return Ok(Created::Existed);
        }
        let (created, was_lost) = self.put_object(name, &bytes, class).await?;
        let is_doubtful = match created {
            Created::New => !is_kept_to,
            // Perhaps it was an attempt of our own that created it, and its answer was lost.
            Created::Existed => was_lost,
        };
        if !is_doubtful {
            return Ok(created);
        }
        if self.has_content(name, &bytes).await? {
            Ok(Created::New)
        } else {
            Ok(Created::Existed)
        }
    }

    /// Returns whether an object holds these bytes. What is cold cannot be read: all such have names by content,
    /// and so their length is enough.
    async fn has_content(&self, name: &Name, bytes: &Bytes) -> Result<bool, Failure> {
        match self.read_object(name, None).await {
            Err(failure) if failure.why == Why::Cause(Cause::Cold) => {
                Ok(self.object_size(name).await? == bytes.len() as u64)
            }
            held => Ok(held? == *bytes),
        }
    }

    /// Does the same with a single request that creates: after an error nobody knows whether it was carried out.
    pub(super) async fn create_once(&self, name: &Name, bytes: Bytes) -> Result<Created, Failure> {
        let is_kept_to = self.shared.abilities().conditional_create.is_real();
        if !is_kept_to && self.exists(name).await? {
            return Ok(Created::Existed);
        }
        let length = bytes.len() as u64;
        let put = self.shared.single(length, |client, was_open| {
            self.try_put((client, was_open), name, &bytes, None)
        });
        match put.await? {
            (Created::New, _) if !is_kept_to && !self.has_content(name, &bytes).await? => {
                Ok(Created::Existed)
            }
            (created, _) => Ok(created),
        }
    }

    /// Creates an object; returns also whether the answer to an attempt was lost.
    async fn put_object(
        &self,
        name: &Name,
        bytes: &Bytes,
        class: Option<StorageClass>,
    ) -> Result<(Created, bool), Failure> {
        let length = bytes.len() as u64;
        let put = self.shared.retrying(length, |client, was_open| {
            self.try_put((client, was_open), name, bytes, class.clone())
        });
        put.await
    }

    /// Asks once for an object to be created.
    async fn try_put(
        &self,
        (client, was_open): (Client, bool),
        name: &Name,
        bytes: &Bytes,
        class: Option<StorageClass>,
    ) -> Result<(Created, bool), Failure> {
        let request = self
            .described(client.put_object())
            .bucket(&self.name)
            .key(self.object_key(name))
            .if_none_match("*")
            .set_storage_class(class)
            .checksum_algorithm(CHECKSUM)
            .body(ByteStream::from(bytes.clone()));
        match request.send().await.map_err(Failure::from_sdk) {
            Ok(_) => Ok((Created::New, was_open)),
            Err(failure) if failure.why == Why::Exists => Ok((Created::Existed, was_open)),
            Err(failure) => Err(failure),
        }
    }

    /// Removes an object.
    pub(super) async fn delete(&self, name: &Name) -> Result<(), Failure> {
        if self.shared.abilities().object_lock.is_real() {
            return self.delete_version(name).await;
        }
        let removed = self.shared.retrying(0, |client, _| {
            let request = client
                .delete_object()
                .bucket(&self.name)
                .key(self.object_key(name));
            async move { request.send().await.map(|_| ()).map_err(Failure::from_sdk) }
        });
        match removed.await {
            Err(failure) if failure.why == Why::Absent => Ok(()),
            other => other,
        }
    }

    /// Adds what the store's table says of every object.
    fn described(&self, mut request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        let (encryption, key) = self.encryption();
        request = request
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key)
            .set_tagging(self.tagging());
        request
    }

    /// Returns how the service is to encrypt.
    pub(super) fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.shared.options.encryption {
            None => (None, None),
            Some(Encryption::Service) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::KeyManagement(key)) => {
                (Some(ServerSideEncryption::AwsKms), key.clone())
            }
        }
    }

    /// Returns the tags of every object, as a query.
    pub(super) fn tagging(&self) -> Option<String> {
        let tags = &self.shared.options.tags;
        let pairs = tags
            .iter()
            .map(|(key, value)| format!("{}={}", escaped(key), escaped(value)));
        (!tags.is_empty()).then(|| pairs.collect::<Vec<_>>().join("&"))
    }

    /// Returns the class of what is large and seldom read: everything else is small, and read often.
    pub(super) fn bulk_class(&self) -> Option<StorageClass> {
        self.shared
            .options
            .storage_class
            .as_deref()
            .map(StorageClass::from)
    }
}

/// Writes a text as it may stand in a query.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Takes the bytes of an answer: all that were asked for, and no others.
async fn read_body(
    answer: GetObjectOutput,
    range: Option<(u64, usize)>,
) -> Result<Vec<u8>, Failure> {
    let broken = |words: String| Failure::new(Cause::Broken, words);
    let promised = answer
        .content_length()
        .and_then(|n| usize::try_from(n).ok());
    if let Some((offset, _)) = range {
        let starts = format!("bytes {offset}-");
        match answer.content_range() {
            Some(given) if !given.starts_with(&starts) => {
                return Err(broken(format!("it gave another range: {given}")));
            }
            None if offset > 0 => return Err(broken("it ignored the range".into())),
            _ => {}
        }
    }
    let expected = match (range, promised) {
        (Some((_, length)), Some(promised)) if promised < length => {
            return Err(Failure::from_why(Why::Short));
        }
        (Some((_, length)), _) => length,
        (None, promised) => promised.unwrap_or(0),
    };
    let mut bytes = Vec::with_capacity(expected);
    let mut stream = answer.body;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| broken(error.to_string()))?;
        bytes.extend_from_slice(&piece);
        if range.is_some() && bytes.len() > expected {
            return Err(broken(format!("it gave more than {expected} bytes")));
        }
    }
    let wanted = range.map(|(_, length)| length).or(promised);
    match wanted {
        Some(wanted) if wanted != bytes.len() => {
            Err(broken(format!("it gave {} of {wanted} bytes", bytes.len())))
        }
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_may_have_any_letters() {
        assert_eq!(escaped("team=A & B"), "team%3DA%20%26%20B");
    }
}
