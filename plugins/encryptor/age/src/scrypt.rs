//! The key of a passphrase: scrypt as age uses it (r = 8, p = 1), in a bounded memory.
//!
//! - Never more than 128 MiB, although stock `age` takes 256 MiB for the passphrases that it makes: of
//!   the blocks that scrypt fills its memory with, only every second (fourth, eighth) is kept, and
//!   the others are made again when they are needed. The result is the same.
//! - If there is not enough memory, that is a failure and no trap.

use holdfast_sdk::{Failure, FailureKind};
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;

/// Bytes of a block: 128 r.
const BLOCK_BYTES: usize = 1024;
/// Four words each; a part of 64 bytes has four of them.
const ROWS: usize = BLOCK_BYTES / 16;
/// Blocks that are kept at most: 128 MiB.
const KEPT_MAX: usize = 1 << 17;
/// The places of a part's words while it is mixed: its diagonals are rows then.
const DIAGONALS: [usize; 16] = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];

type Row = [u32; 4];
type Block = [Row; ROWS];

/// Derives a key at the cost of 2^`log_n` rounds.
pub(crate) fn derive(passphrase: &[u8], salt: &[u8], log_n: u8) -> Result<[u8; 32], Failure> {
    let mut bytes = [0; BLOCK_BYTES];
    pbkdf2_hmac::<Sha256>(passphrase, salt, 1, &mut bytes);
    let mixed = to_bytes(&mix_all(to_rows(&bytes), 1 << log_n, KEPT_MAX)?);
    let mut key = [0; 32];
    pbkdf2_hmac::<Sha256>(passphrase, &mixed, 1, &mut key);
    Ok(key)
}

fn to_rows(bytes: &[u8; BLOCK_BYTES]) -> Block {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let at = (row / 4) * 16 + DIAGONALS[(row % 4) * 4 + column];
            std::array::from_fn(|byte| bytes[at * 4 + byte])
        })
        .map(u32::from_le_bytes)
    })
}

fn to_bytes(block: &Block) -> [u8; BLOCK_BYTES] {
    let mut bytes = [0; BLOCK_BYTES];
    for (row, words) in block.iter().enumerate() {
        for (column, word) in words.iter().enumerate() {
            let at = (row / 4) * 16 + DIAGONALS[(row % 4) * 4 + column];
            bytes[at * 4..at * 4 + 4].copy_from_slice(&word.to_le_bytes());
        }
    }
    bytes
}

/// Fills the memory and goes through it as chance wants, keeping so many blocks at most.
fn mix_all(mut block: Block, rounds: usize, kept_max: usize) -> Result<Block, Failure> {
    let stride = rounds.div_ceil(kept_max).next_power_of_two();
    let mut kept: Vec<Block> = Vec::new();
    kept.try_reserve_exact(rounds.div_ceil(stride))
        .map_err(|_| {
            Failure::new(
                FailureKind::Limit,
                "there is not enough memory for the passphrase",
            )
        })?;
    for round in 0..rounds {
        if round % stride == 0 {
            kept.push(block);
        }
        mix(&mut block);
    }
    for _ in 0..rounds {
        let wanted = block[ROWS - 4][0] as usize & (rounds - 1);
        let mut other = kept[wanted / stride];
        for _ in 0..wanted % stride {
            mix(&mut other);
        }
        for (row, other) in block.iter_mut().zip(&other) {
            *row = xor(*row, *other);
        }
        mix(&mut block);
    }
    Ok(block)
}

fn xor(a: Row, b: Row) -> Row {
    std::array::from_fn(|at| a[at] ^ b[at])
}

fn add_rotated(to: Row, a: Row, b: Row, bits: u32) -> Row {
    std::array::from_fn(|at| to[at] ^ a[at].wrapping_add(b[at]).rotate_left(bits))
}

/// Mixes a block: each part with the one before, even parts to the front and odd ones to the back.
fn mix(block: &mut Block) {
    let mut part: [Row; 4] = std::array::from_fn(|row| block[ROWS - 4 + row]);
    let mut mixed = [[0; 4]; ROWS];
    for (number, rows) in block.as_chunks::<4>().0.iter().enumerate() {
        part = salsa(std::array::from_fn(|row| xor(part[row], rows[row])));
        let to = number / 2 * 4 + number % 2 * (ROWS / 2);
        mixed[to..to + 4].copy_from_slice(&part);
    }
    *block = mixed;
}

/// Eight rounds of Salsa20.
fn salsa(part: [Row; 4]) -> [Row; 4] {
    let [mut a, mut b, mut c, mut d] = part;
    for _ in 0..4 {
        b = add_rotated(b, a, d, 7);
        c = add_rotated(c, b, a, 9);
        d = add_rotated(d, c, b, 13);
        a = add_rotated(a, d, c, 18);
        (b, c, d) = (turned::<3>(b), turned::<2>(c), turned::<1>(d));
        d = add_rotated(d, a, b, 7);
        c = add_rotated(c, d, a, 9);
        b = add_rotated(b, c, d, 13);
        a = add_rotated(a, b, c, 18);
        (b, c, d) = (turned::<1>(b), turned::<2>(c), turned::<3>(d));
    }
    let sum = |x: Row, y: Row| std::array::from_fn(|at| x[at].wrapping_add(y[at]));
    [
        sum(a, part[0]),
        sum(b, part[1]),
        sum(c, part[2]),
        sum(d, part[3]),
    ]
}

fn turned<const BY: usize>(row: Row) -> Row {
    std::array::from_fn(|at| row[(at + BY) % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_crate(passphrase: &[u8], salt: &[u8], log_n: u8) -> [u8; 32] {
        let mut key = [0; 32];
        let parameters = scrypt::Params::new(log_n, 8, 1, 32).unwrap();
        scrypt::scrypt(passphrase, salt, &parameters, &mut key).unwrap();
        key
    }

    #[test]
    fn keys_are_those_of_the_scrypt_crate() {
        for log_n in [1, 2, 5, 10, 14] {
            let expected = of_crate(b"correct horse", b"a salt of age's", log_n);
            assert_eq!(
                derive(b"correct horse", b"a salt of age's", log_n),
                Ok(expected)
            );
        }
    }

    #[test]
    fn keys_are_the_same_however_few_blocks_are_kept() {
        let block = to_rows(&std::array::from_fn(|at| at as u8));
        let whole = mix_all(block, 64, 64);
        for kept_max in [1, 2, 8, 16, 32, 63] {
            assert_eq!(mix_all(block, 64, kept_max), whole, "{kept_max}");
        }
    }
}
