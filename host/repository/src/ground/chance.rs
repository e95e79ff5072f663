//! Random bytes.

/// The system has no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("cannot get random bytes")]
pub struct EntropyError(#[source] pub std::io::Error);

/// Returns random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| EntropyError(std::io::Error::other(error)))?;
    Ok(bytes)
}
