//! Which entries are left out.
//!
//! Patterns are those of a `.gitignore` file, one each; the last one that fits decides:
//!
//! | in a pattern | fits |
//! |---|---|
//! | `*` | any part of one name |
//! | `?` | any one character of a name |
//! | `[a-c]`, `[!a-c]` | one character of a set, or none of it |
//! | `**/` in front, `/**` behind, `/**/` between | any number of directories |
//! | a `/` in front or between | the path from the tree's own root, instead of a name anywhere |
//! | a `/` at the end | directories only |
//! | `!` in front | what is taken back in |
//! | `\` | the next character as it is |
//! | `#` in front, or an empty line | nothing: it is a comment |
//!
//! What lies below a directory that is left out cannot be taken back in: nobody looks there.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Says why a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Patterns of what is left out.
#[derive(Debug, Clone)]
pub struct Excludes(Gitignore);

impl Excludes {
    /// Reads patterns.
    ///
    /// # Errors
    /// Names the first that is none.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let mut builder = GitignoreBuilder::new("/");
        let refused = |pattern: &str, error: ignore::Error| PatternError {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        };
        for pattern in patterns {
            builder
                .add_line(None, pattern)
                .map_err(|e| refused(pattern, e))?;
        }
        Ok(Self(builder.build().map_err(|e| refused("", e))?))
    }

    /// Returns whether an entry is left out; `path` is relative to the tree's root.
    #[must_use]
    pub fn excludes(&self, path: &[u8], is_directory: bool) -> bool {
        !self.0.is_empty()
            && self
                .0
                .matched(Path::new(OsStr::from_bytes(path)), is_directory)
                .is_ignore()
    }
}

impl Default for Excludes {
    fn default() -> Self {
        Self(Gitignore::empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_gitignore() {
        let lines = [
            "*.tmp",
            "/top",
            "cache/",
            "!keep.tmp",
            "a/**/z",
            "m/n",
            "x?[0-9]",
            "\\!mark",
            "# comment",
        ]
        .map(String::from);
        let excludes = Excludes::new(&lines).unwrap();
        for (path, is_directory, expected) in [
            ("x/y.tmp", false, true),
            ("keep.tmp", false, false),
            ("top", false, true),
            ("x/top", false, false),
            ("x/cache", true, true),
            ("x/cache", false, false),
            ("a/b/c/z", false, true),
            ("a/z", false, true),
            ("m/n", false, true),
            ("o/m/n", false, false),
            ("deep/xy7", true, true),
            ("deep/xyz", true, false),
            ("!mark", false, true),
            ("# comment", false, false),
        ] {
            assert_eq!(
                excludes.excludes(path.as_bytes(), is_directory),
                expected,
                "{path}"
            );
        }
        assert!(Excludes::new(&["a{b".into()]).is_err());
    }
}
