//! Thawing: what lies in a cold class, whether it was asked for, and asking.
//!
//! A listing tells the class of an object, and not whether it was thawed: the object itself tells that. Two
//! classes are always cold. `INTELLIGENT_TIERING` has tiers of archive that only the object itself tells of.

use super::Bucket;
use super::failure::{Failure, Why};
use crate::Name;
use crate::cause::Cause;
use crate::cold::{Thaw, Thawing, Tier, Warmth};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{self, GlacierJobParameters, RestoreRequest, StorageClass};

/// Classes whose objects must be thawed.
const COLD: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];
/// The class that has cold places in it.
const TIERED: &str = "INTELLIGENT_TIERING";

/// What a class, as a listing names it, says of an object.
pub(super) fn warmth_of_class(class: Option<&str>) -> Warmth {
    match class {
        Some(class) if COLD.contains(&class) => Warmth::Cold,
        Some(TIERED) => Warmth::Unsure,
        _ => Warmth::Warm,
    }
}

impl Bucket {
    /// Returns whether an object can be read, and whether it is one of those that stay when they are thawed.
    pub(super) async fn thaw_state(&self, name: &Name) -> Result<(Thaw, bool), Failure> {
        self.shared
            .retrying(0, |client, _| {
                let request = client
                    .head_object()
                    .bucket(&self.name)
                    .key(self.object_key(name));
                async move {
                    let answer = request.send().await.map_err(Failure::from_sdk)?;
                    let class = answer.storage_class().map(StorageClass::as_str);
                    Ok((thaw_state_in(&answer), class == Some(TIERED)))
                }
            })
            .await
    }

    /// Asks for an object, unless it can be read or was asked for before.
    pub(super) async fn request_thaw(&self, name: &Name, how: Thawing) -> Result<Thaw, Failure> {
        let (state, is_tiered) = self.thaw_state(name).await?;
        if state != Thaw::Cold {
            return Ok(state);
        }
        let request = restore_request(how, is_tiered)?;
        let asked = self.shared.retrying(0, |client, _| {
            let request = client
                .restore_object()
                .bucket(&self.name)
                .key(self.object_key(name))
                .restore_request(request.clone());
            async move { request.send().await.map_err(Failure::from_sdk) }
        });
        match asked.await {
            Ok(_) => Ok(Thaw::Asked),
            Err(failure) => match failure.why {
                Why::Thawing => Ok(Thaw::Going),
                Why::Warm => Ok(Thaw::Ready),
                _ => Err(failure),
            },
        }
    }
}

/// What an object says of itself.
fn thaw_state_in(answer: &HeadObjectOutput) -> Thaw {
    let class = answer.storage_class().map(StorageClass::as_str);
    let is_cold = warmth_of_class(class) == Warmth::Cold || answer.archive_status().is_some();
    match answer.restore() {
        _ if !is_cold => Thaw::Ready,
        Some(said) if said.contains("ongoing-request=\"true\"") => Thaw::Going,
        Some(said) if said.contains("ongoing-request=\"false\"") => Thaw::Ready,
        _ => Thaw::Cold,
    }
}

/// Says it as the service wants to be asked.
fn restore_request(how: Thawing, is_tiered: bool) -> Result<RestoreRequest, Failure> {
    let tier = match how.tier {
        Tier::Bulk => types::Tier::Bulk,
        Tier::Standard => types::Tier::Standard,
        Tier::Expedited => types::Tier::Expedited,
    };
    let job = GlacierJobParameters::builder().tier(tier).build();
    let job = job.map_err(|error| Failure::new(Cause::Refused, error.to_string()))?;
    Ok(RestoreRequest::builder()
        // An object that the service moves between tiers by itself stays in the tier it is brought to.
        .set_days((!is_tiered).then(|| i32::from(how.days)))
        .glacier_job_parameters(job)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::ArchiveStatus;

    fn object(class: StorageClass, restore: Option<&str>, archive: Option<ArchiveStatus>) -> Thaw {
        let answer = HeadObjectOutput::builder()
            .storage_class(class)
            .set_restore(restore.map(str::to_owned))
            .set_archive_status(archive)
            .build();
        thaw_state_in(&answer)
    }

    #[test]
    fn an_object_tells_whether_it_can_be_read() {
        let there =
            Some("ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2029 00:00:00 GMT\"");
        let going = Some("ongoing-request=\"true\"");
        for (class, restore, archive, expected) in [
            (StorageClass::Standard, None, None, Thaw::Ready),
            (StorageClass::GlacierIr, None, None, Thaw::Ready),
            (StorageClass::Glacier, None, None, Thaw::Cold),
            (StorageClass::DeepArchive, None, None, Thaw::Cold),
            (StorageClass::DeepArchive, going, None, Thaw::Going),
            (StorageClass::DeepArchive, there, None, Thaw::Ready),
            (StorageClass::IntelligentTiering, None, None, Thaw::Ready),
            (
                StorageClass::IntelligentTiering,
                None,
                Some(ArchiveStatus::DeepArchiveAccess),
                Thaw::Cold,
            ),
            (
                StorageClass::IntelligentTiering,
                going,
                Some(ArchiveStatus::ArchiveAccess),
                Thaw::Going,
            ),
        ] {
            let found = object(class.clone(), restore, archive.clone());
            assert_eq!(found, expected, "{class} {restore:?} {archive:?}");
        }
    }

    #[test]
    fn a_listing_tells_which_classes_are_cold() {
        assert_eq!(warmth_of_class(None), Warmth::Warm);
        assert_eq!(warmth_of_class(Some("GLACIER_IR")), Warmth::Warm);
        assert_eq!(warmth_of_class(Some("GLACIER")), Warmth::Cold);
        assert_eq!(warmth_of_class(Some("DEEP_ARCHIVE")), Warmth::Cold);
        assert_eq!(warmth_of_class(Some("INTELLIGENT_TIERING")), Warmth::Unsure);
    }

    #[test]
    fn what_a_service_moves_by_itself_is_asked_for_without_days() {
        let how = Thawing {
            days: 7,
            tier: Tier::Bulk,
        };
        assert_eq!(restore_request(how, false).unwrap().days(), Some(7));
        let tiered = restore_request(how, true).unwrap();
        assert_eq!(tiered.days(), None);
        let tier = tiered
            .glacier_job_parameters()
            .map(|job| job.tier().as_str());
        assert_eq!(tier, Some("Bulk"));
    }
}
