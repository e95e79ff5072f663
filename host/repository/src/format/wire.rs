//! Numbers of variable length (LEB128), and a reader that never runs past its end.

use crate::format::FormatError;

/// Appends a number, seven bits a byte, the lowest first.
pub fn put_u64(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Appends a signed number, small ones of either sign short.
pub fn put_i64(to: &mut Vec<u8>, value: i64) {
    put_u64(to, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends a length and the bytes.
pub fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Reads what the functions above wrote.
#[derive(Debug, Clone)]
pub struct Wire<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Wire<'a> {
    /// Starts at the beginning of `bytes`; `what` names them in errors.
    #[must_use]
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// Returns whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the number of bytes that are left.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    /// Takes `count` bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn take_bytes(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let short = FormatError::Short { what: self.what };
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes an array.
    ///
    /// # Errors
    /// There are fewer bytes.
    pub fn read_array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take_bytes(N)?);
        Ok(array)
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// There is none.
    pub fn read_byte(&mut self) -> Result<u8, FormatError> {
        Ok(self.read_array::<1>()?[0])
    }

    /// Takes a number.
    ///
    /// # Errors
    /// The bytes end, or the number has more than 64 bits.
    pub fn read_u64(&mut self) -> Result<u64, FormatError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.read_byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.invalid("a number of more than 64 bits"))
    }

    /// Takes a signed number.
    ///
    /// # Errors
    /// As for [`Wire::u64`].
    pub fn read_i64(&mut self) -> Result<i64, FormatError> {
        let raw = self.read_u64()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Takes a number of at most 32 bits.
    ///
    /// # Errors
    /// It is larger.
    pub fn read_u32(&mut self) -> Result<u32, FormatError> {
        u32::try_from(self.read_u64()?).map_err(|_| self.invalid("a number of more than 32 bits"))
    }

    /// Takes a count of things that need at least `each` bytes, so that no input can ask for more
    /// memory than it fills.
    ///
    /// # Errors
    /// The count cannot be right.
    pub fn read_count(&mut self, each: usize) -> Result<usize, FormatError> {
        let count = usize::try_from(self.read_u64()?).unwrap_or(usize::MAX);
        if count.saturating_mul(each) > self.rest.len() {
            return Err(FormatError::Short { what: self.what });
        }
        Ok(count)
    }

    /// Takes a length and that many bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn read_bytes(&mut self) -> Result<&'a [u8], FormatError> {
        let count = self.read_count(1)?;
        self.take_bytes(count)
    }

    /// Takes a length and that many bytes of UTF-8.
    ///
    /// # Errors
    /// There are fewer, or they are not UTF-8.
    pub fn read_text(&mut self) -> Result<String, FormatError> {
        let bytes = self.read_bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.invalid("a text that is not UTF-8"))
    }

    /// Makes an error about a value.
    #[must_use]
    pub fn invalid(&self, detail: &str) -> FormatError {
        FormatError::invalid(self.what, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_survive(unsigned: u64, signed: i64) {
            let mut bytes = Vec::new();
            put_u64(&mut bytes, unsigned);
            put_i64(&mut bytes, signed);
            let mut wire = Wire::new(&bytes, "test");
            prop_assert_eq!(wire.read_u64(), Ok(unsigned));
            prop_assert_eq!(wire.read_i64(), Ok(signed));
            prop_assert!(wire.is_empty());
        }

        #[test]
        fn any_bytes_give_a_value_or_an_error(bytes: Vec<u8>) {
            let mut wire = Wire::new(&bytes, "test");
            while wire.read_u64().is_ok() {}
            let _ = Wire::new(&bytes, "test").read_bytes();
        }
    }

    #[test]
    fn a_count_that_the_input_cannot_fill_is_refused() {
        let mut bytes = Vec::new();
        put_u64(&mut bytes, u64::MAX);
        assert!(Wire::new(&bytes, "test").read_count(1).is_err());
    }
}
