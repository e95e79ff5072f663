//! Puts back what opens the repository, from what there is of it twice.

use crate::ground::names::spare_name;
use crate::objects::spares;
use crate::repository::openers::{self, Trouble};
use crate::upkeep::UpkeepError;
use crate::upkeep::repair::{What, Work};

impl Work<'_> {
    /// Mends what opens the repository, and makes spares of what has none.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn mend_keys(&mut self) -> Result<(), UpkeepError> {
        for object in std::mem::take(&mut self.survey.damaged_keys) {
            let pair = openers::pair(self.repository, &object)?;
            let Some(trouble) = pair.trouble() else {
                continue;
            };
            let spare = spare_name(&object)?;
            match (trouble, pair.sound()) {
                (Trouble::Object(_), Some(sound)) => {
                    self.put_back(&object, &sound, "from its spare".into())?;
                }
                (Trouble::Spare(_), Some(sound)) => {
                    self.put_back(&spare, &sound, format!("from {object}"))?;
                }
                (Trouble::Unspared, Some(sound)) => {
                    if !self.is_dry {
                        spares::create(self.store(), &object, &sound);
                    }
                    self.record_action(
                        What::Protected,
                        object.to_string(),
                        "it has a spare".into(),
                    );
                }
                (Trouble::Differ, _) => {
                    let why = format!(
                        "it and {spare} are not the same, and which of them is sound is not known"
                    );
                    self.record_action(What::Left, object.to_string(), why);
                }
                (Trouble::Lost(_), _) if object.as_str().starts_with("announcements/") => {
                    for name in [&object, &spare] {
                        self.set_aside(name, "it counts for nobody")?;
                    }
                }
                (Trouble::Lost(_), _) | (_, None) => {}
            }
        }
        Ok(())
    }
}
