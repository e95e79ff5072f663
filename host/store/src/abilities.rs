//! What a place really does, as opposed to what it says.
//!
//! Found once, by trying, when a repository is made; kept with the repository; and believed by whoever
//! removes anything.

use crate::StoreError;
use std::collections::BTreeMap;

/// A place whose abilities only trying tells.
pub trait Probe: Send + Sync {
    /// Tries what the place really does, and remembers it.
    ///
    /// # Errors
    /// The place cannot be used at all, or holds something else.
    fn find_abilities(&self) -> Result<Abilities, StoreError>;

    /// Takes what was found out when the repository was made.
    fn assume_abilities(&self, abilities: Abilities);
}

/// Whether a place does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// It does, as far as trying shows.
    Real,
    /// It does not.
    Missing,
    /// It says so, and does not.
    Claimed,
}

/// What a place really does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Of several that create one name, one wins.
    pub conditional_create: Ability,
    /// The same for what is uploaded in parts.
    pub conditional_create_in_parts: Ability,
    /// An object is replaced only if it is the one that is meant.
    pub conditional_replace: Ability,
    /// Objects can be kept from being removed.
    pub object_lock: Ability,
    /// Bytes that arrive changed are refused.
    pub checksums: Ability,
    /// A listing shows what was created and removed before it.
    pub strong_listing: Ability,
}

impl Ability {
    fn as_word(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Missing => "missing",
            Self::Claimed => "claimed",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "real" => Self::Real,
            "claimed" => Self::Claimed,
            _ => Self::Missing,
        }
    }

    /// Returns whether it can be relied on.
    #[must_use]
    pub fn is_real(self) -> bool {
        self == Self::Real
    }
}

impl Abilities {
    /// What a directory does.
    pub const LOCAL: Self = Self {
        conditional_create: Ability::Real,
        conditional_create_in_parts: Ability::Real,
        conditional_replace: Ability::Missing,
        object_lock: Ability::Missing,
        checksums: Ability::Missing,
        strong_listing: Ability::Real,
    };

    /// What nobody has tried: nothing is relied on.
    pub const UNKNOWN: Self = Self {
        conditional_create: Ability::Missing,
        conditional_create_in_parts: Ability::Missing,
        strong_listing: Ability::Missing,
        ..Self::LOCAL
    };

    /// Returns it as words, for keeping and for people.
    #[must_use]
    pub fn to_words(&self) -> BTreeMap<String, String> {
        let pairs = [
            ("conditional-create", self.conditional_create),
            (
                "conditional-create-in-parts",
                self.conditional_create_in_parts,
            ),
            ("conditional-replace", self.conditional_replace),
            ("object-lock", self.object_lock),
            ("checksums", self.checksums),
            ("strong-listing", self.strong_listing),
        ];
        let word = |(key, ability): (&str, Ability)| (key.to_owned(), ability.as_word().to_owned());
        pairs.into_iter().map(word).collect()
    }

    /// Reads such words; what they do not say is not relied on.
    #[must_use]
    pub fn from_words(words: &BTreeMap<String, String>) -> Self {
        let ability = |key: &str| {
            words
                .get(key)
                .map_or(Ability::Missing, |word| Ability::from_word(word))
        };
        Self {
            conditional_create: ability("conditional-create"),
            conditional_create_in_parts: ability("conditional-create-in-parts"),
            conditional_replace: ability("conditional-replace"),
            object_lock: ability("object-lock"),
            checksums: ability("checksums"),
            strong_listing: ability("strong-listing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_the_same_when_they_are_read_again() {
        let found = Abilities {
            conditional_create: Ability::Claimed,
            ..Abilities::LOCAL
        };
        assert_eq!(Abilities::from_words(&found.to_words()), found);
        assert_eq!(
            Abilities::from_words(&BTreeMap::new()).strong_listing,
            Ability::Missing
        );
    }
}
