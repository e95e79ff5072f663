//! Patterns of command lines.
//!
//! A pattern is words, separated by spaces. In a word, `*` stands for any characters. A last word
//! that is `*` alone stands for any further arguments, also for none. What stands in single quotes,
//! or behind a backslash, stands for itself: so a word can have spaces in it, or be empty.

use std::fmt;
use std::str::Chars;

/// A pattern of command lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As it was written.
    text: String,
    program: String,
    arguments: Vec<Word>,
    /// Whether any further arguments fit.
    is_open: bool,
}

/// The literal parts of a word; between two of them, any characters fit.
type Word = Vec<String>;

/// Says why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It has no words.
    #[error("an empty pattern allows nothing")]
    Empty,
    /// It names no program.
    #[error("a program is named in full: `*` in its name would allow what nobody thought of")]
    OpenProgram,
    /// A quote is never closed.
    #[error("a single quote is never closed")]
    Unclosed,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It names no program in full, or is not closed.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut words = parse_words(text)?;
        if words.is_empty() {
            return Err(PatternError::Empty);
        }
        let program = match words.remove(0).as_slice() {
            [name] if !name.is_empty() => name.clone(),
            _ => return Err(PatternError::OpenProgram),
        };
        let any = [String::new(), String::new()];
        let is_open = words.last().is_some_and(|word| word[..] == any);
        if is_open {
            words.pop();
        }
        Ok(Self {
            text: text.to_owned(),
            program,
            arguments: words,
            is_open,
        })
    }

    /// Returns the program.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Returns whether a command line fits.
    #[must_use]
    pub fn matches(&self, program: &str, arguments: &[String]) -> bool {
        let wanted = self.arguments.len();
        let is_length = wanted == arguments.len() || (self.is_open && wanted < arguments.len());
        is_length
            && self.program == program
            && self
                .arguments
                .iter()
                .zip(arguments)
                .all(|(parts, word)| matches_word(parts, word))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Writes a command line as the pattern that fits it and nothing else.
#[must_use]
pub fn write_exact(program: &str, arguments: &[String]) -> String {
    let words: Vec<String> = std::iter::once(program)
        .chain(arguments.iter().map(String::as_str))
        .map(quote_word)
        .collect();
    words.join(" ")
}

fn quote_word(word: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !matches!(c, '*' | '\'' | '\\');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn parse_words(text: &str) -> Result<Vec<Word>, PatternError> {
    let mut words = Vec::new();
    let mut letters = text.chars();
    while let Some(first) = letters.find(|c| !c.is_whitespace()) {
        words.push(parse_word(first, &mut letters)?);
    }
    Ok(words)
}

fn parse_word(first: char, letters: &mut Chars<'_>) -> Result<Word, PatternError> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut next = Some(first);
    while let Some(letter) = next.filter(|c| !c.is_whitespace()) {
        match letter {
            '*' => parts.push(std::mem::take(&mut part)),
            '\\' => part.push(letters.next().unwrap_or('\\')),
            '\'' => loop {
                match letters.next().ok_or(PatternError::Unclosed)? {
                    '\'' => break,
                    literal => part.push(literal),
                }
            },
            other => part.push(other),
        }
        next = letters.next();
    }
    parts.push(part);
    Ok(parts)
}

fn matches_word(parts: &[String], word: &str) -> bool {
    let Some((first, parts)) = parts.split_first() else {
        return false;
    };
    let Some(mut rest) = word.strip_prefix(first.as_str()) else {
        return false;
    };
    let Some((last, parts)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part.as_str()) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, line: &[&str]) -> bool {
        let arguments: Vec<String> = line[1..].iter().map(|word| (*word).to_owned()).collect();
        Pattern::parse(pattern)
            .unwrap()
            .matches(line[0], &arguments)
    }

    #[test]
    fn patterns_fit_what_they_name_and_nothing_else() {
        for (pattern, line, expected) in [
            ("sqlite3 *", "sqlite3", true),
            ("sqlite3 *", "sqlite3 -readonly x.db", true),
            ("sqlite3", "sqlite3 x.db", false),
            ("sqlite3", "sqlite3", true),
            ("pg_dump --dbname=* *", "pg_dump --dbname=orders -v", true),
            ("pg_dump --dbname=* *", "pg_dump -v --dbname=orders", false),
            ("pg_dump --file=/b/*.sql", "pg_dump --file=/b/x.sql", true),
            ("pg_dump --file=/b/*.sql", "pg_dump --file=/b/x.sqlx", false),
            ("tool a*b*c", "tool abc", true),
            ("tool a*bb", "tool ab", false),
            (r"tool \*", "tool x", false),
            (r"tool \*", "tool *", true),
            ("tool '*'", "tool x", false),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(fits(pattern, &words), expected, "{pattern} / {line:?}");
        }
    }

    #[test]
    fn a_line_written_as_a_pattern_fits_itself_alone() {
        for line in [
            &["sh", "-c", "echo 'a  b' | tr a-z *"][..],
            &["tool", "", r"back\slash", "'"],
            &["tool", "*"],
            &["tool"],
        ] {
            let arguments: Vec<String> = line[1..].iter().map(|word| (*word).to_owned()).collect();
            let pattern = write_exact(line[0], &arguments);
            assert!(fits(&pattern, line), "{pattern}");
            let more: Vec<&str> = line.iter().copied().chain(["x"]).collect();
            assert!(!fits(&pattern, &more), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_names_its_program_in_full() {
        for (text, expected) in [
            ("", PatternError::Empty),
            ("*", PatternError::OpenProgram),
            ("* x", PatternError::OpenProgram),
            ("pg_* x", PatternError::OpenProgram),
            ("'' x", PatternError::OpenProgram),
            ("sh 'x", PatternError::Unclosed),
        ] {
            assert_eq!(Pattern::parse(text), Err(expected), "{text}");
        }
    }
}
