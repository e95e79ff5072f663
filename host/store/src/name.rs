//! Names of objects.
//!
//! A name is lower-case letters, digits and `-`, in parts separated by single slashes. So it means
//! the same on every store, and can never leave the place it is relative to.

use std::fmt;

/// The name of an object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Says why a text is not the name of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an object")]
pub struct NameError(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// The text has other characters than a name may have.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let sound = text.len() <= 200
            && text.split('/').all(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            });
        if sound {
            Ok(Self(text))
        } else {
            Err(NameError(text))
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what follows the last slash.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_place_are_refused() {
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "A", "a b", "a\0"] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert!(Name::new("packs/0f/0f12-3").is_ok());
    }
}
