//! Random bytes.

use crate::error::RepositoryError;

/// Returns random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RepositoryError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| RepositoryError::io("get random bytes", std::io::Error::other(e)))?;
    Ok(bytes)
}
