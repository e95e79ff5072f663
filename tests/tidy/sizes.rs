//! Files and functions stay short enough to be read at once, and every file says at its head what it guarantees.

use crate::checkout::Checkout;
use crate::reader::Function;

/// Longest file, without its tests.
const FILE_LINES_MAX: usize = 600;
/// Longest function, with its first and last line.
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn files_are_short_and_say_at_their_head_what_they_guarantee() {
    let checkout = Checkout::of_this_test();
    for file in checkout.all_sources() {
        let text = checkout.read_text(&file.path);
        assert!(text.starts_with("//!"), "{} has no head", file.path);
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", file.path);
    }
}

/// Functions that are longer all the same, with their lines: tables of cases, and a guest that misbehaves in each way
/// in turn. The list may only become shorter, and so may they.
const LONG_FUNCTIONS: [(&str, usize); 5] = [
    (
        "what_cannot_be_kept_is_refused_with_its_place_and_what_could_be",
        125,
    ),
    ("pack_takes_one_manifest_and_says_where_it_is_broken", 73),
    ("a_host_cannot_make_a_snapshot_that_passes_for_anothers", 90),
    ("a_stolen_write_key_reads_nothing_whatever_is_tried", 83),
    ("tests/hostile/guest/source/src/lib.rs:backup", 87),
];

#[test]
fn functions_are_short() {
    let mut excepted: Vec<(&str, usize)> = Vec::new();
    let mut long = Vec::new();
    for file in Checkout::of_this_test().all_sources() {
        let functions = file.source.functions();
        for Function { name, line, length } in functions
            .into_iter()
            .filter(|function| function.length > FUNCTION_LINES_MAX)
        {
            let place = format!("{}:{name}", file.path);
            let exception = LONG_FUNCTIONS
                .iter()
                .find(|(known, _)| *known == name || *known == place);
            excepted.extend(exception.filter(|(_, lines)| *lines >= length).copied());
            if exception.is_none_or(|(_, lines)| *lines < length) {
                long.push(format!("{}:{line}: {name} has {length} lines", file.path));
            }
        }
    }
    assert!(
        long.is_empty(),
        "functions of more than {FUNCTION_LINES_MAX} lines:\n{}",
        long.join("\n")
    );
    assert_eq!(
        excepted.len(),
        LONG_FUNCTIONS.len(),
        "exceptions that are no longer needed: only {excepted:?} are"
    );
}
