//! Dumps of databases: how they begin, that they hold something, and how they end.

use crate::damaged;
use crate::judged::Judged;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes that are kept of the beginning of a dump.
const HEAD_BYTES: usize = 4 << 10;
/// Bytes that are kept of each line: end marks are shorter, and rows can have any length.
const LINE_BYTES: usize = 256;
/// Last lines that are looked at for the end mark: some tools write a few after it.
const LAST_LINES: usize = 8;

/// How a kind of dump begins, and how the line begins that it ends with.
struct Dump {
    name: &'static str,
    begins: &'static str,
    ends: &'static str,
}

const DUMPS: [Dump; 5] = [
    Dump {
        name: "PostgreSQL",
        begins: "-- PostgreSQL database dump",
        ends: "-- PostgreSQL database dump complete",
    },
    Dump {
        name: "PostgreSQL",
        begins: "-- PostgreSQL database cluster dump",
        ends: "-- PostgreSQL database cluster dump complete",
    },
    Dump {
        name: "MySQL",
        begins: "-- MySQL dump",
        ends: "-- Dump completed",
    },
    Dump {
        name: "MariaDB",
        begins: "-- MariaDB dump",
        ends: "-- Dump completed",
    },
    Dump {
        name: "SQLite",
        begins: "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;",
        ends: "COMMIT;",
    },
];

/// How statements begin that make something.
const OBJECTS: [&[u8]; 5] = [b"CREATE ", b"INSERT ", b"COPY ", b"ALTER ", b"REPLACE "];

/// Returns the kind of dump whose beginning comes first.
fn kind_of(head: &str) -> Option<&'static Dump> {
    let found = DUMPS
        .iter()
        .filter_map(|dump| Some((head.find(dump.begins)?, dump)));
    found.min_by_key(|(at, _)| *at).map(|(_, dump)| dump)
}

/// Returns whether something begins as a dump does.
pub(crate) fn is_dump(head: &[u8]) -> bool {
    kind_of(&String::from_utf8_lossy(head)).is_some()
}

/// Reads a dump to its end.
///
/// # Errors
/// It is no dump that is known, or was cut short.
pub(crate) fn judge(from: &mut dyn Read) -> io::Result<Judged> {
    let mut head = Vec::new();
    from.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let begin = String::from_utf8_lossy(&head);
    if begin.trim().is_empty() {
        return Err(damaged("the dump is empty"));
    }
    let Some(dump) = kind_of(&begin) else {
        return Err(damaged(
            "it does not begin as a dump of PostgreSQL, MySQL, MariaDB or SQLite does",
        ));
    };
    let mut lines = Lines::default();
    lines.read(&mut BufReader::new(head.as_slice().chain(from)))?;
    let name = dump.name;
    if lines.last.iter().any(|line| line.starts_with(b"ROLLBACK;")) {
        return Err(damaged(format!(
            "the {name} dump ends with ROLLBACK: the database could not be read, it was cut short"
        )));
    }
    let has_end = |line: &Vec<u8>| line.starts_with(dump.ends.as_bytes());
    // SQLite's mark is a word that data can hold: it must be the very last line.
    let is_whole = match dump.name {
        "SQLite" => lines.last.last().is_some_and(has_end),
        _ => lines.last.iter().any(has_end),
    };
    if !is_whole {
        let mark = dump.ends;
        return Err(damaged(format!(
            "the {name} dump has no `{mark}` at its end: it was cut short"
        )));
    }
    if lines.objects == 0 {
        return Ok(Judged::Odd(format!(
            "the {name} dump is whole and holds nothing"
        )));
    }
    Ok(Judged::Sound)
}

/// What is kept of the lines of a dump.
#[derive(Default)]
struct Lines {
    objects: u64,
    /// Beginnings of the last lines that are not empty.
    last: Vec<Vec<u8>>,
}

impl Lines {
    fn read(&mut self, from: &mut dyn BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            let piece = from.fill_buf()?;
            if piece.is_empty() {
                self.take(&mut line);
                return Ok(());
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = &piece[..end.unwrap_or(piece.len())];
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            from.consume(used);
            if end.is_some() {
                self.take(&mut line);
            }
        }
    }

    fn take(&mut self, line: &mut Vec<u8>) {
        if OBJECTS.iter().any(|begin| line.starts_with(begin)) {
            self.objects += 1;
        }
        if !line.trim_ascii().is_empty() {
            if self.last.len() == LAST_LINES {
                self.last.rotate_left(1);
                self.last.pop();
            }
            self.last.push(line.clone());
        }
        line.clear();
    }
}

/// How a database file of SQLite begins.
pub(crate) const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const SQLITE_HEADER: usize = 100;

/// Reads a database file of SQLite: it must have as many pages as its header says.
///
/// # Errors
/// It is none, or was cut short.
pub(crate) fn judge_sqlite(from: &mut dyn Read) -> io::Result<Judged> {
    let mut head = Vec::new();
    from.take(SQLITE_HEADER as u64).read_to_end(&mut head)?;
    if head.len() < SQLITE_HEADER || !head.starts_with(SQLITE_MAGIC) {
        return Err(damaged("it is no database file of SQLite"));
    }
    let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|byte| head[at + byte]));
    let page_bytes = match u64::from(number(16) >> 16) {
        1 => 65_536,
        bytes => bytes,
    };
    let pages = u64::from(number(28));
    let bytes = io::copy(from, &mut io::sink())? + SQLITE_HEADER as u64;
    // The count is valid only if the file's change counter says so: old programs did not update it.
    let is_counted = pages > 0 && number(24) == number(92);
    if (is_counted && bytes < pages * page_bytes)
        || page_bytes < 512
        || !bytes.is_multiple_of(page_bytes)
    {
        return Err(damaged("the database file of SQLite is cut short"));
    }
    Ok(Judged::Sound)
}
