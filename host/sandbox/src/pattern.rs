//! Patterns of command lines.
//!
//! A pattern is words, separated by spaces. In a word, `*` stands for any characters. A last word
//! that is `*` alone stands for any further arguments, also for none.

/// Returns whether a command line fits a pattern.
#[must_use]
pub fn matches(pattern: &str, line: &[&str]) -> bool {
    let mut wanted: Vec<&str> = pattern.split_whitespace().collect();
    let is_open = wanted.len() > 1 && wanted.last() == Some(&"*");
    if is_open {
        wanted.pop();
    }
    let fits = wanted.len() == line.len() || (is_open && wanted.len() < line.len());
    // A program is named in full: `*` for it would allow everything.
    fits && wanted
        .first()
        .is_some_and(|program| line.first() == Some(program))
        && wanted
            .iter()
            .zip(line)
            .skip(1)
            .all(|(pattern, word)| matches_word(pattern, word))
}

fn matches_word(pattern: &str, word: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| word.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_name_and_nothing_else() {
        for (pattern, line, expected) in [
            ("sqlite3 *", "sqlite3", true),
            ("sqlite3 *", "sqlite3 -readonly x.db", true),
            ("sqlite3", "sqlite3 x.db", false),
            ("sqlite3", "sqlite3", true),
            ("* x", "sh x", false),
            ("*", "sh", false),
            ("pg_dump --dbname=* *", "pg_dump --dbname=orders -v", true),
            ("pg_dump --dbname=* *", "pg_dump -v --dbname=orders", false),
            ("pg_dump --file=/b/*.sql", "pg_dump --file=/b/x.sql", true),
            ("pg_dump --file=/b/*.sql", "pg_dump --file=/b/x.sqlx", false),
            ("tool a*b*c", "tool abc", true),
            ("tool a*bb", "tool ab", false),
            ("", "sh", false),
        ] {
            let line: Vec<&str> = line.split(' ').collect();
            assert_eq!(matches(pattern, &line), expected, "{pattern} / {line:?}");
        }
    }
}
