//! Keeps secrets out of words.
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
/// Shortest secret, or line of one, that is looked for: shorter ones are found in any words, and
/// taking them out would tell where they are.
const BYTES_MIN: usize = 4;

/// The secrets of a call.
#[derive(Default)]
pub(crate) struct Hidden(Mutex<Vec<Zeroizing<String>>>);

impl Hidden {
    fn held(&self) -> MutexGuard<'_, Vec<Zeroizing<String>>> {
        self.0.lock_unpoisoned()
    }

    /// Takes note of a secret, and of its lines.
    pub(crate) fn add(&self, secret: &[u8]) {
        let text = Zeroizing::new(String::from_utf8_lossy(secret).into_owned());
        let mut held = self.held();
        let lines = text.lines().map(str::trim);
        for piece in std::iter::once(text.trim()).chain(lines) {
            if piece.len() >= BYTES_MIN && !held.iter().any(|known| known.as_str() == piece) {
                held.push(Zeroizing::new(piece.to_owned()));
            }
        }
        // The whole before its parts.
        held.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    }

    /// Takes the secrets out of a text.
    pub(crate) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in self.held().iter() {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), INSTEAD));
            }
        }
        text
    }

    /// Returns whether a text has a secret in it.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.held()
            .iter()
            .any(|secret| text.contains(secret.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_their_lines_are_taken_out_of_words() {
        let hidden = Hidden::default();
        assert_eq!(hidden.hide("hunter2"), "hunter2");
        hidden.add(b"host:5432:*:me:hunter2\nother:s3cret\n\nab\n");
        hidden.add(b"hunter2");
        assert_eq!(
            hidden.hide("no hunter2, no other:s3cret, ab"),
            "no [secret], no [secret], ab"
        );
        assert!(hidden.is_in("--password=hunter2") && !hidden.is_in("--password"));
    }
}
