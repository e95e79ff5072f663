//! The forms that are known, told by name: what they are compressed with, and what they hold.

use holdfast_sdk::{Finding, Severity};
use std::io::{self, Read};

/// What is kept of the beginning and of the end of a dump.
const EDGE: usize = 4 << 10;
const TAR_BLOCK: usize = 512;

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

/// What something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Any,
    Tar,
    SqlDump,
}

/// Judges one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judge {
    packing: Packing,
    form: Form,
}

impl Judge {
    /// Chooses by name; none for what has no form that is known.
    pub(crate) fn for_name(name: &str, must_be_dump: bool) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let (packing, inner) = if let Some(inner) = lower.strip_suffix(".gz") {
            (Packing::Gzip, inner)
        } else if let Some(inner) = lower.strip_suffix(".tgz") {
            return Some(Self {
                packing: Packing::Gzip,
                form: if inner.is_empty() {
                    Form::Any
                } else {
                    Form::Tar
                },
            });
        } else if let Some(inner) = lower.strip_suffix(".zst") {
            (Packing::Zstd, inner)
        } else {
            (Packing::None, lower.as_str())
        };
        let form = if must_be_dump || inner.ends_with(".sql") {
            Form::SqlDump
        } else if inner.ends_with(".tar") {
            Form::Tar
        } else {
            Form::Any
        };
        (packing != Packing::None || form != Form::Any).then_some(Self { packing, form })
    }

    /// Reads an entry to its end and says what is wrong with it.
    pub(crate) fn judge(self, from: &mut dyn Read, name: &str) -> Vec<Finding> {
        let judged = match self.packing {
            Packing::None => self.form.judge(from),
            Packing::Gzip => self
                .form
                .judge(&mut flate2::read::MultiGzDecoder::new(from)),
            Packing::Zstd => judge_zstd(self.form, from),
        };
        match judged {
            Ok(()) => Vec::new(),
            Err(error) => vec![Finding::new(Severity::Error, name, error.to_string())],
        }
    }
}

fn judge_zstd(form: Form, from: &mut dyn Read) -> io::Result<()> {
    let mut frames = ZstdFrames {
        from,
        current: None,
    };
    form.judge(&mut frames)
}

/// All frames of a zstd file, one after the other.
struct ZstdFrames<'a> {
    from: &'a mut dyn Read,
    current: Option<Box<ruzstd::decoding::FrameDecoder>>,
}

impl Read for ZstdFrames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
        let damaged = |e: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {e}"))
        };
        loop {
            let decoder = match &mut self.current {
                Some(decoder) => decoder,
                None => {
                    let mut first = [0];
                    if self.from.read(&mut first)? == 0 {
                        return Ok(0);
                    }
                    let mut decoder = Box::new(FrameDecoder::new());
                    decoder
                        .reset(first.chain(&mut *self.from))
                        .map_err(|e| damaged(&e))?;
                    self.current.insert(decoder)
                }
            };
            let count = decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if decoder.is_finished() {
                self.current = None;
                continue;
            }
            decoder
                .decode_blocks(&mut *self.from, BlockDecodingStrategy::UptoBytes(1 << 17))
                .map_err(|e| damaged(&e))?;
        }
    }
}

fn damaged(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl Form {
    fn judge(self, from: &mut dyn Read) -> io::Result<()> {
        match self {
            Self::Any => {
                let bytes = io::copy(from, &mut io::sink())?;
                if bytes == 0 {
                    Err(damaged("it is empty"))
                } else {
                    Ok(())
                }
            }
            Self::Tar => judge_tar(from),
            Self::SqlDump => judge_dump(from),
        }
    }
}

fn judge_tar(from: &mut dyn Read) -> io::Result<()> {
    let mut block = [0; TAR_BLOCK];
    let mut members = 0_u64;
    loop {
        if !read_block(from, &mut block)? {
            return Err(damaged("the archive has no end mark: it was cut short"));
        }
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        check_header(&block)?;
        members += 1;
        let size = number(&block[124..136])
            .ok_or_else(|| damaged("a member of the archive has no size"))?;
        let blocks = size.div_ceil(TAR_BLOCK as u64) * TAR_BLOCK as u64;
        if io::copy(&mut from.take(blocks), &mut io::sink())? != blocks {
            return Err(damaged("a member of the archive is cut short"));
        }
    }
    // What follows the end mark is padding, but its compression must still end well.
    io::copy(from, &mut io::sink())?;
    if members == 0 {
        Err(damaged("the archive has no member"))
    } else {
        Ok(())
    }
}

fn read_block(from: &mut dyn Read, block: &mut [u8; TAR_BLOCK]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < TAR_BLOCK {
        match from.read(&mut block[filled..])? {
            0 if filled == 0 => return Ok(false),
            0 => return Err(damaged("the archive is cut short")),
            count => filled += count,
        }
    }
    Ok(true)
}

fn check_header(block: &[u8; TAR_BLOCK]) -> io::Result<()> {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                u64::from(b' ')
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    if number(&block[148..156]) == Some(sum) {
        Ok(())
    } else {
        Err(damaged("a header of the archive is damaged"))
    }
}

/// Reads a number of a header: octal, or binary where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        return field[1..]
            .iter()
            .try_fold(u64::from(field[0] & 0x7f), |sum, byte| {
                sum.checked_mul(256)?.checked_add(u64::from(*byte))
            });
    }
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(|c: char| c == ' ' || c == '\0'), 8).ok()
}

/// The dumps that are known: how they begin, and how they end.
const DUMPS: [(&str, &str, &str); 5] = [
    (
        "PostgreSQL",
        "-- PostgreSQL database dump",
        "-- PostgreSQL database dump complete",
    ),
    (
        "PostgreSQL",
        "-- PostgreSQL database cluster dump",
        "-- PostgreSQL database cluster dump complete",
    ),
    ("MySQL", "-- MySQL dump", "-- Dump completed"),
    ("MariaDB", "-- MariaDB dump", "-- Dump completed"),
    (
        "SQLite",
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;",
        "COMMIT;",
    ),
];

fn judge_dump(from: &mut dyn Read) -> io::Result<()> {
    let mut first = Vec::new();
    from.take(EDGE as u64).read_to_end(&mut first)?;
    let mut last = first.clone();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        last.extend_from_slice(&buffer[..count]);
        let excess = last.len().saturating_sub(EDGE);
        last.drain(..excess);
    }
    let (first, last) = (
        String::from_utf8_lossy(&first),
        String::from_utf8_lossy(&last),
    );
    if first.trim().is_empty() {
        return Err(damaged("the dump is empty"));
    }
    let Some((name, _, end)) = DUMPS.iter().find(|(_, begin, _)| first.contains(begin)) else {
        return Err(damaged(
            "it does not begin as a dump of PostgreSQL, MySQL, MariaDB or SQLite does",
        ));
    };
    if last.contains(end) {
        return Ok(());
    }
    Err(damaged(&format!(
        "the {name} dump has no `{end}` at its end: it was cut short"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn findings(name: &str, bytes: &[u8]) -> Vec<String> {
        let judge = Judge::for_name(name, false).unwrap();
        judge
            .judge(&mut &*bytes, name)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    const DUMP: &str =
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(a);\nCOMMIT;\n";

    fn tar(members: usize) -> Vec<u8> {
        let mut archive = Vec::new();
        for _ in 0..members {
            let mut block = [0_u8; TAR_BLOCK];
            block[..4].copy_from_slice(b"file");
            block[124..136].copy_from_slice(b"00000000012\0");
            block[148..156].copy_from_slice(b"        ");
            let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            archive.extend(block);
            archive.extend([7; TAR_BLOCK]);
        }
        archive.extend([0; 2 * TAR_BLOCK]);
        archive
    }

    #[test]
    fn sound_files_have_no_findings() {
        assert!(findings("a.sql", DUMP.as_bytes()).is_empty());
        assert!(findings("a.sql.gz", &gzip(DUMP.as_bytes())).is_empty());
        assert!(findings("a.tar", &tar(2)).is_empty());
        assert!(findings("a.tgz", &gzip(&tar(1))).is_empty());
        assert!(Judge::for_name("photo.jpg", false).is_none());
    }

    #[test]
    fn a_file_cut_anywhere_is_found_out() {
        let packed = gzip(DUMP.as_bytes());
        for length in 0..packed.len() {
            assert_eq!(
                findings("a.sql.gz", &packed[..length]).len(),
                1,
                "{length} bytes"
            );
        }
        let archive = tar(2);
        for length in (0..archive.len() - 2 * TAR_BLOCK).step_by(64) {
            assert_eq!(
                findings("a.tar", &archive[..length]).len(),
                1,
                "{length} bytes"
            );
        }
        assert_eq!(
            findings("a.sql", &DUMP.as_bytes()[..DUMP.len() - 8]).len(),
            1
        );
    }

    #[test]
    fn an_empty_or_foreign_dump_is_found_out() {
        assert_eq!(findings("a.sql", b""), ["the dump is empty"]);
        assert_eq!(findings("a.sql", b"hello").len(), 1);
        assert_eq!(findings("a.tar", &tar(0)), ["the archive has no member"]);
    }
}
