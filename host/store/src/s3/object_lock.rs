//! Object lock: terms and holds of versions, and removing objects of which a bucket keeps versions.
//!
//! A bucket with object lock keeps versions. There, to remove an object by its name only hides it behind a
//! marker, frees nothing, and works on what is locked too. So it is the version that is removed: either all
//! of it goes, or nothing happens.

use super::Bucket;
use super::failure::{Failure, Why};
use crate::Name;
use crate::cause::Cause;
use crate::object_lock::{Extension, Protection, RetentionMode, Term};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode,
};
use holdfast_base::time::Instant;

/// An object's newest version.
struct Version {
    /// Its id; none if the bucket keeps no versions.
    id: Option<String>,
    protection: Protection,
}

impl Bucket {
    /// Returns an object's lock.
    pub(super) async fn protection(&self, name: &Name) -> Result<Protection, Failure> {
        Ok(self.newest_version(name).await?.protection)
    }

    /// Sees to it that an object is locked long enough; returns the term that it has then.
    pub(super) async fn retain(&self, name: &Name, wanted: &Extension) -> Result<Term, Failure> {
        let version = self.newest_version(name).await?;
        let (held, term) = match (
            version.protection.term,
            wanted.term_beyond(&version.protection),
        ) {
            (Some(held), None) => return Ok(held),
            (held, Some(term)) => (held, term),
            (None, None) => return Err(Failure::new(Cause::Broken, "it has no term")),
        };
        let mut term = Term {
            until: next_whole_second(term.until),
            ..term
        };
        let mut done = self.put_retention(name, &version, &term).await;
        if let (Err(_), Some(held)) = (&done, held)
            && held.mode < term.mode
        {
            // Not every service lets the mode change of what is locked; it can last longer all the same.
            term.mode = held.mode;
            done = self.put_retention(name, &version, &term).await;
        }
        match done {
            Ok(()) => Ok(term),
            // Somebody else may have made it longer in this moment: then this was a way to shorten it.
            Err(failure) => match self.newest_version(name).await?.protection.term {
                Some(held) if wanted.is_met_by(&held) => Ok(held),
                _ => Err(failure),
            },
        }
    }

    async fn put_retention(
        &self,
        name: &Name,
        version: &Version,
        term: &Term,
    ) -> Result<(), Failure> {
        let mode = match term.mode {
            RetentionMode::Governance => ObjectLockRetentionMode::Governance,
            RetentionMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        let retention = ObjectLockRetention::builder()
            .mode(mode)
            .retain_until_date(DateTime::from_secs(term.until.seconds()))
            .build();
        self.shared
            .retrying(0, |client, _| {
                let request = client
                    .put_object_retention()
                    .bucket(&self.name)
                    .key(self.object_key(name))
                    .set_version_id(version.id.clone())
                    .retention(retention.clone());
                async move { request.send().await.map(|_| ()).map_err(Failure::from_sdk) }
            })
            .await
    }

    /// Sets a hold or takes it off; returns whether that changed anything.
    pub(super) async fn set_hold(&self, name: &Name, is_held: bool) -> Result<bool, Failure> {
        let version = self.newest_version(name).await?;
        if version.protection.is_held == is_held {
            return Ok(false);
        }
        let status = match is_held {
            true => ObjectLockLegalHoldStatus::On,
            false => ObjectLockLegalHoldStatus::Off,
        };
        let hold = ObjectLockLegalHold::builder().status(status).build();
        self.shared
            .retrying(0, |client, _| {
                let request = client
                    .put_object_legal_hold()
                    .bucket(&self.name)
                    .key(self.object_key(name))
                    .set_version_id(version.id.clone())
                    .legal_hold(hold.clone());
                async move { request.send().await.map(|_| ()).map_err(Failure::from_sdk) }
            })
            .await?;
        Ok(true)
    }

    /// Removes the newest version of an object, which is the only one that holdfast has made.
    pub(super) async fn delete_version(&self, name: &Name) -> Result<(), Failure> {
        let version = match self.newest_version(name).await {
            Err(failure) if failure.why == Why::Absent => return Ok(()),
            other => other?,
        };
        let removed = self.shared.retrying(0, |client, _| {
            let request = client
                .delete_object()
                .bucket(&self.name)
                .key(self.object_key(name))
                .set_version_id(version.id.clone());
            async move { request.send().await.map(|_| ()).map_err(Failure::from_sdk) }
        });
        match removed.await {
            Err(failure) if failure.why == Why::Absent => Ok(()),
            // Not every service says why it does not let go.
            Err(failure)
                if version.protection != Protection::default()
                    && failure.why == Why::Cause(Cause::Denied) =>
            {
                Err(Failure::new(Cause::Locked, failure.answer))
            }
            other => other,
        }
    }

    /// Looks at the newest version of an object.
    async fn newest_version(&self, name: &Name) -> Result<Version, Failure> {
        let asked = self.shared.retrying(0, |client, _| {
            let request = client
                .head_object()
                .bucket(&self.name)
                .key(self.object_key(name));
            async move {
                let answer = request.send().await.map_err(Failure::from_sdk)?;
                Ok(Version {
                    id: answer.version_id().map(str::to_owned),
                    protection: protection_in(&answer),
                })
            }
        });
        match asked.await {
            // It may be the bucket that is absent.
            Err(failure) if failure.why == Why::Absent => match self.object_size(name).await {
                Err(told) => Err(told),
                Ok(_) => Err(failure),
            },
            other => other,
        }
    }
}

/// Returns what an answer says of locks. One who may not know hears nothing of them.
fn protection_in(answer: &HeadObjectOutput) -> Protection {
    let term = answer.object_lock_retain_until_date().map(|until| Term {
        until: Instant::from_parts(until.secs(), i64::from(until.subsec_nanos())),
        mode: match answer.object_lock_mode() {
            Some(ObjectLockMode::Compliance) => RetentionMode::Compliance,
            _ => RetentionMode::Governance,
        },
    });
    Protection {
        term,
        is_held: answer.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On),
    }
}

/// Returns the whole second that is not before a moment: services keep no smaller parts.
fn next_whole_second(moment: Instant) -> Instant {
    let up = i64::from(moment.nanoseconds() > 0);
    Instant::from_parts(moment.seconds().saturating_add(up), 0)
}
