//! The known word that somebody probably meant.

/// Returns the known word nearest to a mistyped one, unless even that is far off.
///
/// A third of its letters and one more may be wrong. Of two that are equally near the first by alphabet is taken, so
/// that the answer does not depend on the order of `known`.
#[must_use]
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = (word.chars().count() / 3).max(1) + 1;
    known
        .map(|name| (strsim::levenshtein(word, name), name))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        for (word, known, expected) in [
            ("stroe", vec!["job", "store"], Some("store")),
            ("jobs", vec!["job", "store"], Some("job")),
            ("entyr", vec!["entry", "every"], Some("entry")),
            ("xa", vec!["xc", "xb"], Some("xb")),
            ("ä", vec!["äöü"], Some("äöü")),
            ("a", vec!["abcd"], None),
            ("mailbox", vec!["job", "store"], None),
            ("job", vec![], None),
        ] {
            assert_eq!(closest(word, known.into_iter()), expected, "{word}");
        }
    }
}
