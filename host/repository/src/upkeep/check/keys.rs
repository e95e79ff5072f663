//! What opens the repository: whether operators and hosts still find it, and find it whole.

use crate::format::header::HOST_KEYS;
use crate::ground::names::{SPARES, announcement_name};
use crate::objects::epochs::Revision;
use crate::repository::Repository;
use crate::repository::openers::{self, Pair, Trouble};
use crate::upkeep::UpkeepError;
use crate::upkeep::check::{Report, Survey};
use holdfast_store::Name;

/// Checks everything that opens the repository, and the spares.
pub(super) fn check_keys(repository: &Repository, survey: &mut Survey) -> Result<(), UpkeepError> {
    let pairs = openers::pairs(repository)?;
    check_announced(repository, &pairs, &mut survey.report)?;
    let needed = needed(repository, &pairs)?;
    for name in &needed {
        if pairs.iter().all(|pair| pair.object != *name) {
            let what = describe_unopened("it is missing");
            survey.report.damage.push((name.to_string(), what));
        }
    }
    for pair in pairs {
        let Some(trouble) = pair.trouble() else {
            continue;
        };
        let object = pair.object.to_string();
        let damage = match trouble {
            Trouble::Unspared => None,
            Trouble::Object(how) => Some((object, format!("{how}; its spare is sound"))),
            Trouble::Spare(how) => Some((format!("{}/{object}", SPARES), how)),
            Trouble::Differ => Some((object, "it and its spare are not the same".into())),
            Trouble::Lost(how) if needed.contains(&pair.object) => {
                Some((object, describe_unopened(&how)))
            }
            // Half an object of a change that never was.
            Trouble::Lost(_) if object.starts_with("epochs/") => continue,
            Trouble::Lost(how) => Some((object, how)),
        };
        survey.report.damage.extend(damage);
        survey.damaged_keys.push(pair.object);
    }
    Ok(())
}

fn describe_unopened(how: &str) -> String {
    format!("{how}: operators cannot open the repository with their identities")
}

/// Checks that there is the announcement that this machine knows of.
fn check_announced(
    repository: &Repository,
    pairs: &[Pair],
    report: &mut Report,
) -> Result<(), UpkeepError> {
    let features = &repository.header.features.read;
    let is_announced = features.iter().any(|feature| feature == HOST_KEYS);
    let is_announcement = |pair: &Pair| pair.object.as_str().starts_with("announcements/");
    if is_announced && !pairs.iter().any(is_announcement) {
        let what =
            "it is missing: who may open and write the repository is not announced".to_owned();
        report.damage.push(("announcements".to_owned(), what));
    }
    if let Some(newest) = repository.announcement()
        && repository.announced.is_hidden
    {
        let name = announcement_name(newest.announcement).to_string();
        report.damage.push((name, "it is missing".into()));
    }
    Ok(())
}

/// Returns the epoch objects that operators need.
fn needed(repository: &Repository, pairs: &[Pair]) -> Result<Vec<Name>, UpkeepError> {
    let first_of = |epoch| Revision { epoch, revision: 0 }.name();
    let stored = pairs.iter().map(|pair| &pair.object);
    let stored = stored.filter(|name| name.as_str().starts_with("epochs/"));
    let stored: Vec<Name> = stored.cloned().collect();
    Ok(match (repository.announcement(), &repository.key.write) {
        (Some(newest), _) => vec![Name::new(newest.epoch_object.clone())?],
        (None, Some(keys)) => vec![first_of(keys.epoch)],
        // An audit key does not say which there are.
        (None, None) if stored.is_empty() => vec![first_of(1)],
        (None, None) => stored,
    })
}
