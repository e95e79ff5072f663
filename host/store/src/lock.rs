//! Locks: what keeps an object from being removed, whoever asks for it.
//!
//! - The place keeps them, not holdfast: whoever has stolen credentials that may remove objects removes
//!   nothing that is locked.
//! - A term ends by itself. It can be made longer, never shorter.
//! - A hold has no end: who may set one may also take it off.

use crate::cause::{Answer, Cause};
use crate::{Name, StoreError};
use holdfast_base::time::Instant;

/// Who can end a term before its time. One that lasts keeps its mode where the place does not let that change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Whom the place has given a right of its own for that.
    Governance,
    /// Nobody.
    Compliance,
}

impl LockMode {
    /// Returns its word.
    #[must_use]
    pub fn word(self) -> &'static str {
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
    pub mode: LockMode,
}

/// What keeps an object from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lock {
    /// A time.
    pub term: Option<Term>,
    /// A hold, which lasts until somebody takes it off.
    pub is_held: bool,
}

impl Lock {
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
    /// The end that is set where it is not.
    pub until: Instant,
    /// Who can end it sooner.
    pub mode: LockMode,
}

impl Extension {
    /// Returns whether a term lasts long enough.
    #[must_use]
    pub fn is_met_by(&self, term: &Term) -> bool {
        term.until >= self.least
    }

    /// Returns the term that an object with this lock is to get; none where its own is long enough. What is there
    /// already is neither shortened nor made less strict.
    #[must_use]
    pub fn beyond(&self, lock: &Lock) -> Option<Term> {
        let wanted = Term {
            until: self.until,
            mode: self.mode,
        };
        match lock.term {
            None => Some(wanted),
            Some(held) if self.is_met_by(&held) => None,
            Some(held) => Some(Term {
                until: held.until.max(wanted.until),
                mode: held.mode.max(wanted.mode),
            }),
        }
    }
}

/// Returns the error of a place that cannot lock.
pub(crate) fn cannot(name: &Name, place: String) -> StoreError {
    let words = "it has no object lock".to_owned();
    let cause = Cause::Unsupported;
    StoreError::Service {
        action: format!("lock object `{name}`"),
        place,
        source: Box::new(Answer { cause, words }),
    }
}

/// Returns the error of a place that does not remove what is locked.
#[must_use]
pub fn refusal(name: &Name, place: String) -> StoreError {
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
        mode: LockMode::Governance,
    };

    fn lock(until: i64, mode: LockMode) -> Lock {
        let until = Instant(until);
        Lock {
            term: Some(Term { until, mode }),
            is_held: false,
        }
    }

    #[test]
    fn a_term_is_made_longer_and_stricter_and_never_the_opposite() {
        let wanted = Extension {
            least: Instant(20),
            until: Instant(25),
            mode: LockMode::Governance,
        };
        let after = |lock: Lock| wanted.beyond(&lock).map(|term| (term.until.0, term.mode));
        let (governance, compliance) = (LockMode::Governance, LockMode::Compliance);
        assert_eq!(after(Lock::default()), Some((25, governance)));
        assert_eq!(after(lock(19, governance)), Some((25, governance)));
        assert_eq!(after(lock(19, compliance)), Some((25, compliance)));
        assert_eq!(after(lock(20, governance)), None);
        assert_eq!(after(lock(90, compliance)), None);
        let strict = Extension {
            mode: compliance,
            ..wanted
        };
        let after = strict.beyond(&lock(19, governance));
        assert_eq!(after.map(|term| term.mode), Some(compliance));
    }

    #[test]
    fn a_lock_holds_until_its_term_is_over_and_its_hold_is_taken_off() {
        let lock = Lock {
            term: Some(SHORT),
            is_held: false,
        };
        assert!(lock.holds_at(Instant(9)) && !lock.holds_at(Instant(10)));
        let held = Lock {
            is_held: true,
            ..lock
        };
        assert!(held.holds_at(Instant(99)) && !Lock::default().holds_at(Instant(0)));
    }
}
