//! Streams in sealed segments: the STREAM construction, as `crypto.wit` states it.
//!
//! - A segment is written in the clear only after it was authenticated.
//! - A stream that is read to its end must carry the mark of its end, and a range that was asked for
//!   must be there in full.
//! - Many segments are read, worked on in place and written at once; none of them allocates.

use crate::capability::failure::{check_cancelled, failure};
use crate::capability::streams::{Reader, Writer};
use crate::contract::{Failure, FailureKind};
use holdfast_base::cancel::Cancel;
use ring::aead::{Aad, LessSafeKey, Nonce};

/// Bytes that are worked on at once, unless one segment has more.
const BATCH_BYTES: usize = 1 << 20;
/// Largest segment.
const SEGMENT_BYTES_MAX: u32 = 1 << 20;
const TAG_BYTES: usize = 16;
const PREFIX_BYTES_MAX: usize = 7;

/// How a stream is cut and numbered, and which part of it is wanted.
pub(crate) struct Segments {
    /// Bytes of the content of a segment.
    pub(crate) segment_bytes: u32,
    /// What every nonce begins with.
    pub(crate) nonce_prefix: Vec<u8>,
    /// The number of the first segment.
    pub(crate) first: u64,
    /// Whether the stream is read to its end.
    pub(crate) to_end: bool,
    /// Bytes of content that are left out.
    pub(crate) skip: u64,
    /// Bytes of content that are wanted; all if none is given.
    pub(crate) take: Option<u64>,
}

pub(super) fn damaged() -> Failure {
    failure(
        FailureKind::Damaged,
        "it was changed, or the key does not fit",
    )
}

/// Numbers the segments of a stream and makes their nonces.
struct Counter {
    prefix: Vec<u8>,
    next: u64,
}

impl Counter {
    fn new(segments: &Segments, first: u64) -> Result<Self, Failure> {
        if !(1..=SEGMENT_BYTES_MAX).contains(&segments.segment_bytes) {
            let message = format!("a segment has 1 to {SEGMENT_BYTES_MAX} bytes");
            return Err(failure(FailureKind::Invalid, message));
        }
        if segments.nonce_prefix.len() > PREFIX_BYTES_MAX {
            let message = format!("the prefix of a nonce has at most {PREFIX_BYTES_MAX} bytes");
            return Err(failure(FailureKind::Invalid, message));
        }
        Ok(Self {
            prefix: segments.nonce_prefix.clone(),
            next: first,
        })
    }

    fn next_nonce(&mut self, is_last: bool) -> Result<Nonce, Failure> {
        let mut bytes = [0; 12];
        bytes[3..11].copy_from_slice(&self.next.to_be_bytes());
        let (start, _) = bytes.split_at_mut(self.prefix.len());
        if start.iter().any(|byte| *byte != 0) {
            return Err(failure(
                FailureKind::Limit,
                "the stream has too many segments",
            ));
        }
        start.copy_from_slice(&self.prefix);
        bytes[11] = u8::from(is_last);
        let too_many = || failure(FailureKind::Limit, "the stream has too many segments");
        self.next = self.next.checked_add(1).ok_or_else(too_many)?;
        Ok(Nonce::assume_unique_for_key(bytes))
    }
}

/// Segments that were read into a buffer.
struct ReadSegments {
    count: usize,
    /// The length of the last of them.
    last: usize,
    /// Whether the last of them is the last of the stream.
    is_end: bool,
}

/// A buffer with room for many segments, and what is known of them.
struct Batch {
    buffer: Vec<u8>,
    /// Bytes of one segment as it comes in.
    segment: usize,
    /// Bytes from the beginning of one segment to the next.
    stride: usize,
    /// Segments that the buffer holds.
    room: usize,
    /// Bytes of a segment that was read ahead: whether more comes must be known of each.
    ahead: usize,
    is_first: bool,
}

impl Batch {
    fn new(segment: usize, stride: usize) -> Self {
        let room = (BATCH_BYTES / stride).max(1);
        let buffer = vec![0; (room + 1) * stride];
        Self {
            buffer,
            segment,
            stride,
            room,
            ahead: 0,
            is_first: true,
        }
    }

    /// Reads segments until the buffer is full.
    fn read_batch(&mut self, from: &mut Reader) -> Result<ReadSegments, Failure> {
        let (mut count, mut last) = (0, 0);
        if self.is_first {
            self.is_first = false;
            self.ahead = from.read_full(&mut self.buffer[..self.segment])?;
        } else {
            let at = self.room * self.stride;
            self.buffer.copy_within(at..at + self.ahead, 0);
        }
        // One that has not its full length is followed by nothing: the end was seen.
        let mut next = self.ahead;
        while count < self.room {
            count += 1;
            last = next;
            if last < self.segment {
                let is_end = true;
                return Ok(ReadSegments {
                    count,
                    last,
                    is_end,
                });
            }
            let at = count * self.stride;
            next = from.read_full(&mut self.buffer[at..at + self.segment])?;
            if next == 0 {
                let is_end = true;
                return Ok(ReadSegments {
                    count,
                    last,
                    is_end,
                });
            }
        }
        self.ahead = next;
        Ok(ReadSegments {
            count,
            last,
            is_end: false,
        })
    }
}

/// Seals a stream from its beginning to its end.
pub(crate) fn seal_segments(
    key: &LessSafeKey,
    segments: Segments,
    cancel: &Cancel,
    from: &mut Reader,
    to: &mut Writer,
) -> Result<u64, Failure> {
    let mut counter = Counter::new(&segments, 0)?;
    let segment = segments.segment_bytes as usize;
    let stride = segment + TAG_BYTES;
    let mut batch = Batch::new(segment, stride);
    let mut total = 0;
    loop {
        check_cancelled(cancel)?;
        let ReadSegments {
            count,
            last,
            is_end,
        } = batch.read_batch(from)?;
        for at in 0..count {
            let is_last = is_end && at + 1 == count;
            let length = if at + 1 == count { last } else { segment };
            let piece = &mut batch.buffer[at * stride..at * stride + length + TAG_BYTES];
            let (plain, place) = piece.split_at_mut(length);
            let tag =
                key.seal_in_place_separate_tag(counter.next_nonce(is_last)?, Aad::empty(), plain);
            let tag = tag.map_err(|_| failure(FailureKind::Failed, "sealing failed"))?;
            place.copy_from_slice(tag.as_ref());
        }
        let sealed = (count - 1) * stride + last + TAG_BYTES;
        to.write_all(&batch.buffer[..sealed])?;
        total += sealed as u64;
        if is_end {
            return Ok(total);
        }
    }
}

/// Opens sealed segments, and gives the part of their content that was asked for.
pub(crate) fn open_segments(
    key: &LessSafeKey,
    segments: Segments,
    cancel: &Cancel,
    from: &mut Reader,
    to: &mut Writer,
) -> Result<u64, Failure> {
    let mut counter = Counter::new(&segments, segments.first)?;
    let stride = segments.segment_bytes as usize + TAG_BYTES;
    let mut batch = Batch::new(stride, stride);
    let mut window = Window {
        skip: segments.skip,
        take: segments.take,
        given: 0,
    };
    loop {
        check_cancelled(cancel)?;
        let mut read = batch.read_batch(from)?;
        let was_end = read.is_end;
        if read.count == 1 && read.last == 0 {
            if segments.to_end {
                return Err(failure(FailureKind::Damaged, "it was cut short"));
            }
            read.count = 0;
        }
        // The end of a range need not be the end of the stream, whose last segment has a mark.
        read.is_end = was_end && segments.to_end;
        let filled = open_batch(key, &mut counter, &mut batch, &read)?;
        window.pass_on(&batch.buffer[..filled], to)?;
        if was_end || (window.is_full() && !segments.to_end) {
            return window.check_complete();
        }
    }
}

/// Opens the segments of a batch and puts their content together at its front, over what was opened
/// before. Returns its length.
fn open_batch(
    key: &LessSafeKey,
    counter: &mut Counter,
    batch: &mut Batch,
    read: &ReadSegments,
) -> Result<usize, Failure> {
    let stride = batch.stride;
    let mut filled = 0;
    for at in 0..read.count {
        let is_last_here = at + 1 == read.count;
        let length = if is_last_here { read.last } else { stride };
        let is_first = counter.next == 0;
        let nonce = counter.next_nonce(read.is_end && is_last_here)?;
        let piece = &mut batch.buffer[at * stride..at * stride + length];
        let plain = key
            .open_in_place(nonce, Aad::empty(), piece)
            .map_err(|_| damaged())?
            .len();
        if plain == 0 && !is_first {
            return Err(damaged());
        }
        batch
            .buffer
            .copy_within(at * stride..at * stride + plain, filled);
        filled += plain;
    }
    Ok(filled)
}

/// The part of a stream that was asked for.
struct Window {
    skip: u64,
    take: Option<u64>,
    given: u64,
}

impl Window {
    fn is_full(&self) -> bool {
        self.take.is_some_and(|take| self.given == take)
    }

    fn pass_on(&mut self, plain: &[u8], to: &mut Writer) -> Result<(), Failure> {
        let length = plain.len() as u64;
        let skipped = length.min(self.skip);
        self.skip -= skipped;
        let left = self.take.map_or(u64::MAX, |take| take - self.given);
        let wanted = (length - skipped).min(left);
        self.given += wanted;
        if wanted == 0 {
            return Ok(());
        }
        to.write_all(&plain[skipped as usize..(skipped + wanted) as usize])
    }

    fn check_complete(&self) -> Result<u64, Failure> {
        if self.skip > 0 || self.take.is_some_and(|take| self.given < take) {
            let message = "the stream ended before the range that was asked for";
            return Err(failure(FailureKind::Damaged, message));
        }
        Ok(self.given)
    }
}

#[cfg(test)]
mod tests;
