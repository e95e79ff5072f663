//! Bytes as hexadecimal digits and back.

/// Says that a text is not as many hexadecimal digits as its bytes take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hexadecimal digits")]
pub struct HexError {
    digits: usize,
}

/// Writes bytes as lower-case digits, two for each.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let digits =
        |byte: &u8| [byte >> 4, byte & 0xf].map(|half| b"0123456789abcdef"[usize::from(half)]);
    bytes
        .as_ref()
        .iter()
        .flat_map(digits)
        .map(char::from)
        .collect()
}

/// Reads exactly as many bytes as fit; upper-case digits count too.
///
/// # Errors
/// [`HexError`] if the text is shorter or longer, or holds anything else. What was read before stays in `bytes`.
pub fn decode_to_slice(text: impl AsRef<[u8]>, bytes: &mut [u8]) -> Result<(), HexError> {
    let digits = bytes.len() * 2;
    let text = text.as_ref();
    if text.len() != digits {
        return Err(HexError { digits });
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        let both = value(pair[0]).zip(value(pair[1]));
        let (high, low) = both.ok_or(HexError { digits })?;
        *byte = (high * 16 + low) as u8;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_both_directions() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let text = encode(&bytes);
        assert_eq!(text.len(), 512);
        assert!(text.starts_with("000102") && text.ends_with("fdfeff"));
        for text in [text.to_uppercase(), text] {
            let mut read = [0; 256];
            decode_to_slice(text, &mut read).unwrap();
            assert_eq!(read[..], bytes);
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_no_digit_is_refused() {
        for text in [
            "", "ab", "abc", "abcde", "abcdef", "abcg", "g000", "+1+1", " a b", "äb1",
        ] {
            let refused = decode_to_slice(text, &mut [0; 2]).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "expected 4 hexadecimal digits",
                "{text}"
            );
        }
        assert_eq!(decode_to_slice("", &mut []), Ok(()));
    }
}
