//! tar archives: every header's checksum, every member's length, and the end mark.

use crate::damaged;
use crate::judged::Judged;
use std::io::{self, Read};

const BLOCK: usize = 512;
/// Longest extended header that is read; a longer one is damage.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;

type Block = [u8; BLOCK];

/// Returns whether something begins as an archive does.
pub(crate) fn is_header(head: &[u8]) -> bool {
    head.first_chunk::<BLOCK>()
        .is_some_and(|block| block[257..].starts_with(b"ustar") && has_its_sum(block))
}

/// Goes through an archive.
///
/// # Errors
/// It is damaged, or was cut short.
pub(crate) fn judge(from: &mut dyn Read) -> io::Result<Judged> {
    let mut members = 0_u64;
    let mut size_ahead = None;
    loop {
        let Some(block) = next(from)? else {
            return Err(damaged("the archive has no end mark: it was cut short"));
        };
        if block == [0; BLOCK] {
            break;
        }
        if !has_its_sum(&block) {
            return Err(damaged("a header of the archive is damaged"));
        }
        let kind = block[156];
        let size = number(&block[124..136])
            .ok_or_else(|| damaged("a member of the archive has no size"))?;
        if kind == b'x' {
            size_ahead = said_size(&read_padded(from, size)?)?;
            continue;
        }
        if kind == b'S' {
            skip_sparse_maps(from, &block)?;
        }
        // Links, devices and directories have no content, whatever their header says.
        let has_content = !matches!(kind, b'2'..=b'6');
        let size = size_ahead.take().unwrap_or(size);
        if has_content {
            skip_padded(from, size)?;
        }
        if !matches!(kind, b'g' | b'L' | b'K') {
            members += 1;
        }
    }
    match next(from)? {
        Some(block) if block == [0; BLOCK] => {}
        _ => {
            return Err(damaged(
                "the archive's end mark is incomplete: it was cut short",
            ));
        }
    }
    // What follows the end mark is padding, but its compression must still end well.
    io::copy(from, &mut io::sink())?;
    if members == 0 {
        Err(damaged("the archive has no member"))
    } else {
        Ok(Judged::Sound)
    }
}

/// Reads a block; none at the end.
fn next(from: &mut dyn Read) -> io::Result<Option<Block>> {
    let mut block = [0; BLOCK];
    let mut filled = 0;
    while filled < BLOCK {
        match from.read(&mut block[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(damaged("the archive is cut short")),
            count => filled += count,
        }
    }
    Ok(Some(block))
}

fn padded(size: u64) -> io::Result<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
        .ok_or_else(|| damaged("a member of the archive has no size"))
}

fn skip_padded(from: &mut dyn Read, size: u64) -> io::Result<()> {
    let length = padded(size)?;
    if io::copy(&mut from.take(length), &mut io::sink())? == length {
        Ok(())
    } else {
        Err(damaged("a member of the archive is cut short"))
    }
}

fn read_padded(from: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    if size > EXTENDED_BYTES_MAX {
        return Err(damaged("an extended header of the archive is too long"));
    }
    let length = padded(size)?;
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(damaged("an extended header of the archive is cut short"));
    }
    bytes.truncate(size as usize);
    Ok(bytes)
}

/// Finds the size that an extended header says the next member has: records are `LENGTH KEY=VALUE\n`.
fn said_size(header: &[u8]) -> io::Result<Option<u64>> {
    let unfit = || damaged("an extended header of the archive is damaged");
    let (mut rest, mut size) = (header, None);
    while !rest.is_empty() && rest[0] != 0 {
        let space = rest
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or_else(unfit)?;
        let length = std::str::from_utf8(&rest[..space])
            .ok()
            .and_then(|text| text.parse().ok());
        let length: usize = length.ok_or_else(unfit)?;
        let record = rest.get(space + 1..length).ok_or_else(unfit)?;
        if let Some(value) = record.strip_prefix(b"size=") {
            let text = std::str::from_utf8(value).ok().map(str::trim_end);
            size = Some(text.and_then(|text| text.parse().ok()).ok_or_else(unfit)?);
        }
        rest = &rest[length..];
    }
    Ok(size)
}

/// Skips the further blocks into which GNU tar puts the map of a sparse file, if one has no room for it.
fn skip_sparse_maps(from: &mut dyn Read, header: &Block) -> io::Result<()> {
    let mut goes_on = header[482] != 0;
    while goes_on {
        let more = next(from)?.ok_or_else(|| damaged("the archive is cut short"))?;
        goes_on = more[504] != 0;
    }
    Ok(())
}

fn has_its_sum(block: &Block) -> bool {
    let in_field = 148..156;
    let sum = block.iter().enumerate().map(|(at, byte)| {
        if in_field.contains(&at) {
            u64::from(b' ')
        } else {
            u64::from(*byte)
        }
    });
    number(&block[in_field.clone()]) == Some(sum.sum())
}

/// Reads a number of a header: octal, or binary if the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let first = u64::from(field[0] & 0x7f);
        return field[1..].iter().try_fold(first, |sum, byte| {
            sum.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(digits, 8).ok()
}
