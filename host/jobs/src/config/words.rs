//! Translates what a TOML parser found into words of an operator.

use holdfast_base::advice::{Advice, JobAdvice};
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

/// Translates a parser's message into what is wrong and what to do about it.
pub(super) fn translate(message: &str) -> (String, Option<Advice>) {
    let message = message.trim().lines().next().unwrap_or_default();
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let field = quoted.next().unwrap_or_default();
        return describe_unknown(field, &quoted.collect::<Vec<_>>());
    }
    if message.starts_with("missing field") {
        return describe_missing(quoted.next().unwrap_or_default());
    }
    let mut plain = message.to_owned();
    for (theirs, ours) in TYPES {
        if let Some(at) = plain.find(theirs) {
            plain.replace_range(at..at + theirs.len(), ours);
        }
    }
    (plain, None)
}

/// Describes an unknown key, and names the one that was probably meant.
pub(super) fn describe_unknown(key: &str, known: &[&str]) -> (String, Option<Advice>) {
    let suggestion = match closest(key, known.iter().copied()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("Known here: {}", known.join(", ")),
    };
    (
        format!("unknown key `{key}`"),
        Some(Advice::Words(suggestion)),
    )
}

fn describe_missing(key: &str) -> (String, Option<Advice>) {
    let suggestion = match key {
        "url" => Some(Advice::Words(
            "Say where the store is: url = \"file:///absolute/directory\"".to_owned(),
        )),
        "source" => Some(JobAdvice::NameSourcePlugin.into()),
        _ => None,
    };
    let message = format!("this table has no `{key}`");
    (message, suggestion)
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
            assert_eq!(translate(theirs).0, ours);
        }
        let (_, suggestion) = translate("unknown field `zzzzzz`, expected `url` or `key`");
        assert_eq!(
            suggestion,
            Some(Advice::Words("Known here: url, key".to_owned()))
        );
    }
}
