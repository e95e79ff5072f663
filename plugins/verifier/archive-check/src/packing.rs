//! Compression: unpacked as a stream, every member and every frame, with its checksum.

use crate::damaged;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, Read};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Bytes that are unpacked before they are given on.
const STEP_BYTES: usize = 128 << 10;

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// Tells it by the first bytes.
    pub(crate) fn for_head(head: &[u8]) -> Self {
        let is_skippable = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        if head.starts_with(GZIP_MAGIC) {
            Self::Gzip
        } else if head.starts_with(ZSTD_MAGIC) || is_skippable {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

/// Unpacks a stream.
pub(crate) fn unpack<'a>(packing: Packing, from: &'a mut dyn Read) -> Box<dyn Read + 'a> {
    match packing {
        Packing::None => Box::new(from),
        Packing::Gzip => Box::new(Gzip(MultiGzDecoder::new(from))),
        Packing::Zstd => Box::new(Zstd {
            from,
            frames: 0,
            current: None,
        }),
    }
}

/// All members of a gzip file, with errors in words.
struct Gzip<R>(MultiGzDecoder<R>);

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("gzip: it was cut short"),
            _ => damaged(format!("gzip: {error}")),
        })
    }
}

/// All frames of a zstd file, one after the other.
struct Zstd<'a> {
    from: &'a mut dyn Read,
    frames: u64,
    current: Option<Box<FrameDecoder>>,
}

impl Zstd<'_> {
    /// Begins the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        let mut first = [0];
        if self.from.read(&mut first)? == 0 {
            return if self.frames > 0 {
                Ok(false)
            } else {
                Err(damaged("zstd: it is empty"))
            };
        }
        self.frames += 1;
        let mut decoder = Box::new(FrameDecoder::new());
        match decoder.reset(first.chain(&mut *self.from)) {
            Ok(()) => self.current = Some(decoder),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = u64::from(length);
                let skipped = io::copy(&mut (&mut *self.from).take(length), &mut io::sink())?;
                if skipped < length {
                    return Err(damaged("zstd: it was cut short"));
                }
            }
            Err(error) => return Err(damaged(format!("zstd: it has no header: {error}"))),
        }
        Ok(true)
    }
}

/// Checks what a frame that is over says of its content.
fn check_sum(decoder: &FrameDecoder) -> io::Result<()> {
    match decoder.get_checksum_from_data() {
        Some(said) if decoder.get_calculated_checksum() != Some(said) => {
            Err(damaged("zstd: its checksum does not fit: it is damaged"))
        }
        _ => Ok(()),
    }
}

impl Read for Zstd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.current else {
                if self.begin()? {
                    continue;
                }
                return Ok(0);
            };
            let count = decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if decoder.is_finished() {
                check_sum(decoder)?;
                self.current = None;
                continue;
            }
            let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
            decoder
                .decode_blocks(&mut *self.from, step)
                .map_err(|error| damaged(format!("zstd: damaged, or cut short: {error}")))?;
        }
    }
}
