//! What is damaged and costs no data: marks and sessions.

use crate::objects::error::ObjectFault;
use crate::upkeep::UpkeepError;
use crate::upkeep::repair::Work;
use holdfast_base::advice::{Advice, SnapshotAdvice};
use holdfast_store::Name;
use std::collections::HashSet;

/// What becomes of damaged objects of these kinds by other means.
const LEFT: [(&str, &str, Advice); 3] = [
    (
        "holds/",
        "it holds all the same, until it is released",
        Advice::Snapshot(SnapshotAdvice::ReleaseDamagedHold),
    ),
    (
        "sessions/",
        "collection removes it",
        Advice::Snapshot(SnapshotAdvice::CollectDamagedSession),
    ),
    (
        "tombstones/",
        "collection goes on without it, and frees less",
        Advice::Snapshot(SnapshotAdvice::CollectWithoutTombstone),
    ),
];
/// Tombstones of snapshots: one that cannot be read forgets nothing, and is in the way of the next.
const FORGETS: &str = "tombstones/s-";

impl Work<'_> {
    /// Sets aside what is in the way, and says what becomes of the rest.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn mend_marks(&mut self) -> Result<(), UpkeepError> {
        let damaged = self.survey.report.damage.iter();
        let damaged: Vec<String> = damaged.map(|(object, _)| object.clone()).collect();
        let is_mark = |object: &String| LEFT.iter().any(|(area, ..)| object.starts_with(area));
        if !damaged.iter().any(is_mark) {
            return Ok(());
        }
        let marks = self.repository.marks()?;
        let again: HashSet<&str> = marks.unreadable().filter_map(ObjectFault::object).collect();
        for object in damaged {
            if object.starts_with(FORGETS) {
                if again.contains(object.as_str()) {
                    let why = "its snapshot is not forgotten";
                    self.set_aside(&Name::new(object)?, why)?;
                }
            } else if let Some((_, why, advice)) =
                LEFT.iter().find(|(area, ..)| object.starts_with(area))
            {
                self.leave(object, why, advice.clone());
            }
        }
        Ok(())
    }
}
