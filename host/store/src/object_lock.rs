//! Object lock: what keeps an object from being removed, whoever asks for it.
//!
//! - The place keeps them, not holdfast: whoever has stolen credentials that may remove objects removes
//!   nothing that is locked.
//! - A term ends by itself. It can be made longer, never shorter.
//! - A hold has no end: who may set one may also take it off.

use crate::cause::{Answer, Cause};
use crate::{Name, Store, StoreError};
use holdfast_base::time::Instant;

/// Who can end a term before its time. A term that has not ended keeps its mode if the place does not let that change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RetentionMode {
    /// Whom the place has given a right of its own for that.
    Governance,
    /// Nobody.
    Compliance,
}

impl RetentionMode {
    /// Returns its word.
    #[must_use]
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }
}

/// How long an object is kept from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Its end, by the place's clock.
    pub until: Instant,
    /// Who can end it sooner.
    pub mode: RetentionMode,
}

/// What keeps an object from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// A time.
    pub term: Option<Term>,
    /// A hold, which lasts until somebody takes it off.
    pub is_held: bool,
}

impl Protection {
    /// Returns whether the object cannot be removed at that moment.
    #[must_use]
    pub fn holds_at(&self, now: Instant) -> bool {
        self.is_held || self.term.is_some_and(|term| term.until > now)
    }
}

/// How long objects are to be locked: those whose lock ends before `least` get one until `until`.
///
/// Between the two lies how seldom the same object is asked about again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// The earliest end that is enough.
    pub least: Instant,
    /// The end that is set if the present one is too early.
    pub until: Instant,
    /// Who can end it sooner.
    pub mode: RetentionMode,
}

impl Extension {
    /// Returns whether a term lasts long enough.
    #[must_use]
    pub fn is_met_by(&self, term: &Term) -> bool {
        term.until >= self.least
    }

    /// Returns the term that an object with this lock is to get; none if its own is long enough. What is there
    /// already is neither shortened nor made less strict.
    #[must_use]
    pub fn term_beyond(&self, present: &Protection) -> Option<Term> {
        let wanted = Term {
            until: self.until,
            mode: self.mode,
        };
        match present.term {
            None => Some(wanted),
            Some(held) if self.is_met_by(&held) => None,
            Some(held) => Some(Term {
                until: held.until.max(wanted.until),
                mode: held.mode.max(wanted.mode),
            }),
        }
    }
}

/// A place that keeps objects from being removed.
pub trait ObjectLock: Send + Sync {
    /// Returns what keeps an object from being removed.
    ///
    /// # Errors
    /// The object is absent or cannot be reached.
    fn protection(&self, name: &Name) -> Result<Protection, StoreError>;

    /// Makes an object's term last long enough, and returns the term that it has then. No term is ever made shorter
    /// by this.
    ///
    /// # Errors
    /// The object is absent, or the place cannot keep it.
    fn retain(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError>;

    /// Sets the hold of an object or takes it off; returns whether that changed anything.
    ///
    /// # Errors
    /// The object is absent, or the place cannot hold it.
    fn set_hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError>;
}

impl dyn Store + '_ {
    /// Returns the object lock of a place of which object `name` is to be protected.
    ///
    /// # Errors
    /// Places of this kind have none.
    pub fn require_object_lock(&self, name: &Name) -> Result<&dyn ObjectLock, StoreError> {
        self.object_lock().ok_or_else(|| StoreError::Service {
            action: format!("lock object `{name}`"),
            place: self.place(),
            source: Box::new(Answer {
                cause: Cause::Unsupported,
                words: "it has no object lock".to_owned(),
            }),
        })
    }
}

/// Returns the error of a place that does not remove what is locked.
#[must_use]
pub fn locked_error(name: &Name, place: String) -> StoreError {
    let words = "it is locked".to_owned();
    let cause = Cause::Locked;
    StoreError::Service {
        action: format!("remove object `{name}`"),
        place,
        source: Box::new(Answer { cause, words }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Term = Term {
        until: Instant(10),
        mode: RetentionMode::Governance,
    };

    fn protected(until: i64, mode: RetentionMode) -> Protection {
        let until = Instant(until);
        Protection {
            term: Some(Term { until, mode }),
            is_held: false,
        }
    }

    #[test]
    fn a_term_is_made_longer_and_stricter_and_never_the_opposite() {
        let wanted = Extension {
            least: Instant(20),
            until: Instant(25),
            mode: RetentionMode::Governance,
        };
        let after = |held: Protection| {
            wanted
                .term_beyond(&held)
                .map(|term| (term.until.0, term.mode))
        };
        let (governance, compliance) = (RetentionMode::Governance, RetentionMode::Compliance);
        assert_eq!(after(Protection::default()), Some((25, governance)));
        assert_eq!(after(protected(19, governance)), Some((25, governance)));
        assert_eq!(after(protected(19, compliance)), Some((25, compliance)));
        assert_eq!(after(protected(20, governance)), None);
        assert_eq!(after(protected(90, compliance)), None);
        let strict = Extension {
            mode: compliance,
            ..wanted
        };
        let after = strict.term_beyond(&protected(19, governance));
        assert_eq!(after.map(|term| term.mode), Some(compliance));
    }

    #[test]
    fn a_lock_holds_until_its_term_is_over_and_its_hold_is_taken_off() {
        let lock = Protection {
            term: Some(SHORT),
            is_held: false,
        };
        assert!(lock.holds_at(Instant(9)) && !lock.holds_at(Instant(10)));
        let held = Protection {
            is_held: true,
            ..lock
        };
        assert!(held.holds_at(Instant(99)) && !Protection::default().holds_at(Instant(0)));
    }
}
