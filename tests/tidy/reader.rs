//! Reads Rust source closely enough to measure it: what is code, what is a comment, what is a literal.
//!
//! - A brace, a quote or the name of a module inside a string or a comment is never taken for code.
//! - Every byte keeps its place, so that a position in one part is a position in the file.
//!
//! It is no parser. A crate such as `syn` would be one, but the tests here use the standard library alone: they must
//! build within seconds, before anything else does.

use std::ops::Range;

/// What a byte of a source file belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    /// A string, a byte string or a character, its quotes included.
    Literal,
    /// An item under `#[cfg(test)]`.
    Test,
}

/// A source file, taken apart.
pub(crate) struct Source {
    pub(crate) text: String,
    parts: Vec<Part>,
    /// The code alone: comments are blank, and literals are quotes only.
    pub(crate) code: String,
}

/// A string in the source.
pub(crate) struct Literal {
    /// Its content as it is written, without prefix and quotes.
    pub(crate) content: String,
    /// Its place in the file.
    pub(crate) range: Range<usize>,
}

/// A function, with or without a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Lines from the word `fn` to the end of the body.
    pub(crate) length: usize,
}

impl Source {
    pub(crate) fn from_text(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut parts = Vec::with_capacity(bytes.len());
        while parts.len() < bytes.len() {
            let start = parts.len();
            let (part, end) = read_piece(bytes, start);
            parts.resize(end.clamp(start + 1, bytes.len()), part);
        }
        Self::from_parts(text.to_owned(), parts)
    }

    fn from_parts(text: String, parts: Vec<Part>) -> Self {
        let code = mask_bytes(&text, |at, byte| match parts[at] {
            Part::Code => byte,
            Part::Literal => b'"',
            Part::Comment | Part::Test => b' ',
        });
        Self { text, parts, code }
    }

    /// Returns the same file without the items under `#[cfg(test)]`.
    pub(crate) fn without_tests(self) -> Self {
        const ATTRIBUTE: &str = "#[cfg(test)]";
        let mut parts = self.parts;
        let mut from = 0;
        while let Some(found) = self.code[from..].find(ATTRIBUTE) {
            let start = from + found;
            let end = end_of_item(&self.code, start + ATTRIBUTE.len());
            parts[start..end].fill(Part::Test);
            from = end;
        }
        Self::from_parts(self.text, parts)
    }

    /// Returns the comments alone, each at its place.
    pub(crate) fn comments(&self) -> String {
        mask_bytes(&self.text, |at, byte| {
            if self.parts[at] == Part::Comment {
                byte
            } else {
                b' '
            }
        })
    }

    /// Returns the strings; characters are left out.
    pub(crate) fn strings(&self) -> Vec<Literal> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.parts.len() {
            if self.parts[at] != Part::Literal {
                at += 1;
                continue;
            }
            let (_, end) = read_piece(self.text.as_bytes(), at);
            let shown = &self.text[at..end];
            if let Some((_, content)) = shown
                .split_once('"')
                .filter(|(prefix, _)| !prefix.contains('\''))
            {
                let content = content.trim_end_matches('#');
                let content = content.strip_suffix('"').unwrap_or(content).to_owned();
                found.push(Literal {
                    content,
                    range: at..end,
                });
            }
            at = end;
        }
        found
    }

    /// Returns the number of the line that a place lies in, from 1.
    pub(crate) fn line_at(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    pub(crate) fn functions(&self) -> Vec<Function> {
        find_words(&self.code, "fn")
            .into_iter()
            .filter_map(|start| {
                let name = word_at(&self.code, skip_blanks(&self.code, start + 2))?;
                let end = end_of_item(&self.code, start);
                let line = self.line_at(start);
                let length = self.line_at(end - 1) - line + 1;
                Some(Function {
                    name: name.to_owned(),
                    line,
                    length,
                })
            })
            .collect()
    }
}

/// Rewrites a text byte by byte, and keeps its lines.
fn mask_bytes(text: &str, shown: impl Fn(usize, u8) -> u8) -> String {
    text.bytes()
        .enumerate()
        .map(|(at, byte)| match shown(at, byte) {
            _ if byte == b'\n' => '\n',
            shown if shown.is_ascii() => char::from(shown),
            _ => '_',
        })
        .collect()
}

/// Returns what begins at a place, and its end.
fn read_piece(bytes: &[u8], at: usize) -> (Part, usize) {
    let rest = &bytes[at..];
    let is_in_word = at > 0 && is_word(bytes[at - 1]);
    if rest.starts_with(b"//") {
        let length = rest.iter().position(|byte| *byte == b'\n');
        (Part::Comment, at + length.unwrap_or(rest.len()))
    } else if rest.starts_with(b"/*") {
        (Part::Comment, at + comment_length(rest))
    } else if let Some(length) =
        literal_length(rest).filter(|_| !is_in_word || matches!(rest[0], b'"' | b'\''))
    {
        (Part::Literal, at + length)
    } else {
        (Part::Code, at + 1)
    }
}

/// Returns the length of a comment between `/*` and `*/`; they may stand inside each other.
fn comment_length(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < rest.len() && depth > 0 {
        let (step, change) = match &rest[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
    }
    at
}

/// Returns the length of the literal at the beginning, its prefix and quotes included.
fn literal_length(rest: &[u8]) -> Option<usize> {
    let prefix = rest
        .iter()
        .take(2)
        .take_while(|byte| b"brc".contains(byte))
        .count();
    let is_raw = rest[..prefix].contains(&b'r');
    let hashes = rest[prefix..]
        .iter()
        .take_while(|byte| is_raw && **byte == b'#')
        .count();
    let open = prefix + hashes;
    match rest.get(open)? {
        b'"' if is_raw => {
            let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let length = rest[open + 1..]
                .windows(close.len())
                .position(|window| window == close)?;
            Some(open + 1 + length + close.len())
        }
        b'"' => end_of_quoted(rest, open),
        b'\'' if hashes == 0 && !is_raw && is_character(&rest[open + 1..]) => {
            end_of_quoted(rest, open)
        }
        _ => None,
    }
}

/// Returns whether a character follows after the quote, and not the name of a lifetime.
fn is_character(rest: &[u8]) -> bool {
    let next = rest
        .iter()
        .skip(1)
        .position(|byte| byte.is_ascii() || *byte >= 0xc0);
    rest.first() == Some(&b'\\') || next.is_some_and(|at| rest[at + 1] == b'\'')
}

fn end_of_quoted(rest: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while *rest.get(at)? != rest[open] {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    Some(at + 1)
}

/// Returns the end of the item that begins at a place: its `;`, or the end of its braces.
pub(crate) fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut braces = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' => braces += 1,
            b'}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        let is_end = (byte == b';' && depth == 0 || byte == b'}') && braces == 0;
        if is_end {
            return at + 1;
        }
    }
    code.len()
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns the places at which a word stands alone.
pub(crate) fn find_words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || !is_word(bytes[at - 1]))
        .filter(|at| {
            bytes
                .get(at + word.len())
                .is_none_or(|byte| !is_word(*byte))
        })
        .collect()
}

/// Returns the word at a place, if one begins there.
pub(crate) fn word_at(code: &str, at: usize) -> Option<&str> {
    let rest = &code[at..];
    let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
    (length > 0).then(|| &rest[..length])
}

pub(crate) fn skip_blanks(code: &str, at: usize) -> usize {
    at + code[at..]
        .bytes()
        .take_while(u8::is_ascii_whitespace)
        .count()
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn what_strings_characters_and_comments_hold_is_no_code() {
        let text = r##"
            let quote = '"'; // { fn inside() {
            let brace = b'{'; /* outer /* inner */ } */
            let raw = r#"fn raw() { " "#;
            fn real<'a>(name: &'a str) -> &'a str { "}\"fn no() {" }
        "##;
        let source = Source::from_text(text);
        assert_eq!(source.code.len(), text.len());
        let names: Vec<String> = source
            .functions()
            .into_iter()
            .map(|function| function.name)
            .collect();
        assert_eq!(names, ["real"]);
        assert_eq!(
            source.code.matches('{').count(),
            source.code.matches('}').count()
        );
        let strings: Vec<String> = source
            .strings()
            .into_iter()
            .map(|string| string.content)
            .collect();
        assert_eq!(strings, [r#"fn raw() { " "#, r#"}\"fn no() {"#]);
        assert!(source.comments().contains("// { fn inside() {"));
    }

    #[test]
    fn what_stands_under_cfg_test_is_left_out_and_nothing_else_is() {
        let text = "fn before() {}\n#[cfg(test)]\n#[allow(dead_code)]\nmod tests {\n fn inner() {}\n}\n\
                    #[cfg(test)]\nuse a::b;\nfn after() -> [u8; 2] {\n [1, 2]\n}\n";
        let functions = Source::from_text(text).without_tests().functions();
        let shown: Vec<_> = functions
            .iter()
            .map(|function| (function.name.as_str(), function.line, function.length))
            .collect();
        assert_eq!(shown, [("before", 1, 1), ("after", 9, 3)]);
    }
}
