//! Uploads: from bytes that come piece by piece to an object under its name.
//!
//! A pack's name is the hash of all of it, and S3 knows no renaming. So the sealed bytes wait in a file
//! without a name, which no crash leaves behind, and go when the name is known: small ones at once,
//! large ones in parts, a few of them in memory at a time.

use super::failure::{Failure, Why};
use super::object::CHECKSUM;
use super::{Bucket, S3Store};
use crate::cause::Cause;
use crate::{Created, Name, StoreError, Upload};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, StorageClass};
use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::sync::Arc;

/// Bytes of one part.
const PART: u64 = 8 << 20;
/// What is not larger goes in one request.
const WHOLE_MAX: u64 = 12 << 20;
/// Parts of one object that are in memory at once.
const PARTS_AT_ONCE: usize = 3;
/// How often an upload is begun anew that the service has lost.
const BEGINNINGS: usize = 3;

/// Sealed bytes that wait for their name.
pub(super) struct S3Upload {
    file: File,
    bytes: u64,
    /// The class that they go to; the service's usual one if none is named.
    class: Option<StorageClass>,
}

/// Sealed bytes on their way to a bucket.
pub(super) struct Pending {
    pub(super) upload: S3Upload,
    pub(super) store: S3Store,
}

impl S3Upload {
    /// Makes a file without a name.
    pub(super) fn create_spool(spool: &Path, class: Option<StorageClass>) -> io::Result<Self> {
        let open = || {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            rustix::fs::open(spool, flags, Mode::RUSR | Mode::WUSR)
        };
        let file = match open() {
            Err(rustix::io::Errno::NOENT) => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(spool)?;
                open()
            }
            other => other,
        };
        Ok(Self {
            file: File::from(file?),
            bytes: 0,
            class,
        })
    }

    fn read_spooled(&self, offset: u64, length: u64) -> Result<Bytes, Failure> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, offset).map_err(|e| {
            Failure::new(
                Cause::Refused,
                format!("what was kept for it cannot be read: {e}"),
            )
        })?;
        Ok(Bytes::from(bytes))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.upload.file.write(bytes).map_err(|source| {
            let spool = &self.store.bucket.shared.options.spool;
            let kind = source.kind();
            let place = spool.display().to_string();
            let action = "keep a pack on its way to the bucket".into();
            io::Error::new(
                kind,
                StoreError::Io {
                    action,
                    place,
                    source,
                },
            )
        })?;
        self.upload.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Pending {
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        let Self { upload, store } = *self;
        let new = name.clone();
        store.send_request("create", Some(name), |bucket| async move {
            bucket.store_upload(&new, Arc::new(upload)).await
        })
    }
}

impl Bucket {
    /// Creates an object from what was kept for it.
    async fn store_upload(
        self: Arc<Self>,
        name: &Name,
        upload: Arc<S3Upload>,
    ) -> Result<Created, Failure> {
        if upload.bytes <= WHOLE_MAX {
            let bytes = upload.read_spooled(0, upload.bytes)?;
            return self.create(name, bytes, upload.class.clone()).await;
        }
        let mut beginnings = 0;
        loop {
            beginnings += 1;
            match self.store_in_parts(name, &upload).await {
                Err(failure) if failure.why == Why::NoUpload && beginnings < BEGINNINGS => {
                    tracing::debug!(%name, "the service has lost an upload; beginning anew");
                }
                other => return other,
            }
        }
    }

    async fn store_in_parts(
        self: &Arc<Self>,
        name: &Name,
        upload: &Arc<S3Upload>,
    ) -> Result<Created, Failure> {
        let id = self.begin_parts(name, upload.class.clone()).await?;
        let stored = match self.send_parts(name, &id, upload).await {
            Ok(_) if self.is_taken_in_parts(name).await? => Ok(Created::Existed),
            Ok(parts) => self.complete_parts(name, &id, upload.bytes, parts).await,
            Err(failure) => Err(failure),
        };
        if !matches!(stored, Ok(Created::New)) {
            self.abort_parts(name, &id).await;
        }
        stored
    }

    /// Looks whether a name is taken, if the service does not look by itself.
    async fn is_taken_in_parts(&self, name: &Name) -> Result<bool, Failure> {
        if self
            .shared
            .abilities()
            .conditional_create_in_parts
            .is_real()
        {
            return Ok(false);
        }
        self.exists(name).await
    }

    pub(super) async fn begin_parts(
        &self,
        name: &Name,
        class: Option<StorageClass>,
    ) -> Result<String, Failure> {
        let (encryption, key) = self.encryption();
        self.shared
            .retrying(0, |client, _| {
                let request = client
                    .create_multipart_upload()
                    .bucket(&self.name)
                    .key(self.object_key(name))
                    .set_storage_class(class.clone())
                    .set_server_side_encryption(encryption.clone())
                    .set_ssekms_key_id(key.clone())
                    .set_tagging(self.tagging())
                    .checksum_algorithm(CHECKSUM);
                async move {
                    let answer = request.send().await.map_err(Failure::from_sdk)?;
                    let id = answer.upload_id().map(str::to_owned);
                    id.ok_or_else(|| Failure::new(Cause::Broken, "it gave no id"))
                }
            })
            .await
    }

    /// Sends all parts, a few at a time.
    async fn send_parts(
        self: &Arc<Self>,
        name: &Name,
        id: &str,
        upload: &Arc<S3Upload>,
    ) -> Result<Vec<CompletedPart>, Failure> {
        let count = upload.bytes.div_ceil(PART);
        let mut tasks = tokio::task::JoinSet::new();
        let mut parts = Vec::new();
        let ended = |e: tokio::task::JoinError| Failure::new(Cause::Broken, e.to_string());
        for number in 0..count {
            if tasks.len() >= PARTS_AT_ONCE
                && let Some(done) = tasks.join_next().await
            {
                parts.push(done.map_err(ended)??);
            }
            let (bucket, upload) = (Arc::clone(self), Arc::clone(upload));
            let (name, id) = (name.clone(), id.to_owned());
            tasks.spawn(async move { bucket.send_part(&name, &id, &upload, number).await });
        }
        while let Some(done) = tasks.join_next().await {
            parts.push(done.map_err(ended)??);
        }
        parts.sort_by_key(CompletedPart::part_number);
        Ok(parts)
    }

    async fn send_part(
        &self,
        name: &Name,
        id: &str,
        upload: &S3Upload,
        number: u64,
    ) -> Result<CompletedPart, Failure> {
        let offset = number * PART;
        let bytes = upload.read_spooled(offset, PART.min(upload.bytes - offset))?;
        let number = i32::try_from(number + 1).unwrap_or(i32::MAX);
        self.shared
            .retrying(bytes.len() as u64, |client, _| {
                let request = client
                    .upload_part()
                    .bucket(&self.name)
                    .key(self.object_key(name))
                    .upload_id(id)
                    .part_number(number)
                    .checksum_algorithm(CHECKSUM)
                    .body(ByteStream::from(bytes.clone()));
                async move {
                    let answer = request.send().await.map_err(Failure::from_sdk)?;
                    Ok(CompletedPart::builder()
                        .part_number(number)
                        .set_e_tag(answer.e_tag)
                        .set_checksum_crc32_c(answer.checksum_crc32_c)
                        .build())
                }
            })
            .await
    }

    async fn complete_parts(
        &self,
        name: &Name,
        id: &str,
        bytes: u64,
        parts: Vec<CompletedPart>,
    ) -> Result<Created, Failure> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let completed = self.shared.retrying(0, |client, was_open| {
            let request = client
                .complete_multipart_upload()
                .bucket(&self.name)
                .key(self.object_key(name))
                .upload_id(id)
                .if_none_match("*")
                .multipart_upload(parts.clone());
            async move {
                match request.send().await.map_err(Failure::from_sdk) {
                    Ok(_) => Ok(()),
                    Err(failure) if was_open => Err(failure.mark_open()),
                    Err(failure) => Err(failure),
                }
            }
        });
        match completed.await {
            Ok(()) => Ok(Created::New),
            Err(failure)
                if matches!(failure.why, Why::Exists | Why::NoUpload) && failure.is_open =>
            {
                // The answer to an attempt of ours was lost: the name is the hash of what it holds.
                match self.object_size(name).await {
                    Ok(held) if held == bytes => Ok(Created::New),
                    Ok(_) => Ok(Created::Existed),
                    Err(absent) if absent.why == Why::Absent => Err(failure),
                    Err(again) => Err(again),
                }
            }
            Err(failure) if failure.why == Why::Exists => Ok(Created::Existed),
            Err(failure) => Err(failure),
        }
    }

    /// Lets the service forget an upload; one that it keeps costs money, and nothing else.
    pub(super) async fn abort_parts(&self, name: &Name, id: &str) {
        let aborted = self.shared.retrying(0, |client, _| {
            let request = client
                .abort_multipart_upload()
                .bucket(&self.name)
                .key(self.object_key(name))
                .upload_id(id);
            async move { request.send().await.map(|_| ()).map_err(Failure::from_sdk) }
        });
        if let Err(failure) = aborted.await {
            tracing::debug!(?failure, %name, "an upload that failed stays with the service");
        }
    }
}
