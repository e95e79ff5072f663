//! Finds out what a service really does, by trying.
//!
//! What is tried has names of its own, by chance, under `probe/`; it is removed again, if that is
//! allowed. A claim counts only when it also holds in a race: a service that looks first and writes
//! then tells every one of several creators that they have won.

use super::failure::{Failure, Why};
use super::{Bucket, object};
use crate::Name;
use crate::abilities::{Abilities, Ability};
use crate::cause::Cause;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectLockEnabled};
use bytes::Bytes;
use std::sync::Arc;

/// Creators of one name in a race, and races.
const RACERS: u8 = 12;
const RACES: usize = 12;
/// Bytes of what is created in a race: enough that creating takes a while.
const RACE_BYTES: usize = 48 << 10;
/// Objects that a listing must show at once.
const LISTED: usize = 4;
/// What a repository's own names begin with; anything else in its place belongs to somebody else.
const OURS: [&str; 13] = [
    "format",
    "epochs/",
    "announcements/",
    "identities/",
    "spares/",
    "quarantine/",
    "packs/",
    "index/",
    "snapshots/",
    "records/",
    "sessions/",
    "tombstones/",
    "holds/",
];

impl Bucket {
    /// Tries everything; what was tried is gone afterwards, if it may be removed.
    pub(super) async fn probe_abilities(self: Arc<Self>) -> Result<Abilities, Failure> {
        self.refuse_foreign().await?;
        // First: what is removed is removed in another way if objects can be locked.
        let object_lock = self.try_lock().await?;
        self.shared.assume_abilities(Abilities {
            object_lock,
            ..self.shared.abilities()
        });
        let mut tried = Vec::new();
        let found = self.try_all(&mut tried).await;
        for name in &tried {
            if let Err(failure) = self.delete_wholly(name).await {
                tracing::debug!(?failure, "what was tried stays in the bucket");
                break;
            }
        }
        found
    }

    /// Removes what was tried, and what was written over in trying, if versions are kept.
    async fn delete_wholly(&self, name: &Name) -> Result<(), Failure> {
        self.delete(name).await?;
        if !self.shared.abilities().object_lock.is_real() {
            return Ok(());
        }
        for _ in 0..RACERS {
            if !self.exists(name).await? {
                break;
            }
            self.delete(name).await?;
        }
        Ok(())
    }

    async fn try_all(self: &Arc<Self>, tried: &mut Vec<Name>) -> Result<Abilities, Failure> {
        let conditional_create = self.try_create(tried).await?;
        Ok(Abilities {
            conditional_create,
            conditional_create_in_parts: self.try_create_in_parts(tried).await?,
            conditional_replace: self.try_replace(tried).await?,
            object_lock: self.shared.abilities().object_lock,
            checksums: self.try_checksum(tried).await?,
            strong_listing: self.try_listing(tried).await?,
        })
    }

    /// Refuses a place that holds something else.
    async fn refuse_foreign(&self) -> Result<(), Failure> {
        let answer = self
            .shared
            .retrying(0, |client, _| {
                let request = client
                    .list_objects_v2()
                    .bucket(&self.name)
                    .prefix(&self.prefix)
                    .delimiter("/");
                async move { request.send().await.map_err(Failure::from_sdk) }
            })
            .await?;
        let objects = answer.contents().iter().filter_map(|object| object.key());
        let folders = answer
            .common_prefixes()
            .iter()
            .filter_map(|folder| folder.prefix());
        let mut names = objects
            .chain(folders)
            .map(|key| key.strip_prefix(&self.prefix).unwrap_or(key));
        match names.find(|name| !OURS.contains(name) && *name != "probe/" && !name.is_empty()) {
            None => Ok(()),
            Some(other) => Err(Failure::new(
                Cause::Occupied,
                format!("`{other}` is there, which is not of a repository"),
            )),
        }
    }

    /// Returns a name that nobody has.
    fn fresh_name(&self, tried: &mut Vec<Name>) -> Result<Name, Failure> {
        let mut bytes = [0; 16];
        let made = getrandom::fill(&mut bytes).ok().and_then(|()| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Name::new(format!("probe/{hex}")).ok()
        });
        let name =
            made.ok_or_else(|| Failure::new(Cause::Refused, "the system gave no random bytes"))?;
        tried.push(name.clone());
        Ok(name)
    }

    /// Creates without looking at what came before: whether the condition counts is the question.
    async fn put_new(&self, name: &Name, bytes: Bytes) -> Result<(), Failure> {
        self.shared
            .retrying(bytes.len() as u64, |client, _| {
                let request = client
                    .put_object()
                    .bucket(&self.name)
                    .key(self.object_key(name))
                    .if_none_match("*")
                    .body(ByteStream::from(bytes.clone()));
                async move { request.send().await.map(|_| ()).map_err(Failure::from_sdk) }
            })
            .await
    }

    async fn try_create(self: &Arc<Self>, tried: &mut Vec<Name>) -> Result<Ability, Failure> {
        let name = self.fresh_name(tried)?;
        match self.put_new(&name, Bytes::from_static(b"first")).await {
            Ok(()) => {}
            Err(failure) if cannot(&failure) => return Ok(Ability::Missing),
            Err(failure) => return Err(failure),
        }
        match self.put_new(&name, Bytes::from_static(b"second")).await {
            Ok(()) => return Ok(Ability::Missing),
            Err(failure) if failure.why == Why::Exists => {}
            Err(failure) => return Err(failure),
        }
        if self.read_object(&name, None).await? != b"first" {
            return Ok(Ability::Claimed);
        }
        for _ in 0..RACES {
            self.connect(&name).await?;
            let name = self.fresh_name(tried)?;
            if self.race_creators(&name).await? != 1 {
                return Ok(Ability::Claimed);
            }
        }
        Ok(Ability::Real)
    }

    /// Makes as many connections as there are racers: who has to connect first comes late to the race.
    async fn connect(self: &Arc<Self>, name: &Name) -> Result<(), Failure> {
        let client = self.shared.client().await?;
        let key = self.object_key(name);
        let look = || {
            let request = client.head_object().bucket(&self.name).key(&key);
            tokio::spawn(async move { drop(request.send().await) })
        };
        let looks: Vec<_> = (0..RACERS).map(|_| look()).collect();
        for look in looks {
            let _ = look.await;
        }
        Ok(())
    }

    /// Lets many create one name at once; returns how many were told that they did.
    async fn race_creators(self: &Arc<Self>, name: &Name) -> Result<usize, Failure> {
        let client = self.shared.client().await?;
        let start = Arc::new(tokio::sync::Barrier::new(usize::from(RACERS)));
        let racers: Vec<_> = (0..RACERS)
            .map(|number| {
                let request = client
                    .put_object()
                    .bucket(&self.name)
                    .key(self.object_key(name))
                    .if_none_match("*")
                    .body(ByteStream::from(vec![number; RACE_BYTES]));
                let start = Arc::clone(&start);
                tokio::spawn(async move {
                    start.wait().await;
                    request.send().await.is_ok()
                })
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            winners += usize::from(racer.await.unwrap_or(false));
        }
        if winners == 0 {
            // Everybody was in everybody's way: whoever comes after must still find the place free or taken.
            let again = self.put_new(name, Bytes::from_static(b"after")).await;
            return match again {
                Ok(()) => Ok(1),
                Err(failure) if failure.why == Why::Exists => Ok(1),
                Err(failure) => Err(failure),
            };
        }
        Ok(winners)
    }

    async fn try_create_in_parts(&self, tried: &mut Vec<Name>) -> Result<Ability, Failure> {
        let name = self.fresh_name(tried)?;
        self.put_new(&name, Bytes::from_static(b"first")).await?;
        let client = self.shared.client().await?;
        let id = self.begin_parts(&name, None).await?;
        let replaced = self.replace_in_parts(&client, &name, &id).await;
        self.abort_parts(&name, &id).await;
        match replaced {
            Ok(()) => Ok(Ability::Missing),
            Err(failure) if failure.why == Why::Exists => Ok(Ability::Real),
            Err(failure) if cannot(&failure) => Ok(Ability::Missing),
            Err(failure) => Err(failure),
        }
    }

    async fn replace_in_parts(
        &self,
        client: &Client,
        name: &Name,
        id: &str,
    ) -> Result<(), Failure> {
        let at = || (self.name.clone(), self.object_key(name), id.to_owned());
        let (bucket, key, upload) = at();
        let part = client
            .upload_part()
            .bucket(bucket)
            .key(key)
            .upload_id(upload)
            .part_number(1)
            .checksum_algorithm(object::CHECKSUM)
            .body(ByteStream::from_static(b"second"));
        let sent = part.send().await.map_err(Failure::from_sdk)?;
        let part = CompletedPart::builder()
            .part_number(1)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32_c(sent.checksum_crc32_c)
            .build();
        let (bucket, key, upload) = at();
        let complete = client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(upload)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().parts(part).build());
        complete.send().await.map(|_| ()).map_err(Failure::from_sdk)
    }

    async fn try_replace(&self, tried: &mut Vec<Name>) -> Result<Ability, Failure> {
        let name = self.fresh_name(tried)?;
        self.put_new(&name, Bytes::from_static(b"first")).await?;
        let client = self.shared.client().await?;
        let request = client
            .put_object()
            .bucket(&self.name)
            .key(self.object_key(&name))
            .if_match("\"00000000000000000000000000000000\"")
            .body(ByteStream::from_static(b"second"));
        match request.send().await.map_err(Failure::from_sdk) {
            Ok(_) => Ok(Ability::Missing),
            Err(failure) if failure.why == Why::Exists => Ok(Ability::Real),
            // Who may only create is refused whatever the condition is.
            Err(failure) if cannot(&failure) || is_denied(&failure) => Ok(Ability::Missing),
            Err(failure) => Err(failure),
        }
    }

    async fn try_lock(&self) -> Result<Ability, Failure> {
        let asked = self.shared.retrying(0, |client, _| {
            let request = client.get_object_lock_configuration().bucket(&self.name);
            async move { request.send().await.map_err(Failure::from_sdk) }
        });
        let answer = match asked.await {
            Err(failure) if failure.is_of_the_line() => return Err(failure),
            Err(_) => return Ok(Ability::Missing),
            Ok(answer) => answer,
        };
        let configuration = answer.object_lock_configuration();
        if configuration.is_some_and(|found| found.rule().is_some()) {
            tracing::warn!(
                "the bucket locks every object by itself, also those that are to go soon: take its default retention out"
            );
        }
        let enabled = configuration.and_then(|found| found.object_lock_enabled());
        Ok(match enabled {
            Some(ObjectLockEnabled::Enabled) => Ability::Real,
            _ => Ability::Missing,
        })
    }

    /// Says that other bytes come than do come, in the new way and in the old one.
    async fn try_checksum(&self, tried: &mut Vec<Name>) -> Result<Ability, Failure> {
        let client = self.shared.client().await?;
        for is_new in [true, false] {
            let name = self.fresh_name(tried)?;
            let request = client
                .put_object()
                .bucket(&self.name)
                .key(self.object_key(&name))
                .if_none_match("*")
                .set_checksum_crc32_c(is_new.then(|| "AAAAAA==".to_owned()))
                .set_content_md5((!is_new).then(|| "AAAAAAAAAAAAAAAAAAAAAA==".to_owned()))
                .body(ByteStream::from_static(b"these have another checksum"));
            match request.send().await.map_err(Failure::from_sdk) {
                Ok(_) => {}
                Err(failure) if failure.is_of_the_line() => return Err(failure),
                Err(_) => return Ok(Ability::Real),
            }
        }
        Ok(Ability::Missing)
    }

    /// Creates, lists, removes and lists again.
    async fn try_listing(self: &Arc<Self>, tried: &mut Vec<Name>) -> Result<Ability, Failure> {
        for _ in 0..LISTED {
            let name = self.fresh_name(tried)?;
            self.put_new(&name, Bytes::from_static(b"listed")).await?;
            if !self.is_listed(&name).await? {
                return Ok(Ability::Missing);
            }
            match self.delete(&name).await {
                Ok(()) if self.is_listed(&name).await? => return Ok(Ability::Missing),
                Ok(()) => {}
                // Who may not remove anything sees half of it.
                Err(failure) if is_denied(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(Ability::Real)
    }

    async fn is_listed(self: &Arc<Self>, name: &Name) -> Result<bool, Failure> {
        let listed = Arc::clone(self).list_area("probe".to_owned()).await?;
        Ok(listed.iter().any(|listed| listed.name == *name))
    }
}

/// Whether a service does not know what was asked.
fn cannot(failure: &Failure) -> bool {
    matches!(
        failure.why,
        Why::Cause(Cause::Unsupported | Cause::Refused | Cause::Settings)
    )
}

fn is_denied(failure: &Failure) -> bool {
    matches!(failure.why, Why::Cause(Cause::Denied | Cause::Locked))
}
