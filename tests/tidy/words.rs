//! What a program of ours says has one place, and what an error says is for people only.
//!
//! - No library spells a command or a flag of ours: it names the step, and `cli` spells it.
//! - No code decides by the text of an error: a text changes with a version or a language, and a type does not.
//! - Nothing is left for later without being said.

use crate::checkout::{Checkout, SourceFile};
use crate::reader::Literal;
use std::collections::BTreeSet;

/// The crates that may spell what is typed.
const SPELLERS: [&str; 2] = ["host/cli/", "sdk/cargo-holdfast/"];

/// Strings of a file that break a rule, with the reason why they have to. The lists may only become shorter.
struct Exception {
    path: &'static str,
    words: &'static [&'static str],
    #[expect(dead_code, reason = "it is there for who reads the list")]
    reason: &'static str,
}

/// Strings of libraries that hold a command or a flag all the same.
const SPELLED: [Exception; 0] = [];

/// Strings that the text of an error is compared with all the same.
const COMPARED: [Exception; 3] = [
    Exception {
        path: "host/jobs/src/config/words.rs",
        words: &["unknown field", "missing field"],
        reason: "a parser's errors have no kind, and its words are translated for the operator",
    },
    Exception {
        path: "host/sandbox/src/plugin/error.rs",
        words: &["handle index", "resource"],
        reason: "wasmtime's errors about handles have no type",
    },
    Exception {
        path: "host/store/src/s3/failure.rs",
        words: &[
            "dns error",
            "tcp connect error",
            "client error (Connect)",
            "credentials",
            "identity",
        ],
        reason: "the SDK hides the types of these errors",
    },
];

/// What one can type, as the reviewed help pages have it.
struct Typed {
    /// The first word after `holdfast` of each command.
    commands: BTreeSet<String>,
    flags: BTreeSet<String>,
}

impl Typed {
    fn from_help_pages(checkout: &Checkout) -> Self {
        let pages = checkout.list_files("tests/cli/help", ".txt");
        let command = |page: &String| {
            let name = page.rsplit_once("/holdfast-")?.1.trim_end_matches(".txt");
            name.split('-').next().map(str::to_owned)
        };
        let mut flags = BTreeSet::new();
        for page in &pages {
            flags.extend(flags_in(&checkout.read_text(page)).map(str::to_owned));
        }
        Self {
            commands: pages.iter().filter_map(command).collect(),
            flags,
        }
    }

    /// Returns whether a text spells a command or a flag of ours.
    fn is_spelled_in(&self, text: &str) -> bool {
        let has_command = text.match_indices("holdfast ").any(|(at, before)| {
            let next = text[at + before.len()..]
                .split(|letter: char| !letter.is_alphanumeric())
                .next()
                .unwrap_or_default();
            let is_filled_in = text[at + before.len()..].starts_with('{');
            let is_of_cargo = text[..at].ends_with("cargo ");
            is_of_cargo || is_filled_in || self.commands.contains(next)
        });
        has_command || flags_in(text).any(|flag| self.flags.contains(flag))
    }
}

/// Returns the words of a text that begin with two dashes.
fn flags_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter(|word| word.len() > 3 && word.starts_with("--"))
}

/// Words at the end of the names of errors.
const ERROR_NAMES: [&str; 4] = ["error", "cause", "source", "failure"];
const COMPARISONS: [&str; 5] = ["contains(", "starts_with(", "ends_with(", "==", "!="];

/// Returns whether a string is compared with a sentence, or with a text that was taken from an error.
///
/// Bytes, settings and single words of a format are no sentences.
fn is_compared_text(file: &SourceFile, literal: &Literal) -> bool {
    let before = file.source.code[..literal.range.start].trim_end();
    let Some(compared) = COMPARISONS
        .iter()
        .find_map(|comparison| before.strip_suffix(comparison))
    else {
        return false;
    };
    let is_bytes = file.source.text[literal.range.start..].starts_with('b');
    let is_sentence = literal.content.trim().contains(' ') && !literal.content.contains('=');
    let compared = last_word(compared.trim_end().trim_end_matches('.'));
    is_sentence && !is_bytes || texts_of_errors(&file.source.code).contains(compared)
}

/// Returns the names that are given to the texts of errors: `let name = error.to_string()`.
fn texts_of_errors(code: &str) -> BTreeSet<&str> {
    let named = code
        .split("let ")
        .skip(1)
        .filter_map(|rest| rest.split(';').next()?.split_once('='));
    named
        .filter_map(|(name, value)| Some((name.trim(), value.trim().strip_suffix(".to_string()")?)))
        .filter(|(_, value)| is_name_of_error(last_word(value.trim_end_matches("()"))))
        .map(|(name, _)| name)
        .collect()
}

fn is_name_of_error(name: &str) -> bool {
    ERROR_NAMES.iter().any(|word| name.ends_with(word))
}

fn last_word(text: &str) -> &str {
    text.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .next()
        .unwrap_or_default()
}

/// Returns whether a line takes an error's text in order to compare it.
fn compares_text_of_error(line: &str) -> bool {
    let line: String = line.split_whitespace().collect();
    let parts: Vec<&str> = line.split(".to_string()").collect();
    parts.windows(2).any(|parts| {
        let next = parts[1].trim_start_matches('.');
        is_name_of_error(last_word(parts[0].trim_end_matches("()")))
            && COMPARISONS.iter().any(|it| next.starts_with(it))
    })
}

/// Describes what breaks a rule, and fails for exceptions that are no longer needed.
fn list_offences(offences: Vec<(String, String, usize)>, exceptions: &[Exception]) -> Vec<String> {
    let listed = || {
        exceptions
            .iter()
            .flat_map(|it| it.words.iter().map(|words| (it.path, *words)))
    };
    for (path, words) in listed() {
        let is_needed = offences
            .iter()
            .any(|offence| (offence.0.as_str(), offence.1.as_str()) == (path, words));
        assert!(
            is_needed,
            "an exception that is no longer needed: {path}: {words:?}"
        );
    }
    offences
        .into_iter()
        .filter(|(path, words, _)| !listed().any(|it| it == (path.as_str(), words.as_str())))
        .map(|(path, words, line)| format!("{path}:{line}: {words:?}"))
        .collect()
}

/// Returns the strings of production code that a rule forbids.
fn strings_that(
    files: &[SourceFile],
    is_forbidden: impl Fn(&SourceFile, &Literal) -> bool,
) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    for file in files {
        for literal in file
            .source
            .strings()
            .into_iter()
            .filter(|literal| is_forbidden(file, literal))
        {
            found.push((
                file.path.clone(),
                literal.content,
                file.source.line_at(literal.range.start),
            ));
        }
    }
    found
}

#[test]
fn no_library_spells_a_command_or_a_flag() {
    let checkout = Checkout::of_this_test();
    let typed = Typed::from_help_pages(&checkout);
    assert!(typed.commands.len() > 20 && typed.flags.contains("--target"));
    let mut files = checkout.all_production_sources();
    files.retain(|file| {
        !SPELLERS
            .iter()
            .any(|speller| file.path.starts_with(speller))
    });
    let spelled = strings_that(&files, |_, literal| typed.is_spelled_in(&literal.content));
    let offences = list_offences(spelled, &SPELLED);
    assert!(
        offences.is_empty(),
        "name the step in `holdfast_base::advice` and spell it in `cli`:\n{}",
        offences.join("\n")
    );
}

#[test]
fn no_code_decides_by_the_text_of_an_error() {
    let files = Checkout::of_this_test().all_production_sources();
    let mut compared = strings_that(&files, is_compared_text);
    for file in &files {
        for (at, line) in file
            .source
            .code
            .lines()
            .enumerate()
            .filter(|(_, line)| compares_text_of_error(line))
        {
            compared.push((file.path.clone(), line.trim().to_owned(), at + 1));
        }
    }
    let offences = list_offences(compared, &COMPARED);
    assert!(
        offences.is_empty(),
        "compare a variant, a kind or a code instead:\n{}",
        offences.join("\n")
    );
}

#[test]
fn nothing_is_left_for_later_without_being_said() {
    let words = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "todo".to_owned() + "!(",
        "unimplemented".to_owned() + "!(",
    ];
    let checkout = Checkout::of_this_test();
    for file in checkout.all_sources() {
        let text = checkout.read_text(&file.path);
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} holds {word}", file.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Typed, compares_text_of_error, is_compared_text};
    use crate::checkout::SourceFile;
    use crate::reader::Source;

    #[test]
    fn commands_and_flags_are_told_from_other_words() {
        let typed = Typed {
            commands: ["run", "plugin"].map(str::to_owned).into(),
            flags: ["--repair", "--for"].map(str::to_owned).into(),
        };
        let spelled = [
            "See: holdfast run JOB",
            "`check --repair`",
            "holdfast {command}",
            "cargo holdfast pack",
            "--for 30d",
        ];
        let sound = [
            "holdfast v1 chunk id: items",
            "this holdfast reads up to 1",
            "pg_dump --format=custom",
            "holdfast runs",
        ];
        assert!(spelled.iter().all(|text| typed.is_spelled_in(text)));
        assert!(!sound.iter().any(|text| typed.is_spelled_in(text)));
    }

    #[test]
    fn a_comparison_with_a_sentence_is_found_and_one_with_a_word_is_not() {
        let count = |text: &str| {
            let file = SourceFile {
                path: String::new(),
                source: Source::from_text(text),
            };
            file.source
                .strings()
                .iter()
                .filter(|literal| is_compared_text(&file, literal))
                .count()
        };
        assert_eq!(
            count(r#"text.contains("Permission denied (os error 13)")"#),
            1
        );
        assert_eq!(
            count("text == \"no such file\" || text.starts_with(\n    \"dns error\")"),
            2
        );
        assert_eq!(
            count(r#"text.contains("://") || text.strip_prefix("error: ") || say("two words")"#),
            0
        );
        assert!(compares_text_of_error(
            "if error.to_string().contains(word) {"
        ));
        assert!(compares_text_of_error("self.io_error.to_string() == other"));
        assert!(!compares_text_of_error(
            "snapshot.to_string().starts_with(id)"
        ));
    }
}
