//! Says in the words of an operator what a TOML parser found.

use holdfast_base::nearest::closest;

/// What a parser expects, and what an operator calls it.
const TYPES: [(&str, &str); 9] = [
    ("expected a string", "expected a text"),
    ("expected a sequence", "expected a list"),
    ("expected a map", "expected a table"),
    ("expected struct", "expected a table"),
    ("expected i32", "expected a whole number"),
    ("expected i64", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("invalid type: string", "this takes no text:"),
    ("invalid type: ", "this takes no "),
];

/// Returns what is wrong, and what to do about it, from a parser's message.
pub(super) fn plain(message: &str) -> (String, Option<String>) {
    let message = message.trim().lines().next().unwrap_or_default();
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let field = quoted.next().unwrap_or_default();
        return unknown(field, &quoted.collect::<Vec<_>>());
    }
    if message.starts_with("missing field") {
        return missing(quoted.next().unwrap_or_default());
    }
    let mut plain = message.to_owned();
    for (theirs, ours) in TYPES {
        if let Some(at) = plain.find(theirs) {
            plain.replace_range(at..at + theirs.len(), ours);
        }
    }
    (plain, None)
}

/// Says that a key is unknown, and which was probably meant.
pub(super) fn unknown(key: &str, known: &[&str]) -> (String, Option<String>) {
    let suggestion = match closest(key, known.iter().copied()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("Known here: {}", known.join(", ")),
    };
    (format!("unknown key `{key}`"), Some(suggestion))
}

fn missing(key: &str) -> (String, Option<String>) {
    let suggestion = match key {
        "url" => Some("Say where the store is: url = \"file:///absolute/directory\""),
        "source" => Some(
            "Name the plugin that makes the backup: source = \"files\". What is installed: holdfast plugin list",
        ),
        _ => None,
    };
    let message = format!("this table has no `{key}`");
    (message, suggestion.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_not_spoken_to_in_rust() {
        for (theirs, ours) in [
            (
                "invalid type: integer `3`, expected a string",
                "this takes no integer `3`, expected a text",
            ),
            (
                "invalid type: string \"high\", expected i32",
                "this takes no text: \"high\", expected a whole number",
            ),
            (
                "invalid type: string \"a\", expected a sequence",
                "this takes no text: \"a\", expected a list",
            ),
            ("missing field `source`", "this table has no `source`"),
            (
                "unknown field `urk`, expected `url` or `key`",
                "unknown key `urk`",
            ),
        ] {
            assert_eq!(plain(theirs).0, ours);
        }
        let (_, suggestion) = plain("unknown field `zzzzzz`, expected `url` or `key`");
        assert_eq!(suggestion.as_deref(), Some("Known here: url, key"));
    }
}
