//! How a secret is referred to.

/// How a secret can be referred to.
pub const FORMS: &str = "write env:NAME, file:PATH, credential:NAME or command:LINE";

/// Returns whether these words refer to a secret.
#[must_use]
pub fn is_reference(words: &str) -> bool {
    let name = |kind| {
        words
            .strip_prefix(kind)
            .is_some_and(|name| !name.is_empty())
    };
    ["env:", "file:", "credential:", "command:"]
        .into_iter()
        .any(name)
}
