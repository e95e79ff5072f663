//! Takes secrets out of texts.
//!
//! Every secret that a call resolved is known here, and taken out of what the guest, or a command
//! that was given it, says to people: log lines, failures, warnings, facts, findings, the end of a
//! standard error. What goes into entries is content, which is sealed, and stays as it is.

use holdfast_base::sync::Unpoisoned;
use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard};
use zeroize::Zeroizing;

/// What stands for a secret.
const INSTEAD: &str = "[secret]";
/// Shortest secret, or line of one, that is looked for: shorter ones occur in any text, and taking
/// them out would show their places.
const BYTES_MIN: usize = 4;

/// The secrets of a call.
#[derive(Default)]
pub(crate) struct SecretFilter(Mutex<Vec<Zeroizing<String>>>);

impl SecretFilter {
    fn secrets(&self) -> MutexGuard<'_, Vec<Zeroizing<String>>> {
        self.0.lock_unpoisoned()
    }

    /// Adds a secret, and each of its lines.
    pub(crate) fn add_secret(&self, secret: &[u8]) {
        let text = Zeroizing::new(String::from_utf8_lossy(secret).into_owned());
        let mut secrets = self.secrets();
        let lines = text.lines().map(str::trim);
        for piece in std::iter::once(text.trim()).chain(lines) {
            if piece.len() >= BYTES_MIN && !secrets.iter().any(|known| known.as_str() == piece) {
                secrets.push(Zeroizing::new(piece.to_owned()));
            }
        }
        // The whole before its parts.
        secrets.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    }

    /// Takes the secrets out of a text.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in self.secrets().iter() {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), INSTEAD));
            }
        }
        text
    }

    /// Returns whether a text has a secret in it.
    pub(crate) fn finds_secret_in(&self, text: &str) -> bool {
        self.secrets()
            .iter()
            .any(|secret| text.contains(secret.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_their_lines_are_taken_out_of_words() {
        let filter = SecretFilter::default();
        assert_eq!(filter.redact("hunter2"), "hunter2");
        filter.add_secret(b"host:5432:*:me:hunter2\nother:s3cret\n\nab\n");
        filter.add_secret(b"hunter2");
        assert_eq!(
            filter.redact("no hunter2, no other:s3cret, ab"),
            "no [secret], no [secret], ab"
        );
        assert!(
            filter.finds_secret_in("--password=hunter2") && !filter.finds_secret_in("--password")
        );
    }
}
